/*
 * The audit: rows chained by hashes, one for each use and change of a secret and each
 * change of a setting, added inside the change itself; and the seals over them.
 *
 * Where the chain ends is kept beside the writer and moved back with whatever is rolled back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/core.h"

#define ROW_LABEL "keyhouse-audit-row-1"
#define HOUR_MS 3600000

static _Thread_local char actor[STORE_ACTOR_LEN + 1];

void store_actor(const char *kind, const char *id)
{
	actor[0] = '\0';
	if (kind != NULL)
		(void)snprintf(actor, sizeof(actor), "%s%s%s", kind, id != NULL ? ":" : "", id != NULL ? id : "");
}

const char *audit_actor(void)
{
	return actor[0] != '\0' ? actor : "keyhouse";
}

/* ------------------------------------------------------------ digests */

/* A row as it is hashed, built up. */
struct encoding {
	uint8_t bytes[1024];
	size_t len;
};

static void put_number(struct encoding *e, uint64_t n, unsigned len)
{
	for (unsigned i = len; i-- > 0;)
		e->bytes[e->len++] = (uint8_t)(n >> (8 * i));
}

static void put_bytes(struct encoding *e, const void *data, size_t len)
{
	put_number(e, len, 4);
	memcpy(e->bytes + e->len, data, len);
	e->len += len;
}

static void put_text(struct encoding *e, const char *text)
{
	put_bytes(e, text, strlen(text));
}

void audit_row_digest(const struct store_audit_row *r, void (*hash)(const void *data, size_t len, uint8_t *out),
	uint8_t digest[static 32])
{
	struct encoding e = {.len = 0};

	_Static_assert(sizeof(ROW_LABEL) + 2 * 8 + 7 * 4 + sizeof(struct store_audit_row) < sizeof(e.bytes), "it fits");
	memcpy(e.bytes, ROW_LABEL, sizeof(ROW_LABEL) - 1);
	e.len = sizeof(ROW_LABEL) - 1;
	put_number(&e, (uint64_t)r->seq, 8);
	put_number(&e, (uint64_t)r->at, 8);
	put_text(&e, r->actor);
	put_text(&e, r->business_id);
	put_text(&e, r->action);
	put_text(&e, r->subject);
	put_text(&e, r->purpose);
	put_text(&e, r->job);
	put_bytes(&e, r->value, r->value_len);
	hash(e.bytes, e.len, digest);
}

void audit_link(uint8_t link[static 32], const uint8_t digest[static 32], void (*hash)(const void *, size_t, uint8_t *))
{
	uint8_t both[64];

	memcpy(both, link, 32);
	memcpy(both + 32, digest, 32);
	hash(both, sizeof(both), link);
}

/* ------------------------------------------------------------ adding */

static bool copy(char *to, size_t room, const char *from)
{
	const size_t len = from != NULL ? strlen(from) : 0;

	if (len >= room)
		return false;
	memcpy(to, from != NULL ? from : "", len + (from != NULL));
	return true;
}

static bool row_fill(struct store_audit_row *r, const struct store_audit *a)
{
	if (a->action == NULL || a->action[0] == '\0' || a->value_len > sizeof(r->value))
		return false;
	if (a->value_len > 0)
		memcpy(r->value, a->value, a->value_len);
	r->value_len = a->value_len;
	return copy(r->business_id, sizeof(r->business_id), a->business_id) &&
		copy(r->action, sizeof(r->action), a->action) && copy(r->subject, sizeof(r->subject), a->subject) &&
		copy(r->purpose, sizeof(r->purpose), a->purpose) && copy(r->job, sizeof(r->job), a->job);
}

static enum store_error row_insert(struct db *db, const struct store_audit_row *r)
{
	struct query q = query_start(db, "INSERT INTO audit (" AUDIT_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	query_int(&q, r->seq);
	query_int(&q, r->at);
	query_text(&q, r->actor);
	query_text(&q, r->business_id);
	query_text(&q, r->action);
	query_text(&q, r->subject);
	query_text(&q, r->purpose);
	query_text(&q, r->job);
	query_blob(&q, r->value, r->value_len);
	query_blob(&q, r->hash, sizeof(r->hash));
	return query_finish(&q);
}

enum store_error core_audit(struct db *db, const struct store_audit *a)
{
	struct audit_chain *c = db->audit;
	struct store_audit_row r = {.at = store_now_ms()};
	enum store_error err;

	if (c->how.hash == NULL)
		return STORE_OK;
	if (c->added == STORE_AUDIT_GROUP_MAX)
		return STORE_BUSY;
	if (!row_fill(&r, a) || !copy(r.actor, sizeof(r.actor), c->actor))
		return STORE_INVALID;
	r.seq = c->seq + 1;
	audit_row_digest(&r, c->how.hash, c->digests[c->added]);
	memcpy(r.hash, c->hash, sizeof(r.hash));
	audit_link(r.hash, c->digests[c->added], c->how.hash);
	err = row_insert(db, &r);
	if (err != STORE_OK)
		return err;
	c->added++;
	c->seq = r.seq;
	memcpy(c->hash, r.hash, sizeof(c->hash));
	return STORE_OK;
}

struct store_audit_end audit_end(const struct db *db)
{
	struct store_audit_end end = {.seq = db->audit->seq};

	memcpy(end.hash, db->audit->hash, sizeof(end.hash));
	return end;
}

void core_audit_value(struct store *s, const char *text, struct store_audit *a, uint8_t out[static STORE_INDEX_LEN])
{
	const struct store_auditor *how = &s->audit.how;

	if (text == NULL || text[0] == '\0' || how->value == NULL || !how->value(how->ctx, text, strlen(text), out))
		return;
	a->value = out;
	a->value_len = STORE_INDEX_LEN;
}

void core_audit_fingerprint(const char *fingerprint, struct store_audit *a, uint8_t out[static STORE_AUDIT_VALUE_LEN])
{
	size_t len = 0;

	for (const char *p = fingerprint; p[0] != '\0' && p[1] != '\0' && len < STORE_AUDIT_VALUE_LEN; p += 2) {
		const unsigned high = (unsigned)(p[0] <= '9' ? p[0] - '0' : p[0] - 'a' + 10);
		const unsigned low = (unsigned)(p[1] <= '9' ? p[1] - '0' : p[1] - 'a' + 10);

		out[len++] = (uint8_t)(high << 4 | low);
	}
	a->value = out;
	a->value_len = len;
}

enum store_error core_audit_credential(struct db *db, const char *business_id, const char *action,
	const struct store_credential *c, const char *purpose, const char *job)
{
	char subject[STORE_AUDIT_TEXT_LEN + 1] = "";
	const size_t id_len = strlen(c->connection_id);
	struct store_audit a = {
		.business_id = business_id, .action = action, .subject = subject, .purpose = purpose, .job = job};
	uint8_t value[STORE_AUDIT_VALUE_LEN];

	memcpy(subject, c->connection_id, id_len);
	subject[id_len] = '/';
	memcpy(subject + id_len + 1, c->field, strlen(c->field) + 1);
	core_audit_fingerprint(c->fingerprint, &a, value);
	return core_audit(db, &a);
}

static enum store_error run_audit(struct db *db, void *arg)
{
	return core_audit(db, arg);
}

enum store_error store_audit(struct store *s, const struct store_audit *a)
{
	struct store_audit copied = *a;

	return core_write(s, run_audit, &copied);
}

/* ------------------------------------------------------------ the chain, beside the writer */

struct audit_mark audit_mark(const struct db *db)
{
	const struct audit_chain *c = db->audit;
	struct audit_mark mark = {.seq = c->seq, .head = c->head, .added = c->added};

	memcpy(mark.hash, c->hash, sizeof(mark.hash));
	return mark;
}

void audit_back(struct db *db, const struct audit_mark *mark)
{
	struct audit_chain *c = db->audit;

	c->seq = mark->seq;
	c->head = mark->head;
	c->added = mark->added;
	memcpy(c->hash, mark->hash, sizeof(c->hash));
}

/* The newest, and one of each hour: a head takes the place of the one before it in the same hour. */
static enum store_error head_keep(
	struct db *db, const struct store_audit_head *before, const struct store_audit_head *h)
{
	const bool anew = before->seq == 0 || before->at / HOUR_MS != h->at / HOUR_MS;
	struct query q = anew
		? query_start(db, "INSERT INTO audit_heads (" AUDIT_HEAD_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?)")
		: query_start(db,
			  "UPDATE audit_heads SET seq = ?, at = ?, hash = ?, refused = ?, undone = ?, mac = ? "
			  "WHERE seq = ?");

	query_int(&q, h->seq);
	query_int(&q, h->at);
	query_blob(&q, h->hash, sizeof(h->hash));
	query_int(&q, (int64_t)h->refused);
	query_int(&q, (int64_t)h->undone);
	query_blob(&q, h->mac, sizeof(h->mac));
	if (!anew)
		query_int(&q, before->seq);
	return query_finish(&q);
}

enum store_error audit_seal(struct db *db)
{
	struct audit_chain *c = db->audit;
	struct store_audit_head head = {.seq = c->seq};
	enum store_error err;

	if (c->added == 0 || c->how.seal == NULL)
		return STORE_OK;
	memcpy(head.hash, c->hash, sizeof(head.hash));
	err = c->how.seal(c->how.ctx, c->seq - (int64_t)c->added, c->digests[0], c->added, &head);
	if (err == STORE_OK)
		err = head_keep(db, &c->head, &head);
	if (err == STORE_OK)
		c->head = head;
	return err;
}

/* ------------------------------------------------------------ reading */

void audit_row_read(struct query *q, struct store_audit_row *r)
{
	const uint8_t *value;

	memset(r, 0, sizeof(*r));
	r->seq = query_get_int(q);
	r->at = query_get_int(q);
	query_get_text(q, r->actor, sizeof(r->actor));
	query_get_text(q, r->business_id, sizeof(r->business_id));
	query_get_text(q, r->action, sizeof(r->action));
	query_get_text(q, r->subject, sizeof(r->subject));
	query_get_text(q, r->purpose, sizeof(r->purpose));
	query_get_text(q, r->job, sizeof(r->job));
	value = query_get_blob(q, &r->value_len);
	/* Longer than any that was written: its hash will not fit. */
	if (r->value_len > sizeof(r->value))
		r->value_len = sizeof(r->value);
	if (value != NULL)
		memcpy(r->value, value, r->value_len);
	query_get_fixed(q, r->hash, sizeof(r->hash));
}

void audit_head_read(struct query *q, struct store_audit_head *h)
{
	memset(h, 0, sizeof(*h));
	h->seq = query_get_int(q);
	h->at = query_get_int(q);
	query_get_fixed(q, h->hash, sizeof(h->hash));
	h->refused = (uint64_t)query_get_int(q);
	h->undone = (uint64_t)query_get_int(q);
	query_get_fixed(q, h->mac, sizeof(h->mac));
}

/* Numbers beyond are nobody's: none could follow the last. Checking the audit finds them. */
#define SANE " WHERE seq BETWEEN 1 AND 4611686018427387903 "

/* seq 0 where there is none. */
static enum store_error newest_read(struct db *db, struct store_audit_head *head, struct store_audit_row *row)
{
	struct query q =
		query_start(db, "SELECT " AUDIT_HEAD_COLUMNS " FROM audit_heads" SANE "ORDER BY seq DESC LIMIT 1");
	enum store_error err;

	*head = (struct store_audit_head){.seq = 0};
	*row = (struct store_audit_row){.seq = 0};
	if (query_step(&q))
		audit_head_read(&q, head);
	err = query_end(&q);
	if (err != STORE_OK)
		return err;
	q = query_start(db, "SELECT " AUDIT_COLUMNS " FROM audit" SANE "ORDER BY seq DESC LIMIT 1");
	if (query_step(&q))
		audit_row_read(&q, row);
	return query_end(&q);
}

enum store_error audit_load(struct audit_chain *c, struct db *db, const struct store_auditor *how)
{
	struct store_audit_row row;
	enum store_error err;

	c->how = *how;
	c->actor = "keyhouse";
	db->audit = c;
	if (how->hash == NULL)
		return STORE_OK;
	c->digests = calloc(STORE_AUDIT_GROUP_MAX, sizeof(*c->digests));
	if (c->digests == NULL)
		return STORE_NO_MEMORY;
	err = newest_read(db, &c->head, &row);
	c->seq = row.seq > c->head.seq ? row.seq : c->head.seq;
	memcpy(c->hash, row.seq > 0 ? row.hash : c->head.hash, sizeof(c->hash));
	return err;
}

enum store_error store_audit_state(struct store *s, struct store_audit_state *out)
{
	struct db *db = core_reader(s);
	struct store_audit_row row;
	enum store_error err = newest_read(db, &out->head, &row);
	const struct store_audit_head *h = &out->head;
	struct query q;

	out->seq = row.seq > h->seq ? row.seq : h->seq;
	/* Without rows a head is what pruning left of very old ones. */
	out->fits = row.seq > 0 ? row.seq == h->seq && memcmp(row.hash, h->hash, sizeof(h->hash)) == 0
				: h->seq == 0 || h->at < store_now_ms() - AUDIT_DAYS * INT64_C(86400000);
	out->broken_at = 0;
	if (err == STORE_OK) {
		q = query_start(db,
			"SELECT at FROM audit INDEXED BY audit_broken WHERE action = '" AUDIT_BROKEN "' "
			"ORDER BY seq DESC LIMIT 1");
		if (query_step(&q))
			out->broken_at = query_get_int(&q);
		err = query_end(&q);
	}
	core_return(s, db);
	return err;
}

static enum store_error run_restart(struct db *db, void *arg)
{
	const struct store_audit row = {.action = db->audit->seq == 0 ? AUDIT_BEGUN : AUDIT_BROKEN};

	(void)arg;
	memset(db->audit->hash, 0, sizeof(db->audit->hash));
	return core_audit(db, &row);
}

enum store_error store_audit_restart(struct store *s)
{
	return core_write(s, run_restart, NULL);
}

/* ------------------------------------------------------------ listing */

static struct query list_query(struct db *db, bool one, bool ascending)
{
	if (one)
		return ascending ? query_start(db,
					   "SELECT " AUDIT_COLUMNS " FROM audit WHERE business_id = ? AND seq > ? "
					   "ORDER BY seq LIMIT ?")
				 : query_start(db,
					   "SELECT " AUDIT_COLUMNS " FROM audit WHERE business_id = ? AND seq < ? "
					   "ORDER BY seq DESC LIMIT ?");
	return ascending
		? query_start(db, "SELECT " AUDIT_COLUMNS " FROM audit WHERE seq > ? ORDER BY seq LIMIT ?")
		: query_start(db, "SELECT " AUDIT_COLUMNS " FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?");
}

enum store_error store_audit_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_audit_row *r, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_audit_row);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(db,
		business_id != NULL ? "SELECT seq FROM audit WHERE business_id = ? AND seq = CAST(? AS INTEGER)"
				    : "SELECT seq FROM audit WHERE seq = CAST(? AS INTEGER)",
		business_id, page, &start);

	if (err == STORE_OK) {
		q = list_query(db, business_id != NULL, page->ascending);
		if (business_id != NULL)
			query_text(&q, business_id);
		query_int(&q, start);
		query_int(&q, page->limit);
		while (query_step(&q)) {
			struct store_audit_row *r = rows_add(&rows);

			if (r != NULL)
				audit_row_read(&q, r);
		}
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_audit_row *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
