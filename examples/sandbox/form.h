/*
 * A body of the type application/x-www-form-urlencoded, which Meta takes wherever it takes JSON.
 */
#ifndef SANDBOX_FORM_H
#define SANDBOX_FORM_H

#include "examples/sandbox/sandbox.h"

/* An object of texts; a value that is a JSON object or array stands in it as that. NULL: a malformed escape, or memory is
 * short. Caller frees with cJSON_Delete. */
struct cJSON *form_read(const uint8_t *body, size_t len);

#endif
