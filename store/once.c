/*
 * Calls that may come twice: the first answer is kept under the client's key and given
 * again. What the call does and its answer become durable together where they can.
 */
#include <stdlib.h>
#include <string.h>

#include "store/core.h"

#define KEPT_MS (INT64_C(7) * 86400000) /* store_prune removes them later */
/* What status says while there is no answer. */
#define BEGUN 0
#define NOTED 1 /* its message is, and may have been accepted from then on */
#define IN_FLIGHT "status <= 1"

struct begin {
	const struct store_once *once;
	struct store_once_answer answer;
	enum store_error found;
};

/* What there is under a key that is in use. */
static enum store_error once_read(struct db *db, struct begin *a)
{
	struct query q = query_start(db, "SELECT request, status, body FROM once WHERE business_id = ? AND key = ?");
	uint8_t request[STORE_INDEX_LEN] = {0};
	const uint8_t *body;

	query_text(&q, a->once->business_id);
	query_blob(&q, a->once->key, sizeof(a->once->key));
	if (!query_step(&q))
		return query_end(&q);
	query_get_fixed(&q, request, sizeof(request));
	a->answer.http_status = (int)query_get_int(&q);
	if (memcmp(request, a->once->request, sizeof(request)) != 0) {
		a->found = STORE_STALE;
		return query_end(&q);
	}
	a->found = a->answer.http_status <= NOTED ? STORE_BUSY : STORE_EXISTS;
	body = query_get_blob(&q, &a->answer.body_len);
	if (a->found == STORE_EXISTS) {
		a->answer.body = calloc(1, a->answer.body_len + 1);
		if (a->answer.body == NULL)
			a->found = STORE_NO_MEMORY;
		else if (body != NULL)
			memcpy(a->answer.body, body, a->answer.body_len);
	}
	return query_end(&q);
}

static enum store_error run_begin(struct db *db, void *arg)
{
	struct begin *a = arg;
	int64_t now = store_now_ms();
	struct query q = query_start(db,
		"INSERT INTO once (business_id, key, request, status, at) VALUES (?, ?, ?, 0, ?) "
		"ON CONFLICT DO UPDATE SET request = excluded.request, status = 0, at = excluded.at, body = NULL "
		"WHERE at < ?");
	enum store_error err;

	query_text(&q, a->once->business_id);
	query_blob(&q, a->once->key, sizeof(a->once->key));
	query_blob(&q, a->once->request, sizeof(a->once->request));
	query_int(&q, now);
	query_int(&q, now - KEPT_MS);
	err = query_finish(&q);
	if (err != STORE_OK || db_changes(db) > 0)
		return err;
	return once_read(db, a);
}

enum store_error store_once_begin(struct store *s, const struct store_once *once, struct store_once_answer *answer)
{
	struct begin a = {.once = once, .found = STORE_OK};
	enum store_error err = core_write(s, run_begin, &a);

	/* The writer's own STORE_BUSY is another matter than a call in flight. */
	if (err != STORE_OK || a.found != STORE_EXISTS) {
		free(a.answer.body);
		return err == STORE_BUSY ? STORE_TIMEOUT : err != STORE_OK ? err : a.found;
	}
	*answer = a.answer; /* transferred */
	return STORE_EXISTS;
}

enum store_error core_once_end(struct db *db, const char *business_id, const struct store_once_end *end)
{
	struct query q;
	enum store_error err;

	if (end->http_status == 0) {
		q = query_start(db, "DELETE FROM once WHERE business_id = ? AND key = ? AND " IN_FLIGHT);
	} else {
		q = query_start(db,
			"UPDATE once SET status = ?3, body = ?4 WHERE business_id = ?1 AND key = ?2 AND " IN_FLIGHT);
	}
	query_text(&q, business_id);
	query_blob(&q, end->key, STORE_INDEX_LEN);
	if (end->http_status != 0) {
		query_int(&q, end->http_status);
		query_blob(&q, end->body, end->body_len);
	}
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_STALE;
}

enum store_error core_once_noted(struct db *db, const char *business_id, const uint8_t key[static STORE_INDEX_LEN])
{
	struct query q = query_start(db, "UPDATE once SET status = ? WHERE business_id = ? AND key = ? AND status = ?");
	enum store_error err;

	query_int(&q, NOTED);
	query_text(&q, business_id);
	query_blob(&q, key, STORE_INDEX_LEN);
	query_int(&q, BEGUN);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_STALE;
}

bool core_once_ok(const struct store_once_end *end)
{
	return end->key != NULL && (end->http_status == 0 || end->http_status > NOTED) &&
		(end->body != NULL || end->body_len == 0);
}

struct end {
	const char *business_id;
	const struct store_once_end *end;
};

static enum store_error run_end(struct db *db, void *arg)
{
	const struct end *a = arg;

	return core_once_end(db, a->business_id, a->end);
}

enum store_error store_once_end(struct store *s, const char *business_id, const struct store_once_end *end)
{
	struct end a = {business_id, end};

	return core_once_ok(end) ? core_write(s, run_end, &a) : STORE_INVALID;
}

static enum store_error run_recover(struct db *db, void *arg)
{
	struct query q = query_start(
		db, "UPDATE once INDEXED BY once_in_flight SET status = ? WHERE " IN_FLIGHT " AND status = ?");
	enum store_error err;

	(void)arg;
	query_int(&q, STORE_ONCE_LOST);
	query_int(&q, NOTED);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	q = query_start(db, "DELETE FROM once INDEXED BY once_in_flight WHERE " IN_FLIGHT);
	return query_finish(&q);
}

enum store_error store_once_recover(struct store *s)
{
	return core_write(s, run_recover, NULL);
}
