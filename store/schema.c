/*
 * The schema, held against what the migrations make. A trigger that somebody added runs
 * with every change that keyhouse does, and would hand on what is removed; a table that
 * was exchanged for a view is read as if it were one.
 */
#include <stdio.h>
#include <string.h>

#include "store/core.h"

#define NAME_SHOWN 48 /* what is longer is cut */
#define OBJECTS                                                                                                        \
	"SELECT CAST(name AS BLOB), CAST(type AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema "

/* SQLite's own, which come and go: what it knows of how values are spread, made by ANALYZE. */
static const char here[] =
	OBJECTS "WHERE NOT ifnull(type = 'table' AND name = tbl_name AND ((name = 'sqlite_stat1' AND "
		"sql = 'CREATE TABLE sqlite_stat1(tbl,idx,stat)') OR (name = 'sqlite_stat4' AND "
		"sql = 'CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)')), 0) ORDER BY 1, 2";
static const char made[] = OBJECTS "ORDER BY 1, 2";

struct text {
	const uint8_t *bytes;
	size_t len;
};

/* One side, object by object; what an object holds lives until the next. */
struct objects {
	struct query q;
	bool more;
	struct text name, type, table, sql;
};

static void next(struct objects *o)
{
	o->more = query_step(&o->q);
	if (!o->more)
		return;
	o->name.bytes = query_get_blob(&o->q, &o->name.len);
	o->type.bytes = query_get_blob(&o->q, &o->type.len);
	o->table.bytes = query_get_blob(&o->q, &o->table.len);
	o->sql.bytes = query_get_blob(&o->q, &o->sql.len);
}

static int order(struct text a, struct text b)
{
	const size_t len = a.len < b.len ? a.len : b.len;
	const int by_bytes = len > 0 ? memcmp(a.bytes, b.bytes, len) : 0;

	return by_bytes != 0 ? by_bytes : (a.len > b.len) - (a.len < b.len);
}

static bool is_passed_over(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '"';
}

/* Versions of SQLite differ in blanks and quotes of what they write when a table is altered or renamed. Neither has a
 * meaning of its own here: no text holds a comment, which a line's end would end. */
static bool same_sql(struct text a, struct text b)
{
	size_t i = 0, k = 0;

	for (;;) {
		while (i < a.len && is_passed_over(a.bytes[i]))
			i++;
		while (k < b.len && is_passed_over(b.bytes[k]))
			k++;
		if (i == a.len || k == b.len)
			return i == a.len && k == b.len;
		if (a.bytes[i++] != b.bytes[k++])
			return false;
	}
}

/* A name as it may be shown: whoever planted it chose it. */
static void shown(struct text t, char out[static NAME_SHOWN + 1])
{
	size_t n = 0;

	for (; n < t.len && n < NAME_SHOWN; n++)
		out[n] = (char)(t.bytes[n] >= 0x20 && t.bytes[n] < 0x7f && t.bytes[n] != '"' ? t.bytes[n] : '?');
	out[n] = '\0';
}

static void tell(const struct objects *o, const char *what, void (*fault)(const char *words, void *arg), void *arg)
{
	char type[NAME_SHOWN + 1], name[NAME_SHOWN + 1], table[NAME_SHOWN + 1];
	char words[STORE_TEXT_LEN + 1];

	shown(o->type, type);
	shown(o->name, name);
	shown(o->table, table);
	(void)snprintf(words, sizeof(words), "%s \"%s\" on \"%s\" %s", type, name, table, what);
	fault(words, arg);
}

static void compare(struct objects *is, struct objects *should, void (*fault)(const char *words, void *arg), void *arg)
{
	next(is);
	next(should);
	while (is->more || should->more) {
		int o = !is->more ? 1 : !should->more ? -1 : order(is->name, should->name);

		if (o == 0)
			o = order(is->type, should->type);
		if (o == 0 && (order(is->table, should->table) != 0 || !same_sql(is->sql, should->sql)))
			tell(is, "is not as keyhouse made it", fault, arg);
		else if (o < 0)
			tell(is, "was not made by keyhouse", fault, arg);
		else if (o > 0)
			tell(should, "is missing", fault, arg);
		if (o <= 0)
			next(is);
		if (o >= 0)
			next(should);
	}
}

enum store_error schema_check(struct db *db, int64_t migrations, void (*fault)(const char *words, void *arg), void *arg)
{
	struct db like = {0};
	struct objects is, should;
	enum store_error err = db_open_memory(&like), ended;

	if (err == STORE_OK)
		db_schema_writable(&like, true);
	for (int64_t i = 0; i < migrations && err == STORE_OK; i++)
		err = db_run(&like, store_migrations[i].sql);
	if (err != STORE_OK)
		goto out;
	is.q = query_start(db, here);
	should.q = query_start(&like, made);
	compare(&is, &should, fault, arg);
	err = query_end(&is.q);
	ended = query_end(&should.q);
	if (err == STORE_OK)
		err = ended;
out:
	db_close(&like);
	return err;
}

enum store_error store_schema_check(struct store *s, void (*fault)(const char *words, void *arg), void *arg)
{
	struct db *db = core_reader(s);
	const enum store_error err = schema_check(db, (int64_t)store_migrations_len, fault, arg);

	core_return(s, db);
	return err;
}
