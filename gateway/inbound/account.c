/*
 * Reading account and quality updates. Pure functions over a tree that a stranger may
 * have signed; what goes into details is the provider's words alone. Called by prepare.c.
 */
#include "gateway/inbound/account.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/finding.h"
#include "gateway/json.h"
#include "gateway/outbound/outbound.h"

#define DAY_MS INT64_C(86400000)
#define LASTS_MS (30 * DAY_MS) /* what nobody ends */
#define PIN_LASTS_MS (7 * DAY_MS)
#define SECONDS_MAX 253402300799.0 /* the end of the year 9999 */
#define WORD_LEN 60
#define BIT(status) (1u << (unsigned)STORE_CONNECTION_##status)
#define WORKS (BIT(PENDING) | BIT(ACTIVE))

/* What a word of a field says. finding FINDING_NONE: the provider is asked soon, nothing else. */
struct row {
	const char *field, *word; /* word NULL: whatever it is */
	enum finding finding;
	bool is_over;
	enum store_connection_status to; /* 0: its state stays */
	unsigned from;
	const char *detail; /* path of a word that says more */
};

static const struct row rows[] = {
	{"account_update", "DISABLE", FINDING_NUMBER_BLOCKED, false, STORE_CONNECTION_BLOCKED, WORKS,
		"ban_info.waba_ban_state"},
	{"account_update", "REINSTATE", FINDING_NUMBER_BLOCKED, true, STORE_CONNECTION_ACTIVE, BIT(BLOCKED), NULL},
	{"account_update", "SCHEDULE_FOR_DISABLE", FINDING_ACCOUNT_WARNED, false, 0, 0, "ban_info.waba_ban_state"},
	{"account_update", "ACCOUNT_VIOLATION", FINDING_ACCOUNT_WARNED, false, 0, 0, "violation_info.violation_type"},
	{"account_update", "ACCOUNT_RESTRICTION", FINDING_ACCOUNT_RESTRICTED, false, 0, 0, NULL},
	{"account_update", "ACCOUNT_DELETED", FINDING_ACCOUNT_GONE, false, STORE_CONNECTION_BLOCKED, WORKS, NULL},
	{"account_update", "ACCOUNT_OFFBOARDED", FINDING_ACCESS_TAKEN, false, 0, 0, "event"},
	{"account_update", "PARTNER_REMOVED", FINDING_ACCESS_TAKEN, false, 0, 0, "event"},
	{"account_update", "PARTNER_APP_UNINSTALLED", FINDING_ACCESS_TAKEN, false, 0, 0, "event"},
	{"account_update", "PARTNER_ADDED", FINDING_ACCESS_TAKEN, true, 0, 0, NULL},
	{"account_update", "PARTNER_APP_INSTALLED", FINDING_ACCESS_TAKEN, true, 0, 0, NULL},
	{"account_update", "ACCOUNT_RECONNECTED", FINDING_ACCESS_TAKEN, true, 0, 0, NULL},
	{"account_review_update", "REJECTED", FINDING_ACCOUNT_REJECTED, false, 0, 0, "decision"},
	{"account_review_update", "APPROVED", FINDING_ACCOUNT_REJECTED, true, 0, 0, NULL},
	{"account_alerts", "ACTIVE", FINDING_ACCOUNT_WARNED, false, 0, 0, "alert_info.alert_type"},
	{"account_alerts", "NONE", FINDING_ACCOUNT_WARNED, true, 0, 0, NULL},
	{"phone_number_quality_update", "FLAGGED", FINDING_QUALITY_LOW, false, 0, 0, NULL},
	{"phone_number_quality_update", "DOWNGRADE", FINDING_QUALITY_LOW, false, 0, 0, NULL},
	{"phone_number_quality_update", "UNFLAGGED", FINDING_QUALITY_LOW, true, 0, 0, NULL},
	{"phone_number_quality_update", "UPGRADE", FINDING_QUALITY_LOW, true, 0, 0, NULL},
	{"phone_number_quality_update", NULL, FINDING_NONE, false, 0, 0, NULL},
	{"phone_number_name_update", "REJECTED", FINDING_NAME_REJECTED, false, 0, 0, "rejection_reason"},
	{"phone_number_name_update", "APPROVED", FINDING_NAME_REJECTED, true, 0, 0, NULL},
	{"business_capability_update", NULL, FINDING_NONE, false, 0, 0, NULL},
	{"security", "PIN_CHANGED", FINDING_PIN_CHANGED, false, 0, 0, "event"},
	{"security", "PIN_RESET_REQUEST", FINDING_PIN_CHANGED, false, 0, 0, "event"},
	{"security", "PIN_REQUEST_SUCCESS", FINDING_PIN_CHANGED, false, 0, 0, "event"},
};

/* ------------------------------------------------------------ words */

static const char *word_at(const cJSON *value, const char *path)
{
	return cJSON_GetStringValue(json_get_path(value, path));
}

/* The word by which a row is found; NULL: none. */
static const char *word_of(const struct split_update *u)
{
	static const struct {
		const char *field, *path;
	} paths[] = {{"account_review_update", "decision"}, {"phone_number_name_update", "decision"},
		{"account_alerts", "alert_info.alert_status"}};
	const char *severity = word_at(u->item, "alert_info.alert_severity"), *event = word_at(u->item, "event");

	if (strcmp(u->field, "account_alerts") == 0 && severity != NULL && strcmp(severity, "INFORMATIONAL") == 0)
		return NULL;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(paths[i].field, u->field) == 0)
			return word_at(u->item, paths[i].path);
	if (event != NULL && strcmp(event, "DISABLED_UPDATE") == 0)
		return word_at(u->item, "ban_info.waba_ban_state");
	return event;
}

/* Appends a provider's word, if it is one, and what goes before it. */
static bool add_word(char *out, size_t room, const char *before, const char *word)
{
	const size_t at = strlen(out);

	if (word == NULL || word[0] == '\0' || strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != strlen(word))
		return false;
	(void)snprintf(out + at, room - at, "%s%.*s", at > 0 ? before : "Meta says: ", WORD_LEN, word);
	return true;
}

static int64_t seconds_at(const cJSON *object, const char *key)
{
	const double at = cJSON_GetNumberValue(json_get(object, key));

	return at > 0 && at <= SECONDS_MAX ? (int64_t)at * 1000 : 0;
}

/* Each restriction with its end; what has all ended is over. */
static void read_restrictions(const cJSON *value, struct store_notice *out)
{
	const cJSON *one;
	int64_t last = 0;
	bool ends = true;

	cJSON_ArrayForEach (one, json_get(value, "restriction_info")) {
		const int64_t until = seconds_at(one, "expiration");
		const time_t at = (time_t)(until / 1000);
		struct tm tm;
		size_t len;
		const bool added =
			add_word(out->detail, sizeof(out->detail), ", ", json_get_string(one, "restriction_type"));

		ends = ends && until > 0;
		last = until > last ? until : last;
		len = strlen(out->detail);
		if (added && until > 0 && gmtime_r(&at, &tm) != NULL &&
			sizeof(out->detail) - len > sizeof(" until 9999-12-31"))
			(void)strftime(out->detail + len, sizeof(out->detail) - len, " until %Y-%m-%d", &tm);
	}
	if (ends && last > 0)
		out->until = last;
}

/* ------------------------------------------------------------ the update */

static const struct row *row_of(const struct split_update *u)
{
	const char *word = word_of(u);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].field, u->field) == 0 &&
			(rows[i].word == NULL || (word != NULL && strcmp(rows[i].word, word) == 0)))
			return &rows[i];
	return NULL;
}

/* The number takes more from now on (facts/meta.md 4). */
static bool is_upgrade(const struct split_update *u)
{
	const char *event = word_at(u->item, "event");

	return strcmp(u->field, "phone_number_quality_update") == 0 && event != NULL &&
		strcmp(event, "THROUGHPUT_UPGRADE") == 0;
}

bool account_read(const struct split_update *u, int64_t received_at, struct store_notice *out)
{
	const struct row *row = u->kind == STORE_UPDATE_OTHER && u->list == NULL ? row_of(u) : NULL;
	const double told = cJSON_GetNumberValue(u->time);

	if (row == NULL)
		return false;
	*out = (struct store_notice){
		.finding = row->finding, .at = received_at, .is_over = row->is_over, .to = row->to, .from = row->from};
	if (told > 0 && told * 1000 < (double)received_at)
		out->at = (int64_t)told * 1000;
	if (is_upgrade(u))
		out->mps = OUTBOUND_MPS_HIGH;
	out->until = out->at + (row->finding == FINDING_PIN_CHANGED ? PIN_LASTS_MS : LASTS_MS);
	if (row->finding == FINDING_ACCOUNT_RESTRICTED)
		read_restrictions(u->item, out);
	else if (row->detail != NULL)
		(void)add_word(out->detail, sizeof(out->detail), "", word_at(u->item, row->detail));
	if (out->detail[0] != '\0' && strlen(out->detail) + 1 < sizeof(out->detail))
		memcpy(out->detail + strlen(out->detail), ".", 2);
	return true;
}

/* ------------------------------------------------------------ the number */

static bool same_digits(const char *a, const char *b)
{
	static const char digits[] = "0123456789";

	for (;;) {
		a += strcspn(a, digits);
		b += strcspn(b, digits);
		if (*a == '\0' || *b == '\0' || *a != *b)
			return *a == *b;
		a++;
		b++;
	}
}

bool account_has_number(const struct split_update *u, const char *display_phone)
{
	const char *shown = word_at(u->item, "display_phone_number");

	return shown == NULL || display_phone[0] == '\0' || same_digits(shown, display_phone);
}
