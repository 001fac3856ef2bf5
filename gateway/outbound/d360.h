/*
 * 360dialog's Messaging API where it is not Meta's: its key, its error bodies, its webhook's
 * configuration (facts/360dialog.md 1 to 4). An answer is trusted with nothing.
 * Called by answer.c and request.c.
 */
#ifndef KEYHOUSE_OUTBOUND_D360_H
#define KEYHOUSE_OUTBOUND_D360_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/outbound/kinds.h"
#include "gateway/outbound/meta.h"

struct cJSON;

/* An answer that is an error: Meta's, handed through, or 360dialog's own. */
struct d360_refusal {
	struct meta_refusal meta; /* has_error: it is Meta's */
	const char *developer_message; /* NULL: none */
};
enum outbound_class d360_classify(enum outbound_kind kind, const struct d360_refusal *refusal);

/* Whether an answer says that it is an error, whatever its status. */
bool d360_is_refusal(const struct cJSON *answer);
/* Fills class, code and subcode of r, whose http_status is set; words borrow from answer. */
void d360_refusal(
	const struct kind *k, const struct cJSON *answer, struct outbound_result *r, struct answer_words *words);

/* What sets our webhook. Owns: caller frees it with json_text_free. NULL: memory is short. */
char *d360_webhook_body(const char *url, const struct secret *secret);

#endif
