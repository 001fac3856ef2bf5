/*
 * Admin tokens, by their hash.
 */
#include <string.h>

#include "store/core.h"

#define COLUMNS "id, name, hash, last4, created_at, revoked_at"

static void token_read(struct query *q, struct store_token *t)
{
	memset(t, 0, sizeof(*t));
	query_get_text(q, t->id, sizeof(t->id));
	query_get_text(q, t->name, sizeof(t->name));
	query_get_fixed(q, t->hash, sizeof(t->hash));
	query_get_text(q, t->last4, sizeof(t->last4));
	t->created_at = query_get_int(q);
	t->revoked_at = query_get_int(q);
}

static enum store_error run_add(struct db *db, void *arg)
{
	const struct store_token *t = arg;
	const struct store_audit row = {
		.action = "token_made", .subject = t->id, .value = t->hash, .value_len = sizeof(t->hash)};
	enum store_error err;
	struct query q = query_start(
		db, "INSERT INTO tokens (id, name, hash, last4, created_at, revoked_at) VALUES (?, ?, ?, ?, ?, 0)");

	query_text(&q, t->id);
	query_text(&q, t->name);
	query_blob(&q, t->hash, sizeof(t->hash));
	query_text(&q, t->last4);
	query_int(&q, t->created_at > 0 ? t->created_at : store_now_ms());
	err = query_finish(&q);
	return err == STORE_OK ? core_audit(db, &row) : err;
}

enum store_error store_token_add(struct store *s, const struct store_token *t)
{
	struct store_token copy = *t;

	if (t->id[0] == '\0' || t->name[0] == '\0')
		return STORE_INVALID;
	return core_write(s, run_add, &copy);
}

enum store_error store_token_find(struct store *s, const uint8_t hash[static 32], struct store_token *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db, "SELECT " COLUMNS " FROM tokens WHERE hash = ? AND revoked_at = 0");
	enum store_error err;
	bool found;

	query_blob(&q, hash, 32);
	found = query_step(&q);
	if (found)
		token_read(&q, out);
	err = query_end(&q);
	core_return(s, db);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

static enum store_error run_revoke(struct db *db, void *arg)
{
	const struct store_audit row = {.action = "token_revoked", .subject = *(const char **)arg};
	struct query q = query_start(db, "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at = 0");
	enum store_error err;

	query_int(&q, store_now_ms());
	query_text(&q, row.subject);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	return db_changes(db) > 0 ? core_audit(db, &row) : STORE_NOT_FOUND;
}

enum store_error store_token_revoke(struct store *s, const char *id)
{
	return core_write(s, run_revoke, &id);
}

enum store_error store_token_list(
	struct store *s, const struct store_page *page, bool (*each)(const struct store_token *t, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_token);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(db, "SELECT seq FROM tokens WHERE id = ?", NULL, page, &start);

	if (err == STORE_OK) {
		q = page->ascending
			? query_start(db, "SELECT " COLUMNS " FROM tokens WHERE seq > ? ORDER BY seq LIMIT ?")
			: query_start(db, "SELECT " COLUMNS " FROM tokens WHERE seq < ? ORDER BY seq DESC LIMIT ?");
		query_int(&q, start);
		query_int(&q, page->limit);
		while (query_step(&q)) {
			struct store_token *t = rows_add(&rows);

			if (t != NULL)
				token_read(&q, t);
		}
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_token *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
