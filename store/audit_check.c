/*
 * Checking a whole audit: every row against the one before it, every head against the
 * row that it covers, and by the caller against the vault. It reads one snapshot and
 * changes nothing.
 */
#include <string.h>

#include "store/core.h"

#define DAY_MS INT64_C(86400000)

struct walk {
	struct db *db;
	const struct store_audit_check *check;
	struct store_audit_report *out;
	uint8_t link[32]; /* of the last row seen */
	int64_t seq; /* its */
	int64_t sealed; /* the last head that was right */
	int64_t restarted; /* the first row that begins a new chain; 0: none */
	struct query heads;
	struct store_audit_head next; /* seq 0: no more */
};

/* When the row was written; 0 where it is not there. */
static int64_t time_of(struct walk *w, int64_t seq)
{
	struct query q = query_start(w->db, "SELECT at FROM audit WHERE seq = ?");
	int64_t at = 0;

	query_int(&q, seq);
	if (query_step(&q))
		at = query_get_int(&q);
	return query_end(&q) == STORE_OK ? at : 0;
}

static void fault(struct walk *w, enum store_audit_fault what, int64_t seq)
{
	w->out->fault = what;
	w->out->seq = seq;
	w->out->at = time_of(w, seq);
	w->out->after = w->sealed;
	w->out->before = w->next.seq;
}

static void head_next(struct walk *w)
{
	w->next.seq = 0;
	if (!query_step(&w->heads))
		return;
	audit_head_read(&w->heads, &w->next);
	w->out->heads++;
	w->out->newest = w->next;
}

/* Asks whether the vault made the next head. */
static enum store_error seal_check(struct walk *w)
{
	enum store_error err = w->check->head(w->check->ctx, &w->next);

	if (err == STORE_STALE) {
		fault(w, STORE_AUDIT_SEAL, w->next.seq);
		return STORE_OK;
	}
	return err;
}

/* The head that covers the row just seen. */
static enum store_error head_check(struct walk *w)
{
	enum store_error err;

	if (memcmp(w->next.hash, w->link, sizeof(w->link)) != 0) {
		fault(w, STORE_AUDIT_REWRITTEN, w->sealed + 1);
		return STORE_OK;
	}
	err = seal_check(w);
	if (err == STORE_OK && w->out->fault == STORE_AUDIT_WHOLE) {
		w->sealed = w->next.seq;
		head_next(w);
	}
	return err;
}

/* Whether all of the row was read: what follows a NUL, or is too long, is none of it. */
static bool is_whole(const struct store_audit_row *r, int64_t bytes)
{
	return bytes ==
		(int64_t)(strlen(r->actor) + strlen(r->business_id) + strlen(r->action) + strlen(r->subject) +
			strlen(r->purpose) + strlen(r->job) + r->value_len);
}

static enum store_error row_check(struct walk *w, const struct store_audit_row *r, bool whole)
{
	uint8_t digest[32];

	/* Before the first there is none: what is there was put in, where nothing else would look at it. */
	if (r->seq < 1) {
		fault(w, STORE_AUDIT_ROW, r->seq);
		return STORE_OK;
	}
	if (strcmp(r->action, AUDIT_BROKEN) == 0) {
		memset(w->link, 0, sizeof(w->link));
		if (w->restarted == 0)
			w->restarted = r->seq;
	}
	if (r->seq != w->seq + 1) {
		fault(w, STORE_AUDIT_MISSING, w->seq + 1);
		return STORE_OK;
	}
	audit_row_digest(r, w->check->hash, digest);
	audit_link(w->link, digest, w->check->hash);
	if (!whole || memcmp(r->hash, w->link, sizeof(w->link)) != 0) {
		fault(w, STORE_AUDIT_ROW, r->seq);
		return STORE_OK;
	}
	w->seq = r->seq;
	w->out->rows++;
	if (w->out->first_at == 0)
		w->out->first_at = r->at;
	w->out->last_at = r->at;
	return w->next.seq == r->seq ? head_check(w) : STORE_OK;
}

/* What a head older than any row is kept covers has gone, or is about to. */
static enum store_error begin_at(struct walk *w)
{
	enum store_error err;

	if (w->next.seq == 0 || w->next.at >= w->check->now - AUDIT_DAYS * DAY_MS)
		return STORE_OK;
	err = seal_check(w);
	if (err != STORE_OK || w->out->fault != STORE_AUDIT_WHOLE)
		return err;
	w->seq = w->sealed = w->out->pruned = w->next.seq;
	w->out->pruned_at = w->next.at;
	memcpy(w->link, w->next.hash, sizeof(w->link));
	head_next(w);
	return STORE_OK;
}

/* All rows were seen. */
static void end_at(struct walk *w)
{
	if (w->out->fault != STORE_AUDIT_WHOLE)
		return;
	if (w->next.seq != 0)
		fault(w, STORE_AUDIT_MISSING, w->seq + 1);
	else if (w->seq > w->sealed)
		fault(w, STORE_AUDIT_UNSEALED, w->sealed + 1);
	else if (w->restarted > 0)
		fault(w, STORE_AUDIT_RESTARTED, w->restarted);
}

static enum store_error rows_walk(struct walk *w)
{
	enum store_error err = begin_at(w), ended;
	struct query q = query_start(w->db,
		"SELECT " AUDIT_COLUMNS ", length(CAST(actor || business_id || action || subject || purpose || job "
		"AS BLOB)) + length(value) FROM audit WHERE seq > ? OR seq < 1 ORDER BY seq");

	query_int(&q, w->seq);
	while (err == STORE_OK && w->out->fault == STORE_AUDIT_WHOLE && query_step(&q)) {
		struct store_audit_row r;

		audit_row_read(&q, &r);
		err = row_check(w, &r, is_whole(&r, query_get_int(&q)));
	}
	ended = query_end(&q);
	return err != STORE_OK ? err : ended;
}

static enum store_error walk(struct walk *w)
{
	enum store_error err, ended;

	w->heads = query_start(w->db, "SELECT " AUDIT_HEAD_COLUMNS " FROM audit_heads ORDER BY seq");
	head_next(w);
	err = rows_walk(w);
	if (err == STORE_OK)
		end_at(w);
	/* Those behind a fault are counted, too. */
	while (w->next.seq != 0)
		head_next(w);
	ended = query_end(&w->heads);
	return err != STORE_OK ? err : ended;
}

enum store_error store_audit_check(
	struct store *s, const struct store_audit_check *check, struct store_audit_report *out)
{
	struct walk w = {.db = core_reader(s), .check = check, .out = out};
	struct rows unheard = ROWS_OF(struct store_audit_unheard);
	enum store_error err, ended;

	*out = (struct store_audit_report){.rows = 0};
	err = db_run(w.db, "BEGIN");
	if (err == STORE_OK) {
		err = walk(&w);
		if (err == STORE_OK && check->unheard != NULL)
			err = audit_unheard(w.db, check->now, out, &unheard);
		ended = db_run(w.db, "COMMIT");
		if (err == STORE_OK)
			err = ended;
	}
	core_return(s, w.db);
	for (size_t i = 0; err == STORE_OK && i < unheard.len; i++)
		if (!check->unheard(check->ctx, &((struct store_audit_unheard *)(void *)unheard.items)[i]))
			break;
	rows_clear(&unheard);
	return err;
}
