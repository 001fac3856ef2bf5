/* Looking into another process's memory, for tests: see memory.c. */
#ifndef KEYHOUSE_TEST_MEMORY_H
#define KEYHOUSE_TEST_MEMORY_H

#include <sys/types.h>

/* Whether needle lies anywhere in the process; -1: it may not be read. */
int memory_holds(pid_t pid, const char *needle);

/* Head and 48 random hex digits, in the heap alone: what stands in the test's text lies in mapped pages of every
 * child. Owns: caller frees. */
char *memory_secret(const char *head);

#endif
