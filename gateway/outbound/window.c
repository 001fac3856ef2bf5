/*
 * The customer service window. What the log has of a customer says that it is open; that it is closed is said only
 * where everything that he could have written in the last day must be in the log. Called by api and gateway/resend.c.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/delivery.h"
#include "gateway/finding.h"
#include "gateway/json.h"
#include "gateway/outbound/outbound.h"

#define WINDOW_MS (INT64_C(24) * 3600000)
#define ADVERTISED_MS (INT64_C(72) * 3600000)

/* What was amiss with a connection's webhooks when it was looked at last. */
#define DEAF                                                                                                           \
	(FINDING_BIT(FINDING_FIELD_OFF) | FINDING_BIT(FINDING_APP_NOT_SUBSCRIBED) |                                    \
		FINDING_BIT(FINDING_OVERRIDE_ELSEWHERE) | FINDING_BIT(FINDING_WEBHOOK_TAKEN) |                         \
		FINDING_BIT(FINDING_WEBHOOK_UNSET) | FINDING_BIT(FINDING_NOT_SERVING))

static enum outbound_error from_store(enum store_error err)
{
	return err == STORE_OK ? OUTBOUND_OK : err == STORE_NO_MEMORY ? OUTBOUND_NO_MEMORY : OUTBOUND_STORE;
}

/* ------------------------------------------------------------ an advertisement */

struct advertised {
	struct tenants *t;
	int64_t at; /* when he came by one last; 0: not seen */
};

/* By the advertisement that the message names, where it opens. */
static bool look_for_one(const struct store_message *m, void *arg)
{
	const struct tenant_place place = {m->business_id, "messages", m->id, "content", 1};
	struct advertised *a = arg;
	uint8_t *plain = NULL;
	cJSON *content;
	size_t len;

	if (m->content_len == 0 || tenant_open(a->t, &place, m->content, m->content_len, &plain, &len) != TENANT_OK)
		return true;
	content = json_parse((const char *)plain, len);
	vault_wipe(plain, len);
	free(plain);
	if (cJSON_IsObject(json_get_path(content, "message.referral")) && m->created_at > a->at)
		a->at = m->created_at;
	cJSON_Delete(content);
	return true;
}

/* ------------------------------------------------------------ whether something was missed */

struct heed {
	const char *connection_id;
	int64_t since;
	bool all;
};

static bool heed_delivery(const struct store_delivery *d, void *arg)
{
	struct heed *h = arg;

	if (strcmp(d->connection_id, h->connection_id) != 0)
		return true;
	/* What was put aside came here, and was about others. */
	h->all = d->accepted_at > 0 &&
		(!delivery_is_refusal(delivery_why(d->refused_why)) ||
			(d->refused_count == 0 && d->refused_at <= h->since));
	return false;
}

/* Whether all webhooks of the connection came here since then, as far as anything tells. */
static enum store_error all_came(struct store *s, const struct store_message *m, int64_t since, bool *all)
{
	struct heed h = {m->connection_id, since, false};
	struct store_connection_facts facts;
	struct store_connection c;
	enum store_error err = store_connection_get(s, m->business_id, m->connection_id, &c);

	*all = false;
	if (err != STORE_OK || c.created_at > since || c.state_at > since || c.status == STORE_CONNECTION_PENDING ||
		c.status == STORE_CONNECTION_WEBHOOK_TAKEN)
		return err == STORE_NOT_FOUND ? STORE_OK : err;
	err = store_connection_facts_get(s, m->business_id, m->connection_id, &facts);
	if (err != STORE_OK || (facts.findings & DEAF) != 0)
		return err == STORE_NOT_FOUND ? STORE_OK : err;
	err = store_delivery_list(s, m->business_id, heed_delivery, &h);
	*all = h.all;
	return err;
}

/* ------------------------------------------------------------ all of it */

/* Not within a day: it is closed, unless he came by an advertisement, or something may have been missed. */
static enum outbound_error look_closer(struct tenants *t, const struct store_message *m,
	const struct store_heard *heard, int64_t now, struct outbound_window *out)
{
	struct advertised a = {t, 0};
	enum store_error err = STORE_OK;
	bool all = false;

	out->is = OUTBOUND_WINDOW_NOT_KNOWN;
	if (!heard->all || heard->unsettled)
		return OUTBOUND_OK;
	err = all_came(tenants_store(t), m, now - WINDOW_MS, &all);
	if (err != STORE_OK || !all)
		return from_store(err);
	if (heard->at > now - ADVERTISED_MS) {
		err = store_conversation_wrote(
			tenants_store(t), m->business_id, m->conversation, now - ADVERTISED_MS, look_for_one, &a);
		if (err != STORE_OK && err != STORE_TOO_MANY)
			return from_store(err);
	}
	if (a.at > 0) {
		out->is = OUTBOUND_WINDOW_OPEN;
		out->until = a.at + ADVERTISED_MS;
	} else if (err == STORE_OK) {
		out->is = OUTBOUND_WINDOW_CLOSED;
		out->heard_at = heard->at;
	}
	return OUTBOUND_OK;
}

/* Whether it is bound to a window at all. */
static bool is_bound(const cJSON *message)
{
	const char *type = json_get_string(message, "type"), *to = json_get_string(message, "recipient_type");

	return (type == NULL || strcmp(type, "template") != 0) && (to == NULL || strcmp(to, "group") != 0);
}

static enum outbound_error conversation_of(struct tenants *t, const char *json, size_t len, struct store_message *m)
{
	static const uint8_t none[STORE_INDEX_LEN];
	char customer[OUTBOUND_CUSTOMER_MAX + 1];
	enum tenant_error err = TENANT_BAD_DATA;

	if (memcmp(m->conversation, none, sizeof(none)) != 0)
		return OUTBOUND_OK;
	if (!outbound_message_customer(json, len, customer)) {
		vault_wipe(customer, sizeof(customer));
		return OUTBOUND_INVALID;
	}
	err = tenant_conversation(t, m->business_id, m->number, customer, m->conversation);
	vault_wipe(customer, sizeof(customer));
	return err == TENANT_OK ? OUTBOUND_OK : err == TENANT_NO_MEMORY ? OUTBOUND_NO_MEMORY : OUTBOUND_STORE;
}

enum outbound_error outbound_window(
	struct tenants *t, const char *json, size_t len, const struct store_message *m, struct outbound_window *out)
{
	struct outbound_window found = {.is = OUTBOUND_WINDOW_NONE};
	const int64_t now = store_now_ms();
	cJSON *message = json_parse(json, len);
	const bool bound = is_bound(message), is = cJSON_IsObject(message);
	struct store_message whose = *m;
	struct store_heard heard;
	enum outbound_error err;

	cJSON_Delete(message);
	if (!is)
		return OUTBOUND_INVALID;
	if (!bound) {
		*out = found;
		return OUTBOUND_OK;
	}
	err = conversation_of(t, json, len, &whose);
	if (err == OUTBOUND_OK)
		err = from_store(store_conversation_heard(
			tenants_store(t), whose.business_id, whose.conversation, now - WINDOW_MS, &heard));
	if (err != OUTBOUND_OK)
		return err;
	if (heard.at > now - WINDOW_MS) {
		found.is = OUTBOUND_WINDOW_OPEN;
		found.until = heard.at + WINDOW_MS;
	} else {
		err = look_closer(t, &whose, &heard, now, &found);
	}
	if (err == OUTBOUND_OK)
		*out = found;
	return err;
}

void outbound_window_expiry(const struct outbound_window *w, struct store_message *m)
{
	if (w->is == OUTBOUND_WINDOW_OPEN && m->expires_at == 0 && w->until < outbound_expires_at(m))
		m->expires_at = w->until;
}

void outbound_window_words(const struct outbound_window *w, char out[static OUTBOUND_WINDOW_WORDS_LEN])
{
	const time_t at = (time_t)(w->heard_at / 1000);
	char when[64] = "";
	struct tm tm;

	if (w->heard_at > 0 && gmtime_r(&at, &tm) != NULL)
		(void)strftime(when, sizeof(when), "the customer last wrote on %Y-%m-%d at %H:%M UTC", &tm);
	(void)snprintf(out, OUTBOUND_WINDOW_WORDS_LEN,
		"%s, and may be written to freely for 24 hours after he writes: now only with a template",
		when[0] != '\0' ? when : "the customer has not written yet");
}
