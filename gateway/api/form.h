/*
 * Reading bodies. A body is UTF-8 and JSON, and every field of an object is known,
 * given once and of its type, or the call is answered with the problem that says so.
 *
 * Internal to gateway/api.
 */
#ifndef KEYHOUSE_API_FORM_H
#define KEYHOUSE_API_FORM_H

#include "gateway/api/internal.h"

struct cJSON;

enum form_type { FORM_TEXT, FORM_BOOL, FORM_NUMBER, FORM_LIST };

struct form_field {
	const char *name;
	enum form_type type;
	bool required;
};

/* Whether the Content-Type is this one, whatever its parameters; a missing one counts as JSON. */
bool form_is_type(const char *content_type, const char *wanted);

/* The body as a tree of any kind; NULL after the problem was answered.
 * Owns: the caller deletes it; it is wiped then. */
struct cJSON *form_body(struct call *c);
/* The body as an object with these fields and no others. At least one must be there when some_required. */
struct cJSON *form_object(struct call *c, const struct form_field *fields, size_t fields_len, bool some_required);

/* Takes a secret out of an object: white space around it is dropped, the tree's copy is
 * wiped. NULL: absent, or memory was short, or nothing but white space.
 * Owns: the caller frees with secret_free. */
struct secret *form_secret(struct cJSON *object, const char *name);

/* A name for people: 1 to STORE_NAME_LEN bytes, no control characters. Answers the problem when it is none. */
bool form_name_ok(struct call *c, const char *field, const char *name);

#endif
