/*
 * Meta's bodies, errors and their codes. The table below is facts/meta.md section 3, a row a code.
 * Called by both halves of outbound.
 */
#include "gateway/outbound/meta.h"

#include <cjson/cJSON.h>
#include <limits.h>

#include "gateway/json.h"

/* ------------------------------------------------------------ codes */

#define AUTH OUTBOUND_AUTH
#define ACCOUNT OUTBOUND_ACCOUNT
#define RETRY OUTBOUND_RETRYABLE
#define LIMIT OUTBOUND_RATE_LIMITED
#define MESSAGE OUTBOUND_MESSAGE
#define RECIPIENT OUTBOUND_RECIPIENT
#define WINDOW OUTBOUND_WINDOW

#define NUMBER META_NUMBER
#define PAIR META_PAIR
#define WABA META_ACCOUNT
#define APP META_APP
#define ITSELF META_ITSELF

#define MINUTE 60u
#define HOUR 3600u

/* first, last, class, wait_s, tries_max, scope. Single codes come before the ranges that hold them. */
static const struct meta_rule rules[] = {
	{0, 0, AUTH, 0, 0, NUMBER},
	{1, 1, RETRY, 0, 5, ITSELF}, /* "invalid request or server error": only trying tells which */
	{2, 2, RETRY, 0, 0, NUMBER},
	{3, 3, AUTH, 0, 0, NUMBER},
	{4, 4, LIMIT, 5 * MINUTE, 0, APP},
	{10, 10, AUTH, 0, 0, NUMBER},
	{17, 17, LIMIT, 5 * MINUTE, 0, APP},
	{33, 33, ACCOUNT, 0, 0, NUMBER},
	{100, 100, MESSAGE, 0, 0, NUMBER},
	{101, 102, AUTH, 0, 0, NUMBER}, /* 101: the application itself is not accepted */
	{104, 104, AUTH, 0, 0, NUMBER},
	{190, 190, AUTH, 0, 0, NUMBER},
	{200, 299, AUTH, 0, 0, NUMBER},
	{368, 368, ACCOUNT, 0, 0, NUMBER},
	{613, 613, LIMIT, 5 * MINUTE, 0, APP},
	{803, 803, MESSAGE, 0, 0, NUMBER},
	{2500, 2500, AUTH, 0, 0, NUMBER},
	{80007, 80007, LIMIT, 5 * MINUTE, 0, WABA},
	{130403, 130403, RECIPIENT, 0, 0, NUMBER},
	{130429, 130429, LIMIT, 0, 0, NUMBER},
	{130472, 130472, MESSAGE, 0, 0, NUMBER},
	{130497, 130497, RECIPIENT, 0, 0, NUMBER}, /* that country: another customer may be fine */
	{131000, 131000, RETRY, 0, 8, NUMBER},
	{131005, 131005, AUTH, 0, 0, NUMBER},
	{131008, 131009, MESSAGE, 0, 0, NUMBER},
	{131016, 131016, RETRY, 0, 0, NUMBER},
	{131020, 131021, MESSAGE, 0, 0, NUMBER},
	{131026, 131026, RECIPIENT, 0, 0, NUMBER},
	{131030, 131030, RECIPIENT, 0, 0, NUMBER},
	{131031, 131031, ACCOUNT, 0, 0, NUMBER},
	{131037, 131037, ACCOUNT, 0, 0, NUMBER},
	{131041, 131041, MESSAGE, 0, 0, NUMBER},
	{131042, 131042, ACCOUNT, 0, 0, NUMBER},
	{131044, 131045, ACCOUNT, 0, 0, NUMBER},
	{131047, 131047, WINDOW, 0, 0, NUMBER},
	{131048, 131048, LIMIT, HOUR, 0, NUMBER},
	{131049, 131050, RECIPIENT, 0, 0, NUMBER},
	{131051, 131052, MESSAGE, 0, 0, NUMBER},
	{131053, 131053, RETRY, 0, 2, ITSELF}, /* the host of a media link may have failed once */
	{131055, 131055, MESSAGE, 0, 0, NUMBER},
	{131056, 131056, LIMIT, 0, 0, PAIR},
	{131057, 131057, RETRY, MINUTE, 0, NUMBER},
	{131059, 131060, MESSAGE, 0, 0, NUMBER},
	{131062, 131063, MESSAGE, 0, 0, NUMBER},
	{131064, 131064, LIMIT, HOUR, 0, NUMBER},
	{131208, 131208, LIMIT, MINUTE, 0, NUMBER},
	{131201, 131215, MESSAGE, 0, 0, NUMBER},
	{132000, 132001, MESSAGE, 0, 0, NUMBER},
	{132005, 132005, MESSAGE, 0, 0, NUMBER},
	{132007, 132008, MESSAGE, 0, 0, NUMBER},
	{132012, 132012, MESSAGE, 0, 0, NUMBER},
	{132015, 132016, MESSAGE, 0, 0, NUMBER},
	{132018, 132018, MESSAGE, 0, 0, NUMBER},
	{132068, 132068, MESSAGE, 0, 0, NUMBER},
	{132069, 132069, LIMIT, 10 * MINUTE, 0, ITSELF}, /* of one flow */
	{133000, 133000, ACCOUNT, 0, 0, NUMBER},
	{133004, 133004, RETRY, 0, 0, NUMBER},
	{133005, 133006, ACCOUNT, 0, 0, NUMBER},
	{133008, 133009, LIMIT, 10 * MINUTE, 0, NUMBER},
	{133010, 133010, ACCOUNT, 0, 0, NUMBER},
	{133015, 133015, RETRY, 5 * MINUTE, 0, NUMBER},
	{133016, 133016, LIMIT, HOUR, 0, NUMBER},
	{134011, 134011, ACCOUNT, 0, 0, ITSELF}, /* of messages that ask for a payment */
	{134100, 134100, MESSAGE, 0, 0, NUMBER},
	{134101, 134101, RETRY, 10 * MINUTE, 0, ITSELF}, /* one template is not ready yet */
	{134102, 134102, ACCOUNT, 0, 0, ITSELF}, /* of marketing messages */
	{135000, 135000, MESSAGE, 0, 0, NUMBER},
	{137000, 137000, RECIPIENT, 0, 0, NUMBER},
	{138000, 138018, MESSAGE, 0, 0, NUMBER},
	{139000, 139004, MESSAGE, 0, 0, NUMBER},
	{139100, 139103, MESSAGE, 0, 0, NUMBER},
	{147001, 147005, MESSAGE, 0, 0, NUMBER},
	{2388000, 2388999, MESSAGE, 0, 0, NUMBER},
	{2494100, 2494100, RETRY, 5 * MINUTE, 0, NUMBER},
	{2593107, 2593109, MESSAGE, 0, 0, NUMBER},
};

const struct meta_rule *meta_rule_find(int32_t code)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (code >= rules[i].first && code <= rules[i].last)
			return &rules[i];
	return NULL;
}

bool outbound_code_class(int32_t code, enum outbound_class *out)
{
	const struct meta_rule *rule = code != 0 ? meta_rule_find(code) : NULL;

	if (rule != NULL)
		*out = rule->scope == META_ITSELF && rule->tries_max > 0 ? OUTBOUND_MESSAGE : rule->class;
	return rule != NULL;
}

/* No word of Meta about it: a refusal by status is provably not accepted, and only what this
 * very request is may be blamed on it; 3xx, 408 and 5xx leave open what happened. */
static enum outbound_class classify_status(int http_status)
{
	if (http_status == 429)
		return OUTBOUND_RATE_LIMITED;
	if (http_status == 413 || http_status == 414 || http_status == 431)
		return OUTBOUND_MESSAGE;
	if (http_status >= 400 && http_status < 500 && http_status != 408)
		return OUTBOUND_RETRYABLE;
	return OUTBOUND_OUTCOME_UNKNOWN;
}

enum outbound_class meta_classify(enum outbound_kind kind, const struct meta_refusal *refusal)
{
	const struct meta_rule *rule;

	if (!refusal->has_error)
		return classify_status(refusal->http_status);
	/* The node is gone or the token lost it; on a number both mean that this key cannot use it. Of an object that a
	 * client names, it may be his mistake. */
	if (refusal->code == 100 && refusal->subcode == 33 && kind != OUTBOUND_META_DEBUG_TOKEN &&
		kind != OUTBOUND_META_PASS_OBJECT && kind != OUTBOUND_D360_PASS_OBJECT)
		return OUTBOUND_AUTH;
	rule = meta_rule_find(refusal->code);
	if (rule != NULL)
		return rule->class;
	if (refusal->transient)
		return OUTBOUND_RETRYABLE;
	if (refusal->http_status == 401 || refusal->http_status == 403)
		return OUTBOUND_AUTH;
	if (refusal->http_status == 429)
		return OUTBOUND_RATE_LIMITED;
	return refusal->http_status >= 400 && refusal->http_status < 500 ? OUTBOUND_MESSAGE : OUTBOUND_OUTCOME_UNKNOWN;
}

/* ------------------------------------------------------------ requests */

static bool put_string(cJSON *object, const char *key, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	return cJSON_AddStringToObject(object, key, value) != NULL;
}

char *meta_body(const char *content, size_t len, const char *message_id)
{
	cJSON *object = json_parse(content, len);
	char *text = NULL;

	if (cJSON_IsObject(object) && put_string(object, "messaging_product", "whatsapp") &&
		put_string(object, "biz_opaque_callback_data", message_id))
		text = json_text(object);
	cJSON_Delete(object);
	return text;
}

/* ------------------------------------------------------------ errors */

static int32_t number_of(const cJSON *object, const char *key)
{
	const cJSON *n = json_get(object, key);

	return cJSON_IsNumber(n) && n->valuedouble >= INT32_MIN && n->valuedouble <= INT32_MAX ? (int32_t)n->valuedouble
											       : 0;
}

/* error_data is sometimes a plain string. */
void meta_error(const cJSON *answer, int http_status, struct meta_refusal *refusal, struct answer_words *words)
{
	const cJSON *error = json_get(answer, "error");
	const char *details = json_get_string(json_get(error, "error_data"), "details");

	*refusal = (struct meta_refusal){.http_status = http_status,
		.has_error = cJSON_IsNumber(json_get(error, "code")),
		.code = number_of(error, "code"),
		.subcode = number_of(error, "error_subcode"),
		.transient = cJSON_IsTrue(json_get(error, "is_transient"))};
	*words = (struct answer_words){
		json_get_string(error, "message"), details != NULL ? details : json_get_string(error, "error_data")};
}

void meta_refusal(const struct kind *k, const cJSON *answer, struct outbound_result *r, struct answer_words *words)
{
	struct meta_refusal refusal;

	meta_error(answer, r->http_status, &refusal, words);
	r->class = meta_classify(k->kind, &refusal);
	if (refusal.has_error) {
		r->code = refusal.code;
		r->subcode = refusal.subcode;
	} else {
		*words = (struct answer_words){0};
	}
}
