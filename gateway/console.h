/*
 * The console: what a command shows to a person and reads from one.
 *
 * Called by command.
 */
#ifndef KEYHOUSE_CONSOLE_H
#define KEYHOUSE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

#define CONSOLE_FILE_MAX (2u * 1024u * 1024u)

/* A cell padded to width, or the last of its line where width is 0. Names come from strangers: no control
 * character reaches the terminal. */
void console_text(const char *text, int width);
void console_part(const char *text); /* the same, within a line */
void console_value(const struct cJSON *v, int width); /* text, number, yes or no, a list of texts; else "-" */
/* "key  value" a line for every plain member, or the whole as JSON. */
void console_object(const struct cJSON *object, bool json);

/* A whole file, or standard input for "-"; at most CONSOLE_FILE_MAX. False, with a sentence on standard error,
 * when it cannot be read. Owns: the caller wipes and frees *data, which ends with a NUL. */
bool console_file(const char *path, char **data, size_t *len);
/* One line from standard input, without echo where it is a terminal; blanks around it are cut. False: empty. */
bool console_line(const char *prompt, char *out, size_t room);

#endif
