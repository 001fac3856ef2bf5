/*
 * A form of parts (multipart/form-data) as it streams by: whether it reads in one way only, and names nothing that is ours
 * to say. Holds one part's head at a time. Internal to gateway/front.
 */
#ifndef KEYHOUSE_FRONT_PARTS_H
#define KEYHOUSE_FRONT_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#define PARTS_HEAD_MAX 4096u /* bytes of a part's head */
#define PARTS_MAX 64u /* of a form */
#define PARTS_CONTENT_MAX (100u << 20) /* bytes in a part: a document (facts/meta.md 2) */

enum parts_verdict {
	PARTS_FINE = 1, /* so far */
	PARTS_NAMES_OURS, /* a part has a name that no client's parameter may have */
	PARTS_TOO_LONG, /* a part holds more than PARTS_CONTENT_MAX */
	PARTS_UNREADABLE, /* it is no form, or one that others may read in another way */
};

struct parts;

/* By the Content-Type, which names the boundary. NULL with *verdict: it names none, or more than one; with PARTS_FINE: memory
 * is short. */
struct parts *parts_new(const char *content_type, enum parts_verdict *verdict);
void parts_free(struct parts *p); /* NULL is fine */

/* The form's next bytes. After anything but PARTS_FINE that is said again. */
enum parts_verdict parts_feed(struct parts *p, const void *data, size_t len);
/* Nothing more comes: PARTS_FINE where its last boundary came. */
enum parts_verdict parts_end(const struct parts *p);

#endif
