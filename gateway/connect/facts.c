/*
 * What a provider says of a token and a number, kept for the settings page. The words are from outside: one that is too
 * long, or that is more than printable ASCII, counts as not said.
 *
 * Called by meta.c and d360.c when they probe, and by connect.c.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "gateway/connect/internal.h"
#include "gateway/json.h"

#define WHY_LEN 160u
#define EXPIRES_MAX 253402300799.0 /* the last second of the year 9999 */

static void word(char *out, size_t room, const cJSON *fields, const char *path)
{
	const char *text = cJSON_GetStringValue(json_get_path(fields, path));
	size_t len = text != NULL ? strlen(text) : 0;

	out[0] = '\0';
	if (len >= room)
		return;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return;
	memcpy(out, text != NULL ? text : "", len);
	out[len] = '\0';
}

void facts_of_token(struct connecting *w, const cJSON *fields)
{
	const cJSON *expires = json_get_path(fields, "data.expires_at");
	double at = cJSON_IsNumber(expires) ? expires->valuedouble : -1;

	w->token_told = true;
	w->facts.token_expires_at = 0;
	if (at == 0)
		w->facts.token_expires_at = -1;
	else if (at > 0 && at <= EXPIRES_MAX)
		w->facts.token_expires_at = (int64_t)at * 1000;
}

/* The limit that follows; 0: it is not known. Where nothing is said of the app, STANDARD may be either. */
static unsigned mps_of(const struct store_connection_facts *f, const cJSON *on_app)
{
	if (cJSON_IsTrue(on_app))
		return OUTBOUND_MPS_COEXISTENCE;
	if (strcmp(f->throughput, "HIGH") == 0)
		return OUTBOUND_MPS_HIGH;
	return strcmp(f->throughput, "STANDARD") == 0 && cJSON_IsFalse(on_app) ? OUTBOUND_MPS_STANDARD : 0;
}

void facts_of_number(struct connecting *w, const cJSON *fields)
{
	struct store_connection_facts *f = &w->facts;

	w->number_told = true;
	word(f->number_status, sizeof(f->number_status), fields, "status");
	word(f->name_status, sizeof(f->name_status), fields, "name_status");
	word(f->quality, sizeof(f->quality), fields, "quality_rating");
	word(f->messaging_limit, sizeof(f->messaging_limit), fields, "whatsapp_business_manager_messaging_limit");
	word(f->throughput, sizeof(f->throughput), fields, "throughput.level");
	word(f->can_send, sizeof(f->can_send), fields, "health.can_send");
	w->mps = mps_of(f, json_get(fields, "is_on_biz_app"));
	w->standard = strcmp(f->throughput, "STANDARD") == 0;
}

static enum finding why_blocked(const struct store_connection_facts *f, const char *why)
{
	const enum finding status = finding_of_number_status(f->number_status);

	if (finding_is_unpaid(why))
		return FINDING_UNPAID;
	if (status == FINDING_NUMBER_NOT_REGISTERED)
		return status;
	if (strcmp(f->quality, "RED") == 0 || status == FINDING_QUALITY_LOW)
		return FINDING_QUALITY_BLOCKED;
	return FINDING_NUMBER_BLOCKED;
}

void facts_tell_blocked(struct connecting *w, const cJSON *fields, const char *what)
{
	const char *words = cJSON_GetStringValue(json_get_path(fields, "health.why"));
	char why[WHY_LEN + 1];
	enum finding finding;

	connect_text(why, sizeof(why), words != NULL ? words : "");
	finding = why_blocked(&w->facts, why);
	connect_fault(w, "number", finding, "%s%s%s", what, why[0] != '\0' ? "; it says: " : "", why);
}

/* What failed now. Where nothing did, but not all was answered, what failed before is held to last. */
static uint64_t findings_after(const struct connect_report *report, uint64_t before)
{
	uint64_t now = 0;

	for (size_t i = 0; i < report->checks_len; i++)
		if (report->checks[i].finding != FINDING_NONE)
			now |= FINDING_BIT(report->checks[i].finding);
	return now != 0 || connect_was_answered(report) ? now : before;
}

/* What was known stays where nothing is said; but of more than the usual nothing is left when the usual is said. The
 * scheduler sees it when it next looks for what waits, within a minute. */
static enum store_error limit_keep(const struct connecting *w)
{
	const struct store_connection *s = w->connection;
	const bool less = w->mps == 0 && w->standard && s->mps > OUTBOUND_MPS_STANDARD;
	enum store_error err;

	if (!w->number_told || s->mps == w->mps || (w->mps == 0 && !less))
		return STORE_OK;
	err = store_connection_mps_set(tenants_store(w->c->tenants), s->business_id, s->id, w->mps);
	return err == STORE_STALE ? STORE_OK : err;
}

static enum store_error keep(const struct connecting *w, bool key_is_new)
{
	struct store *store = tenants_store(w->c->tenants);
	const struct store_connection *s = w->connection;
	const bool told = w->token_told || w->number_told || connect_was_answered(w->report);
	struct store_connection_facts before, now = w->facts;
	enum store_error err = store_connection_facts_get(store, s->business_id, s->id, &before);

	if (err != STORE_OK)
		return err;
	now.findings = findings_after(w->report, key_is_new ? 0 : before.findings);
	if (!told && now.findings == before.findings && !(key_is_new && before.token_expires_at != 0))
		return STORE_OK;
	if (!w->number_told) {
		const uint64_t findings = now.findings;

		now = before;
		now.findings = findings;
		now.token_expires_at = w->facts.token_expires_at;
	}
	if (!w->token_told)
		now.token_expires_at = key_is_new ? 0 : before.token_expires_at;
	now.looked_at = told ? store_now_ms() : before.looked_at;
	return store_connection_facts_put(store, s->business_id, s->id, &now);
}

enum store_error facts_keep(const struct connecting *w, bool key_is_new)
{
	const enum store_error err = keep(w, key_is_new);

	return err == STORE_OK ? limit_keep(w) : err;
}
