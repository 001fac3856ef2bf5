/*
 * Problems: every answer that is not a success, as application/problem+json.
 *
 * A problem names the field and the rule, never the value that broke it.
 * Internal to gateway/api.
 */
#ifndef KEYHOUSE_API_PROBLEM_H
#define KEYHOUSE_API_PROBLEM_H

#include "gateway/api/internal.h"

struct cJSON;

enum problem {
	PROBLEM_UNAUTHORIZED,
	PROBLEM_NOT_FOUND,
	PROBLEM_METHOD_NOT_ALLOWED,
	PROBLEM_INVALID_JSON,
	PROBLEM_INVALID_FIELD,
	PROBLEM_MISSING_FIELD,
	PROBLEM_UNKNOWN_FIELD,
	PROBLEM_INVALID_CURSOR,
	PROBLEM_TOO_LARGE,
	PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	PROBLEM_BUSINESS_EXISTS,
	PROBLEM_NUMBER_TAKEN,
	PROBLEM_WEBHOOK_TAKEN,
	PROBLEM_CONFLICT,
	PROBLEM_IN_FLIGHT,
	PROBLEM_CREDENTIAL_REFUSED,
	PROBLEM_NUMBER_REQUIRED,
	PROBLEM_IDEMPOTENCY_KEY_REUSED,
	PROBLEM_RESPONDER_NOT_SUPPORTED,
	PROBLEM_WINDOW_CLOSED,
	PROBLEM_TOO_MANY_PRODUCTS,
	PROBLEM_TOO_MANY_KEYS,
	PROBLEM_UNAVAILABLE,
};

/* field may be NULL. detail NULL: what the table says. */
void problem(struct api_response *res, enum problem p, const char *field, const char *detail);
/* The same with a list of rows at fault. Takes rows. */
void problem_rows(struct api_response *res, enum problem p, const char *detail, struct cJSON *rows);

/* What a failed call of a lower floor means to the caller; logs what the operator must know. */
void problem_store(struct call *c, enum store_error err);
void problem_tenant(struct call *c, enum tenant_error err);

#endif
