/*
 * Media: uploaded by a shop or sent by a customer, kept in memory, downloaded through an address that lives five minutes.
 * All calls but media_make hold the sandbox's mutex.
 */
#ifndef SANDBOX_MEDIA_H
#define SANDBOX_MEDIA_H

#include "examples/sandbox/sandbox.h"

enum { MEDIA_MAX = 100 << 20 }; /* facts/meta.md 2: of a document; other types have less */

struct media_store;
struct media;

/* The bytes of one, shared by the store and by those who are just sending them. */
struct media_bytes {
	atomic_uint owners;
	size_t len;
	uint8_t bytes[];
};

void media_let_go(struct media_bytes *bytes); /* NULL is fine; needs no mutex */

struct media_store *media_new(void);
void media_free(struct media_store *m); /* NULL is fine */

/* Makes one of bytes, which are copied and hashed: takes a while where they are many, and needs no mutex. type and name
 * are copied, cut where too long. NULL: memory is short. */
struct media *media_make(const void *bytes, size_t len, const char *type, const char *name);
/* Keeps it: its id, which lives as long as it does. number: whose it is; NULL: nobody's yet. The oldest give way. */
const char *media_keep(struct sandbox *s, struct media *made, const char *number);

/* Fills in what a webhook of that number says of the media object {"id": ...}: mime_type, sha256 (base64), filename, and
 * with_url the address. It is that number's from now on. Any value is fine; one that is no media stays as it is. */
void media_describe(struct sandbox *s, struct cJSON *object, const char *number, bool with_url);

/* The bytes of an id, for the phone page. */
void media_show(struct sandbox *s, const char *id, struct reply *r);

/* Whether an id is known. */
bool media_has(const struct sandbox *s, const char *id);

/* The provider's calls: POST {number}/media (or /media), GET and DELETE {media}, GET /whatsapp_business/attachments/.
 * The caller has checked the key; may: the numbers that it is for. While an upload is copied, the mutex is let go. */
struct media_access {
	const struct cJSON *numbers; /* array of a token, or NULL */
	const char *number; /* of a 360dialog key, or NULL */
};
void media_upload(struct sandbox *s, const struct ask *a, struct reply *r);
void media_about(
	struct sandbox *s, const struct ask *a, const char *id, const struct media_access *may, struct reply *r);
void media_download(struct sandbox *s, const struct ask *a, const struct media_access *may, struct reply *r);

#endif
