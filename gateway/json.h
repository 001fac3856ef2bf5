/*
 * JSON: what every part of the gateway does with cJSON, done once.
 *
 * Text from outside is scanned for its depth before the recursive parser sees it, look-ups are
 * case-sensitive, and what cJSON allocates is wiped when it is freed. Trees are cJSON's own:
 * include cjson/cJSON.h to walk or build one, end them with cJSON_Delete.
 *
 * cJSON cuts a string at \u0000 and keeps numbers as doubles: whole numbers above 2^53 are rounded.
 */
#ifndef KEYHOUSE_JSON_H
#define KEYHOUSE_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

#define JSON_DEPTH_MAX 64u
/* Each takes some hundred bytes, however short it is written. The densest of what providers send, an order of many items,
 * has one in fourteen bytes; this is one in twelve of the longest webhook. */
#define JSON_VALUES_MAX 262144u

/* Gives cJSON an allocator that wipes. Once, before the first use of cJSON and before threads. */
void json_init(void);

/* Whether no object or array lies deeper than max_depth; flat, reads strings and escapes as JSON
 * does, says nothing about well-formedness. "[]" has depth 1. */
bool json_depth_ok(const char *text, size_t len, unsigned max_depth);

/* Parses exactly len bytes (no NUL needed after them). NULL: deeper than JSON_DEPTH_MAX, more values than
 * JSON_VALUES_MAX, not JSON, a NUL byte, anything but white space after the value, or memory is short.
 * Owns: caller frees with cJSON_Delete. */
struct cJSON *json_parse(const char *text, size_t len);

/* Whether a text that json_parse takes is JSON to everybody: it takes numbers like 007 and 1., control characters in
 * strings and between values, and a byte order mark. */
bool json_is_strict(const char *text, size_t len);

/* Compact text. Owns: caller wipes where that matters and frees with free(). NULL: memory is short. */
char *json_text(const struct cJSON *value);

/* Wipes and frees it, or any text that was allocated; NULL is fine. */
void json_text_free(char *text);

/* Puts an item at the end of a list. Owns: the list has it, and where it cannot be added, as where either is NULL, it is
 * deleted, and this is false. */
bool json_list_add(struct cJSON *list, struct cJSON *item);

/* The value under a key of an object, or NULL. Any first argument is fine, NULL too. */
struct cJSON *json_get(const struct cJSON *object, const char *key);
/* The same if it is a string; borrows from the tree. */
const char *json_get_string(const struct cJSON *object, const char *key);
/* Follows "a.b[0].c"; the path may begin with "[0]". NULL where a step is missing or the path is malformed. */
struct cJSON *json_get_path(const struct cJSON *value, const char *path);

#endif
