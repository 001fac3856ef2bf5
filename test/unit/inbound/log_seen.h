/*
 * What the log says while something runs: standard error, kept aside in a file without a name.
 * Nothing may be asserted in between. Each test program includes this once.
 */
#ifndef KEYHOUSE_TEST_LOG_SEEN_H
#define KEYHOUSE_TEST_LOG_SEEN_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int log_seen_before;
static FILE *log_seen_file;

static void log_seen_begin(void)
{
	log_seen_file = tmpfile();
	log_seen_before = dup(STDERR_FILENO);
	if (log_seen_file == NULL || log_seen_before < 0 || dup2(fileno(log_seen_file), STDERR_FILENO) < 0)
		abort();
}

/* Cut to fit, NUL-terminated. */
static void log_seen_end(char *out, size_t room)
{
	size_t len;

	if (dup2(log_seen_before, STDERR_FILENO) < 0)
		abort();
	(void)close(log_seen_before);
	rewind(log_seen_file);
	len = fread(out, 1, room - 1, log_seen_file);
	out[len] = '\0';
	(void)fclose(log_seen_file);
}

#endif
