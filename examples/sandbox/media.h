/*
 * Media: uploaded by a shop or sent by a customer, kept in memory, downloaded through an address that lives five minutes.
 * All calls hold the sandbox's mutex.
 */
#ifndef SANDBOX_MEDIA_H
#define SANDBOX_MEDIA_H

#include "examples/sandbox/sandbox.h"

enum { MEDIA_MAX = 16 << 20 };

struct media_store;

struct media_store *media_new(void);
void media_free(struct media_store *m); /* NULL is fine */

/* Keeps bytes (copied): the id, or NULL: memory is short. type and name are copied, cut where too long. */
const char *media_keep(struct sandbox *s, const void *bytes, size_t len, const char *type, const char *name);

/* Fills in what a webhook says of the media object {"id": ...}: mime_type, sha256 (base64), filename, and with_url the address.
 * Any value is fine; one that is no media stays as it is. */
void media_describe(struct sandbox *s, struct cJSON *object, bool with_url);

/* The bytes of an id, for the phone page. */
void media_show(struct sandbox *s, const char *id, struct reply *r);

/* The provider's calls: POST {number}/media (or /media), GET and DELETE {media}, GET /whatsapp_business/attachments/.
 * The caller has checked the key. */
void media_upload(struct sandbox *s, const struct ask *a, struct reply *r);
void media_about(struct sandbox *s, const struct ask *a, const char *id, struct reply *r);
void media_download(struct sandbox *s, const struct ask *a, struct reply *r);
/* Whether an id is known. */
bool media_has(const struct sandbox *s, const char *id);

#endif
