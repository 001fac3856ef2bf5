/*
 * Goal of this test: the audit's chain is whole whatever becomes of the changes that add
 * to it: done alone or in groups, undone, refused a seal, pruned.
 */
#include "test/unit/store/helper.h"

#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)

/* No cryptography: different things are different, which is all that a chain needs here. */
static void hash(const void *data, size_t len, uint8_t *out)
{
	const uint8_t *p = data;
	uint64_t h[4] = {1, 2, 3, 4};

	for (size_t i = 0; i < len; i++)
		for (size_t k = 0; k < 4; k++)
			h[k] = (h[k] ^ (p[i] + k)) * UINT64_C(0x100000001b3) + (h[k] >> 29);
	memcpy(out, h, sizeof(h));
}

/* A vault: knows where the chain ends, as seen from its seals. */
struct sealer {
	int64_t end, before; /* the last two ends */
	unsigned asked, undone;
	unsigned refuse; /* so many questions to come */
	int64_t at;
};

static enum store_error seal(
	void *ctx, int64_t from, const uint8_t *digests, size_t rows, struct store_audit_head *head)
{
	struct sealer *s = ctx;

	(void)digests;
	s->asked++;
	assert_true(from == s->end || from == s->before);
	assert_int_equal(head->seq, from + (int64_t)rows);
	s->undone += from != s->end;
	s->before = from;
	s->end = head->seq;
	head->at = s->at > 0 ? s->at : store_now_ms();
	head->refused = 3;
	head->undone = s->undone;
	memset(head->mac, 7, sizeof(head->mac));
	if (s->refuse == 0)
		return STORE_OK;
	s->refuse--;
	return STORE_NO_MEMORY;
}

static bool value(void *ctx, const void *data, size_t len, uint8_t *out)
{
	(void)ctx;
	memset(out, *(const char *)data, STORE_INDEX_LEN);
	return len > 0;
}

static void open_audited(struct house *h, struct sealer *s)
{
	struct store_options opt = {.path = h->path,
		.create = true,
		.readers = 2,
		.audit = {.hash = hash, .value = value, .seal = seal, .ctx = s}};

	assert_int_equal(store_open(&h->store, &opt), STORE_OK);
}

/* ------------------------------------------------------------ looking */

struct seen_rows {
	struct store_audit_row rows[64];
	size_t len;
};

static bool see_row(const struct store_audit_row *r, void *arg)
{
	struct seen_rows *seen = arg;

	assert_true(seen->len < 64);
	seen->rows[seen->len++] = *r;
	return true;
}

static struct seen_rows rows_of(struct store *s, const char *business)
{
	const struct store_page all = {.limit = 64, .ascending = true};
	struct seen_rows seen = {.len = 0};

	assert_int_equal(store_audit_list(s, business, &all, see_row, &seen), STORE_OK);
	return seen;
}

static void row_is(const struct store_audit_row *r, const char *actor, const char *action, const char *subject)
{
	assert_string_equal(r->actor, actor);
	assert_string_equal(r->action, action);
	assert_string_equal(r->subject, subject);
}

static enum store_error check_head(void *ctx, const struct store_audit_head *head)
{
	(void)ctx;
	return head->mac[0] == 7 ? STORE_OK : STORE_STALE;
}

static struct store_audit_report report(const struct house *h)
{
	const struct store_audit_check check = {.now = store_now_ms(), .hash = hash, .head = check_head};
	struct store_audit_report r;

	assert_int_equal(store_audit_check(h->store, &check, &r), STORE_OK);
	return r;
}

static struct store_audit_report whole(const struct house *h, int64_t rows)
{
	struct store_audit_report r = report(h);

	assert_int_equal(r.fault, STORE_AUDIT_WHOLE);
	assert_int_equal(r.rows, rows);
	return r;
}

/* ------------------------------------------------------------ tests */

static void test_actors_and_values(void **state)
{
	struct house *h = *state;
	struct sealer s = {.end = 0};
	struct store_credential c = {.connection_id = CONNECTION_ONE,
		.field = "access_token",
		.slot = STORE_SLOT_CURRENT,
		.version = 1,
		.fingerprint = "00ff10a9",
		.blob = (const uint8_t *)"x",
		.blob_len = 1};
	struct store_connection n = connection(CONNECTION_ONE, "one", "1001");
	const struct store_audit own = {
		.action = "kit_made", .value = "12345678901234567890123456789012", .value_len = 32};
	const struct store_audit bad = {.action = "kit_made", .value = "", .value_len = 33};
	struct seen_rows seen;

	open_audited(h, &s);
	store_actor("token", "7");
	add_business(h->store, "one");
	store_actor("command", NULL);
	assert_int_equal(store_connection_add(h->store, &n, &c, 1), STORE_OK);
	store_actor(NULL, NULL);
	assert_int_equal(store_audit(h->store, &own), STORE_OK);
	assert_int_equal(store_audit(h->store, &bad), STORE_INVALID);
	assert_int_equal(store_audit(h->store, &(struct store_audit){.action = ""}), STORE_INVALID);

	seen = rows_of(h->store, NULL);
	assert_int_equal(seen.len, 4);
	row_is(&seen.rows[0], "token:7", "business_added", "");
	assert_int_equal(seen.rows[0].value_len, STORE_INDEX_LEN);
	assert_int_equal(seen.rows[0].value[0], 'A');
	row_is(&seen.rows[1], "command", "connection_added", CONNECTION_ONE);
	row_is(&seen.rows[2], "command", "key_stored", CONNECTION_ONE "/access_token");
	assert_int_equal(seen.rows[2].value_len, 4);
	assert_memory_equal(seen.rows[2].value, "\x00\xff\x10\xa9", 4);
	row_is(&seen.rows[3], "keyhouse", "kit_made", "");
	assert_int_equal(seen.rows[3].business_id[0], '\0');
	assert_int_equal(rows_of(h->store, "one").len, 3);
	assert_int_equal(s.asked, 3);
	assert_int_equal(whole(h, 4).newest.refused, 3);
}

static bool leased(const struct store_message *m, void *arg)
{
	(void)m;
	(*(unsigned *)arg)++;
	return true;
}

static bool used_at(const struct store_credential *c, void *arg)
{
	*(int64_t *)arg = c->last_used_at;
	return false;
}

/* One row for each message, in the lease's own transaction; without a key nothing is used. */
static void test_lease(void **state)
{
	struct house *h = *state;
	struct sealer s = {.end = 0};
	struct store_connection with = connection(CONNECTION_ONE, "one", "1001");
	struct store_credential c = {.connection_id = CONNECTION_ONE,
		.field = "access_token",
		.slot = STORE_SLOT_CURRENT,
		.version = 1,
		.fingerprint = "ab",
		.blob = (const uint8_t *)"x",
		.blob_len = 1};
	struct store_message m[2];
	struct seen_rows seen;
	int64_t before, first, now = store_now_ms();
	unsigned n = 0;

	open_audited(h, &s);
	add_business(h->store, "one");
	add_business(h->store, "two");
	assert_int_equal(store_connection_add(h->store, &with, &c, 1), STORE_OK);
	add_connection(h->store, CONNECTION_TWO, "two", "1002");
	before = report(h).rows;
	m[0] = queue(h->store, "one", CONNECTION_ONE, 1, 0);
	m[1] = queue(h->store, "one", CONNECTION_ONE, 2, 0);
	queue(h->store, "two", CONNECTION_TWO, 3, 0);
	/* A lease whose rows get no seal leases nothing. */
	s.refuse = 1;
	assert_int_equal(lease_due(h->store, now, 10, 10, leased, &n), STORE_NO_MEMORY);
	assert_int_equal(n, 0);
	assert_int_equal(state_of(h->store, "one", m[0].id), STORE_MESSAGE_QUEUED);
	assert_int_equal(report(h).rows, before);
	assert_int_equal(lease_due(h->store, now, 10, 10, leased, &n), STORE_OK);
	assert_int_equal(n, 3);
	assert_int_equal(s.undone, 1);
	whole(h, before + 2);
	seen = rows_of(h->store, "one");
	for (size_t i = 0; i < 2; i++) {
		const struct store_audit_row *r = &seen.rows[seen.len - 2 + i];

		row_is(r, "keyhouse", "key_used", CONNECTION_ONE "/access_token");
		assert_string_equal(r->purpose, "send");
		assert_string_equal(r->job, m[i].id);
		assert_int_equal(r->value[0], 0xab);
	}
	assert_int_equal(store_credential_list(h->store, "one", "access_token", used_at, &first), STORE_OK);
	assert_int_equal(first, now);
	/* To the minute. */
	queue(h->store, "one", CONNECTION_ONE, 4, 0);
	assert_int_equal(lease_due(h->store, now + 59000, 10, 10, leased, &n), STORE_OK);
	assert_int_equal(store_credential_list(h->store, "one", "access_token", used_at, &first), STORE_OK);
	assert_int_equal(first, now);
	queue(h->store, "one", CONNECTION_ONE, 5, 0);
	assert_int_equal(lease_due(h->store, now + 60000, 10, 10, leased, &n), STORE_OK);
	assert_int_equal(store_credential_list(h->store, "one", "access_token", used_at, &first), STORE_OK);
	assert_int_equal(first, now + 60000);
}

static void nobody_asks(const char *business_id, void *arg)
{
	(void)business_id;
	(void)arg;
}

/* What goes because its time is over, or because what came after it works, has a row like what somebody ended. */
static void test_what_ends_by_itself(void **state)
{
	struct house *h = *state;
	struct sealer s = {.end = 0};
	struct store_credential c = {.connection_id = CONNECTION_ONE,
		.slot = STORE_SLOT_CURRENT,
		.fingerprint = "ab",
		.blob = (const uint8_t *)"x",
		.blob_len = 1};
	static const char *const fields[] = {"access_token", "app_secret"};
	const int64_t later = store_now_ms() + 400 * INT64_C(86400000);
	struct store_tenant_key key = {.purpose = STORE_KEY_CREDENTIAL, .version = 2, .blob = "wrapped", .blob_len = 7};
	uint8_t digest[32];
	char id[17];
	struct store_audit_end end;
	struct seen_rows seen;

	open_audited(h, &s);
	add_business(h->store, "one");
	add_connection(h->store, CONNECTION_ONE, "one", "1001");
	for (c.version = 1; c.version <= 2; c.version++)
		for (size_t i = 0; i < 2; i++) {
			(void)snprintf(c.field, sizeof(c.field), "%s", fields[i]);
			assert_int_equal(store_credential_put(h->store, "one", &c), STORE_OK);
		}
	assert_int_equal(store_verify_token_put(h->store, "one", CONNECTION_ONE, "token", "other"), STORE_OK);
	(void)snprintf(c.field, sizeof(c.field), "%s", fields[0]);
	c.version = 2;
	assert_int_equal(store_credential_worked(h->store, "one", &c, store_now_ms(), 0), STORE_OK);
	seen = rows_of(h->store, "one");
	row_is(&seen.rows[seen.len - 1], "keyhouse", "key_ended", CONNECTION_ONE "/access_token");
	assert_int_equal(store_credential_sweep(h->store, store_now_ms(), nobody_asks, NULL), STORE_OK);
	assert_int_equal(rows_of(h->store, "one").len, seen.len);
	for (int i = 0; i < 2; i++) /* the second time there is nothing left */
		assert_int_equal(store_credential_sweep(h->store, later, nobody_asks, NULL), STORE_OK);
	assert_int_equal(rows_of(h->store, "one").len, seen.len + 2);
	seen = rows_of(h->store, "one");
	row_is(&seen.rows[seen.len - 2], "keyhouse", "key_ended", CONNECTION_ONE "/app_secret");
	row_is(&seen.rows[seen.len - 1], "keyhouse", "verify_token_ended", CONNECTION_ONE);
	/* A handshake with the new one ends the one before, once. */
	assert_int_equal(store_verify_token_put(h->store, "one", CONNECTION_ONE, "other", "third"), STORE_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(store_connection_handshake(h->store, "one", CONNECTION_ONE, "third", later), STORE_OK);
	assert_int_equal(rows_of(h->store, "one").len, seen.len + 2);
	seen = rows_of(h->store, "one");
	row_is(&seen.rows[seen.len - 1], "keyhouse", "verify_token_ended", CONNECTION_ONE);
	assert_int_equal(store_tenant_key_add(h->store, "one", &key), STORE_OK);
	key.purpose = STORE_KEY_INDEX;
	key.version = 7;
	assert_int_equal(store_tenant_key_add(h->store, "one", &key), STORE_OK);
	assert_int_equal(store_business_remove(h->store, "one", &end), STORE_OK);
	/* Each destroyed key by the beginning of its hash. */
	hash(key.blob, key.blob_len, digest);
	for (size_t i = 0; i < 8; i++)
		(void)snprintf(id + 2 * i, 3, "%02x", digest[i]);
	seen = rows_of(h->store, "one");
	row_is(&seen.rows[seen.len - 3], "keyhouse", "keys_destroyed", id);
	assert_string_equal(seen.rows[seen.len - 3].purpose, "credential, version 2");
	row_is(&seen.rows[seen.len - 2], "keyhouse", "keys_destroyed", id);
	assert_string_equal(seen.rows[seen.len - 2].purpose, "index, version 7");
	row_is(&seen.rows[seen.len - 1], "keyhouse", "business_removed", "");
	assert_int_equal(end.seq, seen.rows[seen.len - 1].seq);
	assert_memory_equal(end.hash, seen.rows[seen.len - 1].hash, sizeof(end.hash));
	whole(h, end.seq);
}

#define THREADS 16
#define EACH 40

struct worker {
	pthread_t thread;
	struct store *store;
	unsigned number, done;
};

/* Half of what it does fails after its row was added, in groups with what others do. */
static void *work(void *arg)
{
	static const struct store_responder stale = {.url = (const uint8_t *)"u",
		.url_len = 1,
		.version = 9,
		.secret = (const uint8_t *)"s",
		.secret_len = 1};
	struct worker *w = arg;
	char name[16];

	(void)snprintf(name, sizeof(name), "%u", w->number);
	store_actor("token", name);
	for (unsigned i = 0; i < EACH; i++) {
		enum store_error err;

		if ((i + w->number) % 2 == 0) {
			err = store_responder_put(w->store, "one", "platform", &stale);
			if (err != STORE_STALE && err != STORE_NO_MEMORY)
				abort();
		} else {
			err = store_business_change(w->store, "one", name, 0, 0);
			if (err != STORE_OK && err != STORE_NO_MEMORY)
				abort();
			w->done += err == STORE_OK;
		}
	}
	return NULL;
}

static void test_groups(void **state)
{
	struct house *h = *state;
	struct sealer s = {.end = 0};
	struct worker workers[THREADS];
	unsigned done = 0;

	open_audited(h, &s);
	add_business(h->store, "one");
	s.refuse = 3;
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.store = h->store, .number = i};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		done += workers[i].done;
	}
	assert_true(done > 0 && done < THREADS * EACH / 2);
	assert_int_equal(s.refuse, 0);
	assert_int_equal(s.undone, 3);
	assert_true(s.asked < done + 1 + 3); /* they shared seals */
	whole(h, 1 + done);
	/* And goes on after a start. */
	house_close(h);
	open_audited(h, &s);
	assert_int_equal(store_business_change(h->store, "one", "again", 0, 0), STORE_OK);
	assert_int_equal(whole(h, 2 + done).newest.seq, 2 + done);
}

static void test_found_broken(void **state)
{
	struct house *h = *state;
	struct sealer s = {.end = 0};
	struct store_options past = {.path = h->path, .readers = 1, .audit = {.hash = hash}};
	struct store_audit_state is;
	struct store_audit_report r;

	open_audited(h, &s);
	assert_int_equal(store_audit_state(h->store, &is), STORE_OK);
	assert_true(is.fits && is.seq == 0 && is.head.seq == 0 && is.broken_at == 0);
	add_business(h->store, "one");
	assert_int_equal(store_audit_state(h->store, &is), STORE_OK);
	assert_true(is.fits && is.seq == 1 && is.head.seq == 1);
	house_close(h);
	/* Past the vault. */
	assert_int_equal(store_open(&h->store, &past), STORE_OK);
	add_business(h->store, "two");
	assert_int_equal(store_audit_state(h->store, &is), STORE_OK);
	assert_true(!is.fits && is.seq == 2 && is.head.seq == 1);
	r = report(h);
	assert_int_equal(r.fault, STORE_AUDIT_UNSEALED);
	assert_int_equal(r.seq, 2);
	assert_true(r.at > 0);
	assert_int_equal(r.after, 1);
	house_close(h);

	open_audited(h, &s);
	s.end = 2; /* as it is told */
	assert_int_equal(store_audit_restart(h->store), STORE_OK);
	add_business(h->store, "three");
	assert_int_equal(store_audit_state(h->store, &is), STORE_OK);
	assert_true(is.fits && is.seq == 4 && is.broken_at > 0);
	r = report(h);
	assert_int_equal(r.fault, STORE_AUDIT_RESTARTED);
	assert_int_equal(r.seq, 3);
}

static void add_rows(struct house *h, struct sealer *s, int64_t at, unsigned n)
{
	s->at = at;
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(store_audit(h->store, &(struct store_audit){.action = "kit_made"}), STORE_OK);
}

/* Rows go up to a seal that is old enough, which stays; the newest seal and one of each hour are kept. */
static void test_prune(void **state)
{
	struct house *h = *state;
	struct sealer s = {.end = 0};
	const int64_t now = store_now_ms(), old = (now - 401 * DAY_MS) / HOUR_MS * HOUR_MS;
	struct store_audit_report r;
	struct store_audit_state is;

	open_audited(h, &s);
	add_rows(h, &s, old, 120);
	add_rows(h, &s, old + HOUR_MS, 110);
	add_rows(h, &s, now, 30);
	r = report(h);
	assert_int_equal(r.fault, STORE_AUDIT_WHOLE);
	assert_int_equal(r.heads, 3);
	assert_int_equal(r.rows, 140); /* what the oldest seal covers is about to go */
	assert_int_equal(store_prune(h->store, now, 30), STORE_OK);
	r = whole(h, 30);
	assert_int_equal(r.heads, 2);
	assert_int_equal(rows_of(h->store, NULL).rows[0].seq, 231);
	assert_int_equal(store_prune(h->store, now, 30), STORE_OK);
	whole(h, 30);
	/* When all is old, the last seal stays, and the numbers go on. */
	assert_int_equal(store_prune(h->store, now + 401 * DAY_MS, 30), STORE_OK);
	assert_int_equal(rows_of(h->store, NULL).len, 0);
	house_close(h);
	open_audited(h, &s);
	add_rows(h, &s, 0, 1);
	assert_int_equal(rows_of(h->store, NULL).rows[0].seq, 261);
	assert_int_equal(store_audit_state(h->store, &is), STORE_OK);
	assert_true(is.fits);
}

/* ------------------------------------------------------------ what it does not know of */

static void sql(const struct house *h, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

struct unheard {
	struct store_audit_unheard list[8];
	size_t len;
};

static bool see_unheard(void *ctx, const struct store_audit_unheard *u)
{
	struct unheard *seen = ctx;

	assert_true(seen->len < 8);
	seen->list[seen->len++] = *u;
	return true;
}

static struct unheard unheard(const struct house *h, int64_t now)
{
	struct unheard seen = {.len = 0};
	const struct store_audit_check check = {
		.now = now, .hash = hash, .head = check_head, .unheard = see_unheard, .ctx = &seen};
	struct store_audit_report r;

	assert_int_equal(store_audit_check(h->store, &check, &r), STORE_OK);
	return seen;
}

/* One each of what gives access, as the program makes it. */
static void add_access(struct house *h)
{
	const int64_t now = store_now_ms();
	struct store_token t = {.id = "token", .name = "Of Paul", .hash = {1}, .created_at = now};
	struct store_link l = {.id = "link", .business_id = "one", .created_at = now, .expires_at = now + HOUR_MS};
	struct store_operator o = {.id = "operator", .token_id = "token", .created_at = now, .ends_at = now + HOUR_MS};
	const struct store_virtual_key k = {.id = "virtual",
		.business_id = "one",
		.name = "n",
		.hash = {6},
		.last4 = "last",
		.scopes = 1,
		.created_at = now,
		.expires_at = now + HOUR_MS};

	assert_int_equal(store_token_add(h->store, &t), STORE_OK);
	assert_int_equal(store_link_add(h->store, &l, (uint8_t[32]){2}), STORE_OK);
	(void)snprintf(l.id, sizeof(l.id), "opened");
	assert_int_equal(store_link_add(h->store, &l, (uint8_t[32]){3}), STORE_OK);
	assert_int_equal(
		store_link_open(h->store, (uint8_t[32]){3}, (uint8_t[32]){4}, now, now + HOUR_MS, &l), STORE_OK);
	assert_int_equal(store_operator_open(h->store, &o, (uint8_t[32]){5}), STORE_OK);
	assert_int_equal(store_virtual_key_add(h->store, &k), STORE_OK);
}

#define IN_AN_HOUR "unixepoch() * 1000 + 3600000"

static void test_what_was_put_in(void **state)
{
	static const struct {
		const char *sql, *id;
		enum store_audit_thing thing;
		bool ended;
	} planted[] = {
		{"INSERT INTO tokens (id, name, hash, last4, created_at, revoked_at) "
		 "VALUES ('evil', 'n', zeroblob(32), 'last', unixepoch() * 1000, 0)",
			"evil", STORE_THING_TOKEN, false},
		{"DELETE FROM tokens WHERE id = 'evil'; UPDATE tokens SET hash = randomblob(32) WHERE id = 'token'",
			"token", STORE_THING_TOKEN, false},
		{"UPDATE tokens SET hash = CAST(x'01' || zeroblob(31) AS BLOB) WHERE id = 'token'; INSERT INTO "
		 "settings_links (id, business_id, "
		 "link_hash, created_at, expires_at) VALUES ('evil', 'one', randomblob(32), unixepoch() * "
		 "1000, " IN_AN_HOUR ")",
			"evil", STORE_THING_LINK, false},
		{"DELETE FROM settings_links WHERE id = 'evil'; UPDATE settings_links SET session_hash = "
		 "randomblob(32), "
		 "ends_at = " IN_AN_HOUR ", opened_at = unixepoch() * 1000 WHERE id = 'link'",
			"link", STORE_THING_LINK_SESSION, false},
		{"UPDATE settings_links SET session_hash = NULL, opened_at = 0 WHERE id = 'link'; "
		 "UPDATE settings_links SET opened_at = 0, session_hash = NULL WHERE id = 'opened'",
			"opened", STORE_THING_LINK, true},
		{"DELETE FROM settings_links WHERE id = 'opened'; INSERT INTO operator_sessions (id, token_id, "
		 "session_hash, "
		 "created_at, ends_at, seen_at) VALUES ('evil', 'token', randomblob(32), unixepoch() * "
		 "1000, " IN_AN_HOUR ", 0)",
			"evil", STORE_THING_OPERATOR_SESSION, false},
		{"DELETE FROM operator_sessions WHERE id = 'evil'; INSERT INTO businesses (id, name, status, "
		 "responder, "
		 "created_at, updated_at) VALUES ('evil', 'n', 1, 'none', unixepoch() * 1000, 1)",
			"evil", STORE_THING_BUSINESS, false},
		{"DELETE FROM businesses WHERE id = 'evil'; UPDATE virtual_keys SET hash = randomblob(32) "
		 "WHERE id = 'virtual'",
			"virtual", STORE_THING_VIRTUAL_KEY, false},
		{"UPDATE virtual_keys SET hash = CAST(x'06' || zeroblob(31) AS BLOB) WHERE id = 'virtual'; "
		 "UPDATE virtual_keys SET revoked_at = 0",
			"ended", STORE_THING_VIRTUAL_KEY, true},
		{"DELETE FROM virtual_keys WHERE id = 'ended'; UPDATE tokens SET revoked_at = 0", "revoked",
			STORE_THING_TOKEN, true},
	};
	struct store_token t = {.id = "revoked", .name = "n", .hash = {9}};
	const struct store_virtual_key ended = {.id = "ended",
		.business_id = "one",
		.name = "n",
		.hash = {10},
		.last4 = "last",
		.scopes = 1,
		.created_at = store_now_ms()};
	struct seen_rows last;
	struct house *h = *state;
	struct sealer s = {.end = 0};

	open_audited(h, &s);
	assert_int_equal(store_audit_restart(h->store), STORE_OK);
	add_business(h->store, "one");
	add_access(h);
	assert_int_equal(store_token_add(h->store, &t), STORE_OK);
	assert_int_equal(store_token_revoke(h->store, t.id), STORE_OK);
	assert_int_equal(store_virtual_key_add(h->store, &ended), STORE_OK);
	assert_int_equal(store_virtual_key_revoke(h->store, "one", ended.id), STORE_OK);
	last = rows_of(h->store, "one");
	row_is(&last.rows[last.len - 1], "keyhouse", "key_revoked", "ended");
	/* Once more it is as it was. */
	assert_int_equal(store_virtual_key_revoke(h->store, "one", ended.id), STORE_OK);
	assert_int_equal(rows_of(h->store, "one").len, last.len);
	assert_int_equal(unheard(h, store_now_ms()).len, 0);
	for (size_t i = 0; i < sizeof(planted) / sizeof(planted[0]); i++) {
		struct unheard seen;

		sql(h, planted[i].sql);
		seen = unheard(h, store_now_ms());
		assert_int_equal(seen.len, 1);
		assert_int_equal(seen.list[0].thing, planted[i].thing);
		assert_string_equal(seen.list[0].id, planted[i].id);
		assert_int_equal(seen.list[0].ended, planted[i].ended);
		assert_false(seen.list[0].older);
	}
	/* What does not work any more is nothing. */
	assert_int_equal(unheard(h, store_now_ms() + 2 * HOUR_MS).len, 1);
	sql(h, "UPDATE tokens SET revoked_at = 1 WHERE id = 'revoked'");
	assert_int_equal(unheard(h, store_now_ms()).len, 0);
	whole(h, s.end);
}

/* All rows and seals were removed, and a new chain begins with a row that says so. */
static void test_begun_anew(void **state)
{
	struct house *h = *state;
	struct sealer s = {.end = 0};
	struct store_audit_state is;
	struct unheard seen;

	open_audited(h, &s);
	assert_int_equal(store_audit_restart(h->store), STORE_OK);
	row_is(&rows_of(h->store, NULL).rows[0], "keyhouse", "audit_begun", "");
	add_business(h->store, "one");
	add_access(h);
	house_close(h);
	sql(h,
		"DELETE FROM audit; DELETE FROM audit_heads; UPDATE businesses SET created_at = created_at - 5000; "
		"UPDATE tokens SET created_at = created_at - 5000");
	s = (struct sealer){.end = 0};
	open_audited(h, &s);
	assert_int_equal(store_audit_restart(h->store), STORE_OK);
	add_business(h->store, "two");
	assert_int_equal(store_audit_state(h->store, &is), STORE_OK);
	assert_true(is.fits && is.seq == 2 && is.broken_at == 0);
	whole(h, 2);
	seen = unheard(h, store_now_ms());
	assert_int_equal(seen.len, 6);
	for (size_t i = 0; i < seen.len; i++) {
		const char *id = seen.list[i].id;

		/* What says that it is younger is named. */
		assert_int_equal(seen.list[i].older, strcmp(id, "one") == 0 || strcmp(id, "token") == 0);
	}
}

/* Once the rows of old have gone by themselves, what is from then is nobody's to judge; what is younger still is. */
static void test_of_before_the_rows_that_are_kept(void **state)
{
	struct house *h = *state;
	struct sealer s = {.end = 0};
	const int64_t now = store_now_ms(), old = now - 401 * DAY_MS;
	struct unheard seen;

	open_audited(h, &s);
	s.at = old;
	assert_int_equal(store_audit_restart(h->store), STORE_OK);
	add_business(h->store, "one");
	add_access(h);
	sql(h,
		"UPDATE businesses SET created_at = 1; UPDATE tokens SET created_at = 1; "
		"UPDATE settings_links SET created_at = 1, opened_at = opened_at > 0; UPDATE operator_sessions SET "
		"created_at = 1; UPDATE virtual_keys SET created_at = 1");
	add_business(h->store, "two");
	s.at = now;
	assert_int_equal(store_audit(h->store, &(struct store_audit){.action = "kit_made"}), STORE_OK);
	for (int i = 0; i < 2; i++) { /* before and after they have gone */
		sql(h, "UPDATE businesses SET created_at = 1");
		assert_int_equal(unheard(h, now).len, 0);
		sql(h, "UPDATE businesses SET created_at = unixepoch() * 1000 WHERE id = 'two'");
		seen = unheard(h, now);
		assert_int_equal(seen.len, 1);
		assert_string_equal(seen.list[0].id, "two");
		assert_false(seen.list[0].older);
		assert_int_equal(store_prune(h->store, now, 30), STORE_OK);
	}
}

static void test_a_row_before_the_first(void **state)
{
	struct house *h = *state;
	struct sealer s = {.end = 0};

	open_audited(h, &s);
	add_business(h->store, "one");
	whole(h, 1);
	sql(h,
		"INSERT INTO audit SELECT -5, at, actor, business_id, action, subject, purpose, job, value, hash FROM "
		"audit");
	assert_int_equal(report(h).fault, STORE_AUDIT_ROW);
	assert_int_equal(report(h).seq, -5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_actors_and_values, house_empty, house_teardown),
		cmocka_unit_test_setup_teardown(test_lease, house_empty, house_teardown),
		cmocka_unit_test_setup_teardown(test_what_ends_by_itself, house_empty, house_teardown),
		cmocka_unit_test_setup_teardown(test_groups, house_empty, house_teardown),
		cmocka_unit_test_setup_teardown(test_found_broken, house_empty, house_teardown),
		cmocka_unit_test_setup_teardown(test_prune, house_empty, house_teardown),
		cmocka_unit_test_setup_teardown(test_what_was_put_in, house_empty, house_teardown),
		cmocka_unit_test_setup_teardown(test_begun_anew, house_empty, house_teardown),
		cmocka_unit_test_setup_teardown(test_of_before_the_rows_that_are_kept, house_empty, house_teardown),
		cmocka_unit_test_setup_teardown(test_a_row_before_the_first, house_empty, house_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
