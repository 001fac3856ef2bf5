/*
 * The ledger: entries in the order of their ids, and the look into the database by SQL of its own, so that nothing is
 * believed to the store that wrote it.
 */
#include "test/crash/ledger.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/crash/disk.h"

#define ENTRIES_MAX 60000u
#define SHOWN_MAX 8u
#define SETTLE_TRIES 16u

static struct entry entries[ENTRIES_MAX];
static size_t entries_len;
static bool quiet;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void ledger_quiet(void)
{
	quiet = true;
}

void ledger_clear(void)
{
	entries_len = 0;
}

struct entry *ledger_add(enum ledger_kind kind, size_t body_len)
{
	struct entry *e = NULL;

	pthread_mutex_lock(&lock);
	if (entries_len < ENTRIES_MAX) {
		e = &entries[entries_len++];
		*e = (struct entry){.kind = kind, .kept = LEDGER_ASKED, .body_len = body_len};
		store_id_new(e->id);
	}
	pthread_mutex_unlock(&lock);
	return e;
}

void ledger_say(enum ledger_word *word, enum ledger_word says)
{
	pthread_mutex_lock(&lock);
	*word = says;
	pthread_mutex_unlock(&lock);
}

struct entry *ledger_settle(uint64_t chance, unsigned updates)
{
	struct entry *found = NULL;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < SETTLE_TRIES && entries_len > 0 && found == NULL; i++) {
		struct entry *e = &entries[disk_chance(&chance, entries_len)];

		if (e->kind != LEDGER_EVENT || e->kept != LEDGER_PROMISED || e->settled != LEDGER_NOTHING)
			continue;
		e->settled = LEDGER_ASKED;
		e->updates = updates;
		for (unsigned k = 0; k < updates; k++)
			store_id_new(e->messages[k]);
		found = e;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void ledger_body(const struct entry *e, uint8_t *out)
{
	uint64_t state = (uint64_t)(e - entries);

	for (size_t i = 0; i < e->body_len; i += 8) {
		const uint64_t word = disk_chance(&state, UINT64_MAX);

		memcpy(out + i, &word, e->body_len - i < 8 ? e->body_len - i : 8);
	}
}

void ledger_mark(const struct entry *e, unsigned update, uint8_t out[static STORE_INDEX_LEN])
{
	const uint32_t number = (uint32_t)(e - entries) + 1;

	memset(out, 0, STORE_INDEX_LEN);
	memcpy(out, &number, sizeof(number));
	out[sizeof(number)] = (uint8_t)update;
}

size_t ledger_promised(void)
{
	size_t n = 0;

	for (size_t i = 0; i < entries_len; i++)
		n += entries[i].kept == LEDGER_PROMISED;
	return n;
}

/* ------------------------------------------------------------ the audit */

static void hash(const void *data, size_t len, uint8_t *out)
{
	const uint8_t *p = data;
	uint64_t h[4] = {11, 12, 13, 14};

	for (size_t i = 0; i < len; i++)
		for (size_t k = 0; k < 4; k++)
			h[k] = (h[k] ^ (p[i] + k)) * UINT64_C(0x100000001b3) + (h[k] >> 31);
	memcpy(out, h, sizeof(h));
}

static void seal_of(const struct store_audit_head *head, uint8_t out[static 32])
{
	uint8_t data[sizeof(head->seq) + sizeof(head->hash)];

	memcpy(data, &head->seq, sizeof(head->seq));
	memcpy(data + sizeof(head->seq), head->hash, sizeof(head->hash));
	hash(data, sizeof(data), out);
}

static enum store_error seal(
	void *ctx, int64_t from, const uint8_t *digests, size_t rows, struct store_audit_head *head)
{
	(void)ctx;
	(void)from;
	(void)digests;
	(void)rows;
	head->at = store_now_ms();
	head->refused = 0;
	head->undone = 0;
	seal_of(head, head->mac);
	return STORE_OK;
}

static enum store_error is_sealed(void *ctx, const struct store_audit_head *head)
{
	uint8_t mac[32];

	(void)ctx;
	seal_of(head, mac);
	return memcmp(mac, head->mac, sizeof(mac)) == 0 ? STORE_OK : STORE_STALE;
}

struct store_auditor ledger_auditor(void)
{
	return (struct store_auditor){.hash = hash, .seal = seal};
}

/* ------------------------------------------------------------ looking */

struct look {
	sqlite3 *db;
	size_t lost, damage;
};

static void say(size_t n, const char *what, const char *which)
{
	if (n < SHOWN_MAX && !quiet)
		printf("  %s: %s\n", what, which);
}

static void lost(struct look *l, const char *what, const char *which)
{
	say(l->lost++, what, which);
}

static void damaged(struct look *l, const char *what, const char *which)
{
	say(l->damage++, what, which);
}

static struct entry *entry_find(const char *id)
{
	size_t low = 0, high = entries_len;

	while (id != NULL && low < high) {
		const size_t middle = (low + high) / 2;
		const int order = strcmp(entries[middle].id, id);

		if (order == 0)
			return &entries[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Every row of a statement. */
static void each_row(struct look *l, const char *sql, void (*row)(struct look *l, sqlite3_stmt *q))
{
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(l->db, sql, -1, &q, NULL);

	if (rc == SQLITE_OK)
		while ((rc = sqlite3_step(q)) == SQLITE_ROW)
			row(l, q);
	if (rc != SQLITE_DONE)
		damaged(l, "cannot be read", sqlite3_errmsg(l->db));
	(void)sqlite3_finalize(q);
}

static const char *text(sqlite3_stmt *q, int column)
{
	const char *t = (const char *)sqlite3_column_text(q, column);

	return t != NULL ? t : "";
}

static void see_event(struct look *l, sqlite3_stmt *q)
{
	static uint8_t body[LEDGER_BODY_MAX];
	struct entry *e = entry_find(text(q, 0));

	if (e == NULL || e->kind != LEDGER_EVENT) {
		damaged(l, "nobody appended this event", text(q, 0));
		return;
	}
	if (e->there)
		damaged(l, "an event is there twice", e->id);
	ledger_body(e, body);
	e->there = true;
	e->is_settled = sqlite3_column_int(q, 1) == STORE_EVENT_SETTLED;
	e->whole = (size_t)sqlite3_column_bytes(q, 2) == e->body_len &&
		memcmp(sqlite3_column_blob(q, 2), body, e->body_len) == 0;
	if (e->is_settled && (unsigned)sqlite3_column_int(q, 3) != e->updates)
		damaged(l, "a settled event counts other updates", e->id);
}

static void see_updates(struct look *l, sqlite3_stmt *q)
{
	struct entry *e = entry_find(text(q, 0));

	if (e == NULL)
		damaged(l, "updates of no event", text(q, 0));
	else
		e->updates_there = (unsigned)sqlite3_column_int(q, 1);
}

static void see_mark(struct look *l, sqlite3_stmt *q)
{
	uint32_t number = 0;

	if (sqlite3_column_bytes(q, 0) == STORE_INDEX_LEN)
		memcpy(&number, sqlite3_column_blob(q, 0), sizeof(number));
	if (number == 0 || number > entries_len)
		damaged(l, "a mark of no update", sqlite3_sql(q));
	else
		entries[number - 1].marks_there++;
}

/* A message that goes out, or a row of the audit: what it holds is the store's matter. */
static void see_row(struct look *l, sqlite3_stmt *q)
{
	struct entry *e = entry_find(text(q, 0));

	(void)l;
	if (e != NULL)
		e->there = e->whole = true;
}

static void see_word(struct look *l, sqlite3_stmt *q)
{
	if (strcmp(text(q, 0), "ok") != 0)
		damaged(l, "the database is damaged", text(q, 0));
}

static void see_orphan(struct look *l, sqlite3_stmt *q)
{
	damaged(l, "a row without what it belongs to", text(q, 0));
}

static unsigned messages_there(struct look *l, const struct entry *e)
{
	sqlite3_stmt *q = NULL;
	unsigned n = 0;

	if (sqlite3_prepare_v2(l->db, "SELECT 1 FROM messages WHERE id = ?", -1, &q, NULL) != SQLITE_OK)
		damaged(l, "cannot be read", sqlite3_errmsg(l->db));
	for (unsigned i = 0; i < e->updates; i++) {
		(void)sqlite3_bind_text(q, 1, e->messages[i], -1, SQLITE_STATIC);
		n += sqlite3_step(q) == SQLITE_ROW;
		(void)sqlite3_reset(q);
	}
	(void)sqlite3_finalize(q);
	return n;
}

static void event_check(struct look *l, struct entry *e)
{
	const unsigned should = e->is_settled ? e->updates : 0;

	if (e->settled == LEDGER_PROMISED && !e->is_settled)
		lost(l, "lost that it was settled", e->id);
	if (e->settled == LEDGER_NOTHING && e->is_settled)
		damaged(l, "nobody settled this event", e->id);
	if (e->updates_there != should || e->marks_there != should ||
		(e->settled != LEDGER_NOTHING && messages_there(l, e) != should))
		damaged(l, "half settled", e->id);
	/* What may still be settled begins afresh. */
	e->settled = e->is_settled ? LEDGER_PROMISED : LEDGER_NOTHING;
}

static void entry_check(struct look *l, struct entry *e)
{
	if (!e->there && e->kept == LEDGER_PROMISED)
		lost(l, e->kind == LEDGER_EVENT ? "lost an event" : "lost a message or a row of the audit", e->id);
	if (!e->there) {
		e->kept = e->settled = LEDGER_NOTHING;
		return;
	}
	if (!e->whole)
		lost(l, "an event is not what was appended", e->id);
	e->kept = LEDGER_PROMISED;
	if (e->kind == LEDGER_EVENT)
		event_check(l, e);
}

static void audit_check(struct look *l, struct store *s, const struct store_auditor *auditor)
{
	const struct store_audit_check how = {.now = store_now_ms(), .hash = auditor->hash, .head = is_sealed};
	struct store_audit_report report;
	struct store_audit_state state;

	if (store_audit_check(s, &how, &report) != STORE_OK || report.fault != STORE_AUDIT_WHOLE)
		damaged(l, "the audit is not whole", "store_audit_check");
	if (store_audit_state(s, &state) != STORE_OK || !state.fits)
		damaged(l, "the audit does not end where its seal is", "store_audit_state");
}

size_t ledger_check(struct store *s, const char *path, const struct store_auditor *auditor, size_t *damage)
{
	struct look l = {0};

	for (size_t i = 0; i < entries_len; i++) {
		entries[i].there = entries[i].whole = entries[i].is_settled = false;
		entries[i].updates_there = entries[i].marks_there = 0;
	}
	if (sqlite3_open_v2(path, &l.db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		damaged(&l, "cannot be opened", sqlite3_errmsg(l.db));
	each_row(&l, "PRAGMA integrity_check(5)", see_word);
	each_row(&l, "PRAGMA foreign_key_check", see_orphan);
	each_row(&l, "SELECT id, state, body, delivered FROM events", see_event);
	each_row(&l, "SELECT event_id, count(*) FROM updates GROUP BY event_id", see_updates);
	each_row(&l, "SELECT key FROM seen", see_mark);
	each_row(&l, "SELECT wamid_index FROM messages INDEXED BY messages_wamid WHERE wamid_index IS NOT NULL",
		see_mark);
	each_row(&l, "SELECT id FROM messages WHERE direction = 2", see_row);
	each_row(&l, "SELECT job FROM audit WHERE job <> ''", see_row);
	for (size_t i = 0; i < entries_len; i++)
		entry_check(&l, &entries[i]);
	(void)sqlite3_close(l.db);
	audit_check(&l, s, auditor);
	*damage += l.damage;
	return l.lost;
}
