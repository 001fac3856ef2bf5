/*
 * Sealed values wherever they lie: listed in order, and exchanged for what was sealed anew.
 */
#include "store/sealed.h"

#define BYTES_MAX (1 << 20) /* of blobs in one list: a page of large bodies must not fill the memory */

/* A business's events: those that are settled, and those that are not yet. */
#define EVENTS(what, states, index)                                                                                    \
	"SELECT " what " FROM events INDEXED BY " index " WHERE business_id = ?1 AND " states " AND body IS NOT NULL "
#define EVENT "seq, id, 'body', 1, body"

/* business, after, limit -> seq, record id, field, version, blob. */
static const char *const lists[] = {
	[STORE_PLACE_EVENT] = EVENTS(EVENT, "state > 1 AND seq > ?2", "events_business") "UNION ALL " EVENTS(
		EVENT, "state = 1 AND seq > ?2", "events_unsettled") "ORDER BY seq LIMIT ?3",
	[STORE_PLACE_MESSAGE] = "SELECT seq, id, 'content', 1, content FROM messages "
				"WHERE business_id = ? AND seq > ? AND content IS NOT NULL ORDER BY seq LIMIT ?",
	[STORE_PLACE_WAMID] = "SELECT seq, id, 'wamid', 1, wamid FROM messages "
			      "WHERE business_id = ? AND seq > ? AND wamid IS NOT NULL ORDER BY seq LIMIT ?",
	/* In the order of the table: an index of the business's would be sorted anew for each page. */
	[STORE_PLACE_ASK] = "SELECT seq, id, 'content', 1, content FROM asks "
			    "WHERE +business_id = ? AND seq > ? AND content IS NOT NULL ORDER BY seq LIMIT ?",
	[STORE_PLACE_URL] = "SELECT 1, business_id, 'url', 1, url FROM responders "
			    "WHERE business_id = ? AND 1 > ? LIMIT ?",
	[STORE_PLACE_CREDENTIAL] = "SELECT rowid, connection_id, field, version, sealed FROM credentials "
				   "WHERE business_id = ? AND rowid > ? ORDER BY rowid LIMIT ?",
	[STORE_PLACE_SECRET] = "SELECT 1, 'responder', 'signing_secret', version, secret FROM responders "
			       "WHERE business_id = ? AND 1 > ? LIMIT ?",
};

/* Which table each is bound to; the secrets that responders' requests are signed with are sealed as credentials. */
static const char *const tables[] = {
	[STORE_PLACE_EVENT] = "events",
	[STORE_PLACE_MESSAGE] = "messages",
	[STORE_PLACE_WAMID] = "messages",
	[STORE_PLACE_ASK] = "asks",
	[STORE_PLACE_URL] = "responders",
	[STORE_PLACE_CREDENTIAL] = "credentials",
	[STORE_PLACE_SECRET] = "credentials",
};

/* new, fingerprint, business, seq, old. Each names the row twice over: by its place, and by what it holds. */
static const char *const changes[] = {
	[STORE_PLACE_EVENT] =
		"UPDATE events SET body = ?1 WHERE ?2 = '' AND business_id = ?3 AND seq = ?4 AND body = ?5",
	[STORE_PLACE_MESSAGE] =
		"UPDATE messages SET content = ?1 WHERE ?2 = '' AND business_id = ?3 AND seq = ?4 AND content = ?5",
	[STORE_PLACE_WAMID] =
		"UPDATE messages SET wamid = ?1 WHERE ?2 = '' AND business_id = ?3 AND seq = ?4 AND wamid = ?5",
	[STORE_PLACE_ASK] =
		"UPDATE asks SET content = ?1 WHERE ?2 = '' AND business_id = ?3 AND seq = ?4 AND content = ?5",
	[STORE_PLACE_URL] = "UPDATE responders SET url = ?1 WHERE ?2 = '' AND business_id = ?3 AND ?4 = 1 AND url = ?5",
	[STORE_PLACE_CREDENTIAL] = "UPDATE credentials SET sealed = ?1, fingerprint = ?2 "
				   "WHERE business_id = ?3 AND rowid = ?4 AND sealed = ?5",
	[STORE_PLACE_SECRET] =
		"UPDATE responders SET secret = ?1 WHERE ?2 <> '' AND business_id = ?3 AND ?4 = 1 AND secret = ?5",
};

static bool place_ok(enum store_sealed_place place)
{
	return place >= STORE_PLACE_EVENT && place <= STORE_PLACE_SECRET;
}

static void sealed_read(struct query *q, enum store_sealed_place place, struct rows *rows, size_t *bytes)
{
	struct store_sealed *v = rows_add(rows);
	const uint8_t *blob;

	if (v == NULL)
		return;
	v->seq = query_get_int(q);
	v->table = tables[place];
	query_get_text(q, v->record_id, sizeof(v->record_id));
	query_get_text(q, v->field, sizeof(v->field));
	v->version = (uint64_t)query_get_int(q);
	blob = query_get_blob(q, &v->blob_len);
	v->blob = rows_keep(rows, blob, v->blob_len);
	*bytes += v->blob_len;
}

enum store_error store_sealed_list(struct store *s, const char *business_id, enum store_sealed_place place,
	int64_t after, unsigned limit, bool (*each)(const struct store_sealed *v, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_sealed);
	size_t bytes = 0;
	struct db *db;
	struct query q;
	enum store_error err;

	if (!place_ok(place) || limit == 0 || limit > STORE_LIST_MAX)
		return STORE_INVALID;
	db = core_reader(s);
	q = query_start(db, lists[place]);
	query_text(&q, business_id);
	query_int(&q, after);
	query_int(&q, limit);
	while (bytes < BYTES_MAX && query_step(&q))
		sealed_read(&q, place, &rows, &bytes);
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_sealed *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

enum store_error store_sealed_count(
	struct store *s, const char *business_id, enum store_purpose purpose, int64_t *count)
{
	struct db *db = core_reader(s);
	struct query q = purpose == STORE_KEY_CONTENT
		? query_start(db,
			  "SELECT (" EVENTS("count(*)", "state > 1", "events_business") ") + (" EVENTS("count(*)",
				  "state = 1",
				  "events_unsettled") ") "
						      "+ (SELECT count(content) + count(wamid) FROM messages WHERE "
						      "business_id = ?1) "
						      "+ (SELECT count(content) FROM asks WHERE business_id = ?1) "
						      "+ (SELECT count(*) FROM responders WHERE business_id = ?1)")
		: query_start(db,
			  "SELECT (SELECT count(*) FROM credentials WHERE business_id = ?1) "
			  "+ (SELECT count(*) FROM responders WHERE business_id = ?1)");
	enum store_error err;

	query_text(&q, business_id);
	*count = query_step(&q) ? query_get_int(&q) : 0;
	err = query_end(&q);
	core_return(s, db);
	return err;
}

enum store_error sealed_change(
	struct db *db, const char *business_id, enum store_sealed_place place, const struct store_resealed *v)
{
	struct query q;

	if (!place_ok(place))
		return STORE_INVALID;
	q = query_start(db, changes[place]);
	query_blob(&q, v->is, v->is_len);
	query_text(&q, v->fingerprint);
	query_text(&q, business_id);
	query_int(&q, v->seq);
	query_blob(&q, v->was, v->was_len);
	return query_finish(&q);
}
