/*
 * What happened, as numbered lines of JSON that a reader follows: everything after the last number it knows.
 * All calls hold the sandbox's mutex.
 */
#ifndef SANDBOX_JOURNAL_H
#define SANDBOX_JOURNAL_H

#include "examples/sandbox/sandbox.h"

/* Keeps at most max lines and bytes_max bytes of text. False: memory is short. */
bool journal_init(struct journal *j, size_t max, size_t bytes_max);
void journal_clear(struct journal *j);

/* Gives item the next number, as "seq", and keeps its text: borrows item. */
void journal_add(struct sandbox *s, struct journal *j, struct cJSON *item);

/* The same for the text of an object without "seq", clean as utf8_clean leaves it. Takes text; NULL is fine. */
void journal_add_text(struct sandbox *s, struct journal *j, char *text);

/* Forgets the lines; numbers go on. */
void journal_forget(struct journal *j);

/* Lines after a number, as many as one answer bears, as text that the caller frees, with separator between them. *next
 * becomes the last number in it, or stays. NULL: there is none. */
char *journal_after(const struct journal *j, uint64_t after, const char *separator, size_t *len, uint64_t *next);

/* The same as server-sent events, "id: N\ndata: {...}\n\n". */
char *journal_events(const struct journal *j, uint64_t after, size_t *len, uint64_t *next);

/* Waits until there is something after a number, the sandbox closes, or the time is over. Returns at once while too many
 * wait already. */
void journal_wait(struct sandbox *s, const struct journal *j, uint64_t after, unsigned wait_ms);

#endif
