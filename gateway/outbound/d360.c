/*
 * 360dialog's answers: error.code where Meta speaks, else meta.developer_message, else the status.
 * Only 401 is about the key. Called by answer.c and request.c.
 */
#include "gateway/outbound/d360.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "gateway/json.h"

/* facts/360dialog.md 4: what a 400 means stands in its words only; any case. Their throttle is a 400, too. */
static const struct {
	const char *words;
	enum outbound_class class;
} texts[] = {
	{"rate limit", OUTBOUND_RATE_LIMITED},
	{"too many requests", OUTBOUND_RATE_LIMITED},
	{"has been disabled", OUTBOUND_ACCOUNT},
	{"lack of payment", OUTBOUND_ACCOUNT},
	{"unpaid", OUTBOUND_ACCOUNT},
	{"overdue", OUTBOUND_ACCOUNT},
};

static enum outbound_class classify_text(const char *message)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcasestr(message, texts[i].words) != NULL)
			return texts[i].class;
	return OUTBOUND_MESSAGE;
}

enum outbound_class d360_classify(enum outbound_kind kind, const struct d360_refusal *refusal)
{
	enum outbound_class class;

	if (refusal->meta.http_status == 401)
		return OUTBOUND_AUTH;
	/* Behind 360dialog it is 360dialog's own token that Meta may refuse: no shop can mend that by another key. */
	if (refusal->meta.has_error) {
		class = meta_classify(kind, &refusal->meta);
		return class == OUTBOUND_AUTH ? OUTBOUND_ACCOUNT : class;
	}
	if (refusal->meta.http_status == 403)
		return OUTBOUND_ACCOUNT; /* a path that is blocked */
	if (refusal->meta.http_status == 400 && refusal->developer_message != NULL)
		return classify_text(refusal->developer_message);
	return meta_classify(kind, &refusal->meta);
}

bool d360_is_refusal(const cJSON *answer)
{
	return cJSON_IsFalse(json_get(json_get(answer, "meta"), "success"));
}

void d360_refusal(const struct kind *k, const cJSON *answer, struct outbound_result *r, struct answer_words *words)
{
	struct d360_refusal refusal = {
		.developer_message = json_get_string(json_get(answer, "meta"), "developer_message")};

	meta_error(answer, r->http_status, &refusal.meta, words);
	r->class = d360_classify(k->kind, &refusal);
	if (refusal.meta.has_error) {
		r->code = refusal.meta.code;
		r->subcode = refusal.meta.subcode;
	} else {
		*words = (struct answer_words){.message = refusal.developer_message};
	}
}

char *d360_webhook_body(const char *url, const struct secret *secret)
{
	cJSON *body = cJSON_CreateObject();
	char *text = NULL;

	/* A secret is followed by a NUL, and the caller saw that it holds none. */
	if (cJSON_AddStringToObject(body, "url", url) != NULL &&
		cJSON_AddStringToObject(cJSON_AddObjectToObject(body, "headers"), OUTBOUND_D360_HEADER,
			(const char *)secret_bytes(secret)) != NULL)
		text = json_text(body);
	cJSON_Delete(body);
	return text;
}
