/*
 * Doctor: everything that is amiss with a business, as findings.
 *
 * From what is remembered (states, what the last look found, what sends met, what was refused), and, where it is asked
 * to look, from the provider itself. Called by gateway/api and gateway/settings.
 */
#ifndef KEYHOUSE_DOCTOR_H
#define KEYHOUSE_DOCTOR_H

#include "gateway/connect/connect.h"
#include "gateway/finding.h"

/* Calls at a business's webhook URL that were refused. */
struct doctor_refusal {
	int64_t at; /* of the last webhook; 0: none */
	const char *why; /* plain words for a shop owner */
	int64_t signature_at, token_at, platform_at; /* as inbound tells them; 0: none */
};

struct doctor {
	struct connect connect; /* told is used */
	bool (*refusal)(void *ctx, const char *business_id, struct doctor_refusal *out); /* NULL: nobody knows */
	/* Adds to what the store has of a connection's deliveries what it does not have yet; NULL: it has all. */
	void (*delivery)(void *ctx, const char *connection_id, struct store_delivery *d);
	void *ctx;
	/* NULL, or hears which connection is asked about from now on. */
	void (*begins)(const struct store_connection *c, void *begins_arg);
	void *begins_arg;
};

#define DOCTOR_FINDINGS_MAX 128u
struct doctor_finding {
	enum finding finding;
	enum store_provider provider; /* whose remedy it is */
	char connection_id[STORE_ID_LEN + 1]; /* "": it is about the business as a whole */
	char number[STORE_PROVIDER_ID_LEN + 1]; /* that connection's, as the provider shows it, or its id, or "" */
	char detail[256]; /* what exactly was seen, or "" */
	int64_t at; /* when it was seen */
	unsigned messages; /* that met it in the last 24 hours; 0: it is not about messages */
};

struct doctor_report {
	struct doctor_finding findings[DOCTOR_FINDINGS_MAX]; /* what stops messages comes first */
	size_t len;
	size_t connections;
};

/* The credentials that are to be entered again, as ", " separates them, or "". */
const char *doctor_fields(const struct doctor_finding *f);
/* Whether something of this connection stands in the way of all its messages. */
bool doctor_is_stopped(const struct doctor_report *report, const char *connection_id);

/* What came of a connection's webhooks (gateway/delivery.h); zeros where nothing is known. */
enum store_error doctor_delivery(const struct doctor *d, const char *business_id, const char *connection_id,
	struct store_delivery *out) __attribute__((warn_unused_result));

/* What is remembered; asks nobody. STORE_NOT_FOUND: no such business. */
enum store_error doctor_recall(const struct doctor *d, const char *business_id, struct doctor_report *out)
	__attribute__((warn_unused_result));
/* Tests every connection (connect_test) and asks whether our address leads here, then the same. May take 40 seconds for
 * each connection, and no more than three minutes. STORE_BUSY: this business is looked at already, or too many are. */
enum store_error doctor_look(const struct doctor *d, const char *business_id, struct doctor_report *out)
	__attribute__((warn_unused_result));

#endif
