/*
 * What the audit does not know of: a token, key, link or session that somebody wrote into the
 * file gives access like any other, but no row says that it was made. Rows name what they
 * made by the hash by which it is found, so that another one in its place is not taken for it.
 */
#include <string.h>

#include "store/core.h"

#define SLACK_MS 1000 /* between what something says of its making and the row about it */

struct thing {
	struct store_audit_unheard is;
	int64_t at;
	uint8_t hash[32]; /* a business has none */
	bool heard;
};

/* Which row says what of which thing. */
static const struct {
	const char *action;
	enum store_audit_thing thing;
	bool ends;
} sayings[] = {
	{"business_added", STORE_THING_BUSINESS, false},
	{"token_made", STORE_THING_TOKEN, false},
	{"token_revoked", STORE_THING_TOKEN, true},
	{"link_made", STORE_THING_LINK, false},
	{"link_opened", STORE_THING_LINK, true},
	{"link_opened", STORE_THING_LINK_SESSION, false},
	{"link_revoked", STORE_THING_LINK, true},
	{"link_revoked", STORE_THING_LINK_SESSION, true},
	{"operator_in", STORE_THING_OPERATOR_SESSION, false},
	{"operator_out", STORE_THING_OPERATOR_SESSION, true},
	{"key_made", STORE_THING_VIRTUAL_KEY, false},
	{"key_revoked", STORE_THING_VIRTUAL_KEY, true},
};
#define SAYINGS (sizeof(sayings) / sizeof(sayings[0]))

/* In the order of their ids. Several may have one, cut off or ended by a NUL: each is looked at. */
static enum store_error things_read(struct db *db, int64_t now, struct rows *things)
{
	struct query q = query_start(db,
		"SELECT id, 1, name, created_at, NULL FROM businesses "
		"UNION ALL SELECT id, 2, name, created_at, hash FROM tokens WHERE revoked_at = 0 "
		"UNION ALL SELECT id, 3, business_id, created_at, link_hash FROM settings_links "
		"WHERE opened_at = 0 AND revoked_at = 0 AND expires_at > ?1 "
		"UNION ALL SELECT id, 4, business_id, opened_at, session_hash FROM settings_links "
		"WHERE session_hash IS NOT NULL AND revoked_at = 0 AND ends_at > ?1 "
		"UNION ALL SELECT o.id, 5, t.name, o.created_at, o.session_hash FROM operator_sessions o "
		"JOIN tokens t ON t.id = o.token_id AND t.revoked_at = 0 WHERE o.ends_at > ?1 "
		"UNION ALL SELECT id, 6, business_id, created_at, hash FROM virtual_keys "
		"WHERE revoked_at = 0 AND (expires_at = 0 OR expires_at > ?1) "
		"ORDER BY 1");

	query_int(&q, now);
	while (query_step(&q)) {
		struct thing *t = rows_add(things);

		if (t == NULL)
			continue;
		query_get_text(&q, t->is.id, sizeof(t->is.id));
		t->is.thing = (enum store_audit_thing)query_get_int(&q);
		query_get_text(&q, t->is.name, sizeof(t->is.name));
		t->at = query_get_int(&q);
		query_get_fixed(&q, t->hash, sizeof(t->hash));
	}
	return query_end(&q);
}

/* The first with that id, or where it would be. */
static size_t things_find(const struct thing *things, size_t len, const char *id)
{
	size_t from = 0;

	while (len > 0) {
		const size_t half = len / 2;

		if (strcmp(things[from + half].is.id, id) < 0) {
			from += half + 1;
			len -= half + 1;
		} else {
			len = half;
		}
	}
	return from;
}

struct said {
	char action[STORE_AUDIT_ACTION_LEN + 1];
	char id[STORE_AUDIT_TEXT_LEN + 1];
	const uint8_t *value;
	size_t value_len;
};

static void hear(struct thing *t, const struct said *row)
{
	const bool names_it = t->is.thing == STORE_THING_BUSINESS ||
		(row->value_len == sizeof(t->hash) && memcmp(row->value, t->hash, sizeof(t->hash)) == 0);

	for (size_t i = 0; i < SAYINGS; i++) {
		if (sayings[i].thing != t->is.thing || strcmp(sayings[i].action, row->action) != 0)
			continue;
		if (sayings[i].ends)
			t->is.ended = true;
		else if (names_it)
			t->heard = true;
	}
}

static enum store_error rows_hear(struct db *db, int64_t pruned, struct thing *things, size_t len)
{
	struct query q = query_start(db,
		"SELECT action, CASE action WHEN 'business_added' THEN business_id ELSE subject END, value "
		"FROM audit NOT INDEXED WHERE seq > ? AND action IN ('business_added', 'token_made', 'token_revoked', "
		"'link_made', 'link_opened', 'link_revoked', 'operator_in', 'operator_out', 'key_made', "
		"'key_revoked')");

	query_int(&q, pruned);
	while (query_step(&q)) {
		struct said row;

		query_get_text(&q, row.action, sizeof(row.action));
		query_get_text(&q, row.id, sizeof(row.id));
		row.value = query_get_blob(&q, &row.value_len);
		for (size_t i = things_find(things, len, row.id); i < len && strcmp(things[i].is.id, row.id) == 0; i++)
			hear(&things[i], &row);
	}
	return query_end(&q);
}

/* From when on the rows that are kept tell of everything. */
struct reach {
	int64_t since; /* INT64_MAX: nothing is told */
	bool whole; /* they begin with the first of all */
};

static enum store_error reach_read(struct db *db, const struct store_audit_report *report, struct reach *out)
{
	struct query q = query_start(db, "SELECT seq, at FROM audit WHERE seq > 0 ORDER BY seq LIMIT 1");

	*out = (struct reach){.since = report->pruned > 0 ? report->pruned_at : INT64_MAX};
	if (report->pruned == 0 && query_step(&q)) {
		out->whole = query_get_int(&q) == 1;
		out->since = query_get_int(&q);
	}
	return query_end(&q);
}

/* Whether it is to be named. */
static bool judge(struct thing *t, const struct reach *r)
{
	if (r->since == INT64_MAX || (t->heard && !t->is.ended))
		return false;
	t->is.older = !t->is.ended && t->at < r->since - SLACK_MS;
	return t->is.ended || (t->is.older ? r->whole : r->whole || t->at > r->since + SLACK_MS);
}

enum store_error audit_unheard(struct db *db, int64_t now, const struct store_audit_report *report, struct rows *out)
{
	struct rows read = ROWS_OF(struct thing);
	struct reach reach = {.since = INT64_MAX};
	enum store_error err = things_read(db, now, &read);
	struct thing *things = (struct thing *)(void *)read.items;

	if (err == STORE_OK && !read.failed)
		err = rows_hear(db, report->pruned, things, read.len);
	if (err == STORE_OK && !read.failed)
		err = reach_read(db, report, &reach);
	for (size_t i = 0; err == STORE_OK && !read.failed && i < read.len; i++) {
		struct store_audit_unheard *u = judge(&things[i], &reach) ? rows_add(out) : NULL;

		if (u != NULL)
			*u = things[i].is;
	}
	if (err == STORE_OK && (read.failed || out->failed))
		err = STORE_NO_MEMORY;
	rows_clear(&read);
	return err;
}
