/*
 * The customers' phones: what they wrote, what the shops sent them, and how far each message is.
 */
#ifndef SANDBOX_PHONE_H
#define SANDBOX_PHONE_H

#include "examples/sandbox/sandbox.h"

#define PHONE_USER_ID_MAX 160u

/* A customer writes to a shop ("POST /sandbox/messages"). Holds the mutex. */
void phone_write(struct sandbox *s, const struct cJSON *asked, struct reply *r);

/* What a shop sent: its entry, from the record of sent messages. Holds the mutex. */
void phone_shop_sent(struct sandbox *s, const struct cJSON *sent, const char *customer);

/* A try to send that was not answered as usual: an entry for the trip, without a message. Holds the mutex. */
void phone_tried(struct sandbox *s, const struct ask *a, const char *customer, const char *words);

/* How the webhook of a customer's message went; again: it will be tried again. Takes the mutex. */
void phone_webhook_went(struct sandbox *s, const char *wamid, bool taken, bool again, const char *result);

/* A message reached a state; a late one does not move it back. note may be NULL. Takes the mutex. */
void phone_state(struct sandbox *s, const char *wamid, const char *state, const char *note);

/* The shop has read a customer's message. False: the number got no such message. Holds the mutex. */
bool phone_shop_read(struct sandbox *s, const char *number, const char *wamid);

/* The shops and customers that the page offers. Holds the mutex. Caller frees with cJSON_Delete. */
struct cJSON *phone_shops(struct sandbox *s);

/* A customer's business-scoped user id (facts/meta.md 1.9): the book's, else one made from the phone number. */
void phone_user_id(const struct sandbox *s, const char *phone, char out[static PHONE_USER_ID_MAX]);
/* The customer whose user id that is, or NULL; lives until the book changes. */
const char *phone_of_user_id(const struct sandbox *s, const char *user_id);
/* The name in the book, or the number itself. */
const char *phone_name(const struct sandbox *s, const char *customer);

/* A customer as the contacts of a webhook have it; phone may be "". Caller owns it. */
struct cJSON *phone_contact(const char *name, const char *phone, const char *user_id);

#endif
