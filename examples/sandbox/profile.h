/*
 * What a number tells customers of its shop: GET and POST {number}/whatsapp_business_profile, also through 360dialog. Kept in
 * the book. Holds the mutex; the caller has checked the key.
 */
#ifndef SANDBOX_PROFILE_H
#define SANDBOX_PROFILE_H

#include "examples/sandbox/sandbox.h"

void profile_answer(struct sandbox *s, const struct ask *a, struct reply *r);

#endif
