/*
 * The book: what the providers know of apps, tokens, numbers, keys and webhooks, as one JSON document (README.md shows
 * it). A missing part reads as its default, so a book may be short.
 *
 * All calls hold the sandbox's mutex; what they return is the book's own and lives until the book changes.
 */
#ifndef SANDBOX_BOOK_H
#define SANDBOX_BOOK_H

#include "examples/sandbox/sandbox.h"

/* Reads a book from a file. False: *why says what is wrong with it. */
bool book_load(struct sandbox *s, const char *path, char *why, size_t why_len);

/* Applies a merge patch (RFC 7396): an object's members are merged, null removes, anything else replaces. False: the
 * patch has a part that no book has, or one that is no object, or the book would grow too large to be read again; then
 * nothing changed. */
bool book_patch(struct sandbox *s, const struct cJSON *patch);

/* Writes it to the state file, whole or not at all. */
void book_keep(struct sandbox *s);

/* The entry of a part ("tokens", "numbers", ...) under a key, or NULL; key NULL is fine. */
struct cJSON *book_get(const struct sandbox *s, const char *part, const char *key);
/* The same, made where it is missing. */
struct cJSON *book_make(struct sandbox *s, const char *part, const char *key);

/* A text or truth of an entry, or what it is by default. */
const char *book_text(const struct cJSON *entry, const char *name, const char *otherwise);
bool book_true(const struct cJSON *entry, const char *name, bool otherwise);
/* Whether an array of an entry holds a text. */
bool book_holds(const struct cJSON *entry, const char *name, const char *value);

/* Sets a text of an entry. */
void book_set(struct cJSON *entry, const char *name, const char *value);

/* How many seconds the providers' clock is before the true time. */
double book_clock(const struct sandbox *s);

/* The newest 360dialog key of a number, valid or not (its webhook stays when it is revoked), or NULL; its value in *key. */
struct cJSON *book_key_of(const struct sandbox *s, const char *number, const char **key);
/* A valid token that may use a number, or NULL; its value in *token. */
struct cJSON *book_token_of(const struct sandbox *s, const char *number, const char **token);

/* Which provider a number is at: "meta", "360dialog"; 360dialog where it is at both. */
const char *book_api_of(const struct sandbox *s, const char *number);

#endif
