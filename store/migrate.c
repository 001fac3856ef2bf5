/*
 * Migrations: applied in order, all missing ones in one transaction. user_version
 * counts them; application_id tells our files from others.
 */
#include <stdio.h>
#include <string.h>

#include "store/core.h"

#define APPLICATION_ID 0x4b657968 /* "Keyh" */

static enum store_error number(struct db *db, const char *sql, int64_t *out)
{
	struct query q = query_start(db, sql);

	*out = query_step(&q) ? query_get_int(&q) : 0;
	return query_end(&q);
}

static enum store_error first_rows(struct db *db)
{
	char id[STORE_ID_LEN + 1];
	struct query q = query_start(db, "INSERT INTO meta (key, value) VALUES ('deployment_id', ?)");

	store_id_new(id);
	query_text(&q, id);
	return query_finish(&q);
}

static enum store_error apply(struct db *db, int64_t have)
{
	char pragma[64];
	enum store_error err = STORE_OK;

	for (size_t i = (size_t)have; i < store_migrations_len && err == STORE_OK; i++) {
		err = db_run(db, store_migrations[i].sql);
		if (err == STORE_OK && i == 0)
			err = first_rows(db);
	}
	(void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %zu", store_migrations_len);
	if (err == STORE_OK)
		err = db_run(db, pragma);
	(void)snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d", APPLICATION_ID);
	return err == STORE_OK ? db_run(db, pragma) : err;
}

enum store_error migrate_check(struct db *db, int64_t *have)
{
	int64_t application, tables;
	enum store_error err = number(db, "PRAGMA user_version", have);

	if (err == STORE_OK)
		err = number(db, "PRAGMA application_id", &application);
	if (err == STORE_OK)
		err = number(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (err != STORE_OK)
		return err;
	if (application != APPLICATION_ID && (application != 0 || tables > 0))
		return STORE_NOT_OURS;
	return *have > (int64_t)store_migrations_len ? STORE_NEWER : STORE_OK;
}

enum store_error migrate(struct db *db, int64_t have)
{
	enum store_error err;

	if (have == (int64_t)store_migrations_len)
		return STORE_OK;
	err = db_run(db, "BEGIN IMMEDIATE");
	if (err != STORE_OK)
		return err;
	db_schema_writable(db, true);
	err = apply(db, have);
	db_schema_writable(db, false);
	if (err == STORE_OK)
		return db_run(db, "COMMIT");
	(void)db_run(db, "ROLLBACK");
	return err;
}
