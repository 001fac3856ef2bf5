/*
 * A store for tests: one business with connections, credentials and messages in arrays, so that
 * outbound is tested alone and faults can be asked for. Implements what outbound and tenant.c use.
 */
#include "test/unit/outbound/fake_store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fake_row rows[FAKE_ROWS];
static size_t rows_len;
static struct store_connection connections[FAKE_CONNECTIONS];
static size_t connections_len;
static struct store_credential credentials[FAKE_CONNECTIONS * 2];
static size_t credentials_len;
static struct store_credential older; /* blob NULL: there is none */
static unsigned proven;
static struct store_tenant_key keys[64];
static char key_owner[64][STORE_BUSINESS_ID_LEN + 1];
static size_t keys_len;
static unsigned busy;
static struct store_heard heard;
static struct store_delivery delivery;
static struct store_connection_facts facts;
static bool too_many;

#define LOCK pthread_mutex_lock(&lock)
#define UNLOCK pthread_mutex_unlock(&lock)

static bool is_at(const struct store_credential *a, const struct store_credential *b)
{
	return strcmp(a->connection_id, b->connection_id) == 0 && strcmp(a->field, b->field) == 0;
}

void fake_reset(void)
{
	LOCK;
	for (size_t i = 0; i < rows_len; i++) {
		free((void *)(uintptr_t)rows[i].m.content);
		free((void *)(uintptr_t)rows[i].m.wamid);
	}
	for (size_t i = 0; i < credentials_len; i++)
		free((void *)(uintptr_t)credentials[i].blob);
	free((void *)(uintptr_t)older.blob);
	older.blob = NULL;
	proven = 0;
	rows_len = connections_len = credentials_len = keys_len = 0;
	busy = 0;
	heard = (struct store_heard){.all = true};
	delivery = (struct store_delivery){.accepted_at = 0};
	facts = (struct store_connection_facts){.looked_at = 0};
	too_many = false;
	UNLOCK;
}

void fake_busy(unsigned times)
{
	LOCK;
	busy = times;
	UNLOCK;
}

void fake_connection(const struct store_connection *c)
{
	LOCK;
	connections[connections_len++] = *c;
	UNLOCK;
}

void fake_credential(const struct store_credential *c)
{
	uint8_t *blob = malloc(c->blob_len);

	memcpy(blob, c->blob, c->blob_len);
	LOCK;
	credentials[credentials_len] = *c;
	credentials[credentials_len++].blob = blob;
	UNLOCK;
}

void fake_credential_older(const struct store_credential *c)
{
	uint8_t *blob = malloc(c->blob_len);

	memcpy(blob, c->blob, c->blob_len);
	LOCK;
	older = *c;
	older.blob = blob;
	UNLOCK;
}

unsigned fake_credentials_proven(void)
{
	unsigned n;

	LOCK;
	n = proven;
	UNLOCK;
	return n;
}

void fake_credential_replaced(const struct store_credential *c)
{
	uint8_t *blob = malloc(c->blob_len);

	memcpy(blob, c->blob, c->blob_len);
	LOCK;
	for (size_t i = 0; i < credentials_len; i++)
		if (is_at(&credentials[i], c)) {
			free((void *)(uintptr_t)credentials[i].blob);
			credentials[i] = *c;
			credentials[i].blob = blob;
		}
	UNLOCK;
}

void fake_message(const struct store_message *m)
{
	uint8_t *content = malloc(m->content_len > 0 ? m->content_len : 1);

	if (m->content_len > 0)
		memcpy(content, m->content, m->content_len);
	LOCK;
	rows[rows_len] = (struct fake_row){.m = *m};
	rows[rows_len++].m.content = content;
	UNLOCK;
}

static struct fake_row *find(const char *id)
{
	for (size_t i = 0; i < rows_len; i++)
		if (strcmp(rows[i].m.id, id) == 0)
			return &rows[i];
	return NULL;
}

bool fake_row(const char *id, struct fake_row *out)
{
	struct fake_row *r;

	LOCK;
	r = find(id);
	if (r != NULL)
		*out = *r;
	UNLOCK;
	return r != NULL;
}

enum store_connection_status fake_connection_status(const char *id)
{
	enum store_connection_status status = 0;

	LOCK;
	for (size_t i = 0; i < connections_len; i++)
		if (strcmp(connections[i].id, id) == 0)
			status = connections[i].status;
	UNLOCK;
	return status;
}

/* ------------------------------------------------------------ the store's own functions */

const char *store_error_text(enum store_error err)
{
	return err == STORE_OK ? "fine" : "not fine";
}

void store_id_new(char out[static STORE_ID_LEN + 1])
{
	static unsigned long long n;

	LOCK;
	(void)snprintf(out, STORE_ID_LEN + 1, "01fake%020llu", ++n);
	UNLOCK;
}

int64_t store_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *store_deployment_id(const struct store *s)
{
	(void)s;
	return "01deployment";
}

enum store_error store_tenant_key_get(struct store *s, const char *business_id, enum store_purpose purpose,
	uint32_t version, struct store_tenant_key *out)
{
	enum store_error err = STORE_NOT_FOUND;

	(void)s;
	LOCK;
	for (size_t i = 0; i < keys_len; i++)
		if (strcmp(key_owner[i], business_id) == 0 && keys[i].purpose == purpose &&
			(version == 0 || keys[i].version == version)) {
			*out = keys[i];
			err = STORE_OK;
		}
	UNLOCK;
	return err;
}

enum store_error store_tenant_key_add(struct store *s, const char *business_id, const struct store_tenant_key *key)
{
	(void)s;
	LOCK;
	(void)snprintf(key_owner[keys_len], sizeof(key_owner[0]), "%s", business_id);
	keys[keys_len++] = *key;
	UNLOCK;
	return STORE_OK;
}

const char *store_purpose_name(enum store_purpose purpose)
{
	(void)purpose;
	return "own";
}

enum store_error store_tenant_key_replace(struct store *s, const char *business_id, const struct store_tenant_key *key)
{
	return store_tenant_key_add(s, business_id, key);
}

enum store_error store_business_get(struct store *s, const char *id, struct store_business *out)
{
	(void)s;
	*out = (struct store_business){.status = STORE_BUSINESS_ACTIVE};
	(void)snprintf(out->id, sizeof(out->id), "%s", id);
	return STORE_OK;
}

enum store_error store_connection_get(
	struct store *s, const char *business_id, const char *id, struct store_connection *out)
{
	enum store_error err = STORE_NOT_FOUND;

	(void)s;
	LOCK;
	for (size_t i = 0; i < connections_len; i++)
		if (strcmp(connections[i].id, id) == 0 && strcmp(connections[i].business_id, business_id) == 0) {
			*out = connections[i];
			err = STORE_OK;
		}
	UNLOCK;
	return err;
}

enum store_error store_connection_status_set(struct store *s, const char *business_id, const char *id,
	enum store_connection_status from, enum store_connection_status to)
{
	enum store_error err = STORE_NOT_FOUND;

	(void)s;
	LOCK;
	for (size_t i = 0; i < connections_len; i++)
		if (strcmp(connections[i].id, id) == 0 && strcmp(connections[i].business_id, business_id) == 0) {
			err = from == 0 || connections[i].status == from ? STORE_OK : STORE_STALE;
			if (err == STORE_OK)
				connections[i].status = to;
		}
	UNLOCK;
	return err;
}

enum store_error store_credential_use(struct store *s, const char *business_id, const struct store_credential *used,
	size_t used_len, const char *purpose, const char *job)
{
	(void)s;
	(void)business_id;
	(void)used;
	(void)used_len;
	(void)purpose;
	(void)job;
	return STORE_OK;
}

enum store_error store_credential_list(struct store *s, const char *business_id, const char *field,
	bool (*each)(const struct store_credential *c, void *arg), void *arg)
{
	(void)s;
	(void)business_id;
	LOCK;
	for (size_t i = 0; i < credentials_len; i++)
		if ((field[0] == '\0' || strcmp(credentials[i].field, field) == 0) && !each(&credentials[i], arg))
			break;
	UNLOCK;
	return STORE_OK;
}

enum store_error store_credential_worked(
	struct store *s, const char *business_id, const struct store_credential *c, int64_t at, int64_t grace_ms)
{
	enum store_error err = STORE_STALE;

	(void)s;
	(void)business_id;
	if (grace_ms != 0)
		return STORE_INVALID;
	LOCK;
	for (size_t i = 0; i < credentials_len; i++)
		if (is_at(&credentials[i], c) && credentials[i].version == c->version) {
			credentials[i].proven_at = at;
			proven++;
			err = STORE_OK;
		}
	UNLOCK;
	return err;
}

static void make_due(const char *connection_id)
{
	for (size_t i = 0; i < rows_len; i++)
		if (rows[i].m.state == STORE_MESSAGE_RETRY && strcmp(rows[i].m.connection_id, connection_id) == 0)
			rows[i].m.next_at = 0;
}

/* The one before it is as the test left it; its version tells that it came back. */
enum store_error store_credential_take_back(
	struct store *s, const char *business_id, const struct store_credential *c, bool refused)
{
	enum store_error err = STORE_NOT_FOUND;

	(void)s;
	(void)business_id;
	LOCK;
	if (older.blob != NULL && is_at(&older, c) && refused)
		for (size_t i = 0; i < credentials_len; i++)
			if (is_at(&credentials[i], c) && credentials[i].version == c->version) {
				free((void *)(uintptr_t)credentials[i].blob);
				credentials[i] = older;
				older.blob = NULL;
				make_due(c->connection_id);
				err = STORE_OK;
			}
	UNLOCK;
	return err;
}

enum store_error store_retries_due(struct store *s, const char *business_id, const char *connection_id)
{
	(void)s;
	(void)business_id;
	LOCK;
	make_due(connection_id);
	UNLOCK;
	return STORE_OK;
}

static bool may_send(const char *connection)
{
	for (size_t i = 0; i < connections_len; i++)
		if (strcmp(connections[i].id, connection) == 0)
			return connections[i].status == STORE_CONNECTION_ACTIVE ||
				connections[i].status == STORE_CONNECTION_PENDING ||
				connections[i].status == STORE_CONNECTION_WEBHOOK_TAKEN;
	return true;
}

static bool waits(const struct fake_row *r)
{
	return r->m.state == STORE_MESSAGE_QUEUED || r->m.state == STORE_MESSAGE_RETRY;
}

/* Under the lock. due_at 0: nothing waits. */
static void lane_fill(const char *connection, struct store_lane *l)
{
	*l = (struct store_lane){.provider = STORE_META};
	(void)snprintf(l->connection_id, sizeof(l->connection_id), "%s", connection);
	for (size_t i = 0; i < connections_len; i++)
		if (strcmp(connections[i].id, connection) == 0)
			memcpy(l->app_id, connections[i].app_id, sizeof(l->app_id));
	for (size_t i = 0; i < rows_len; i++) {
		if (!waits(&rows[i]) || strcmp(rows[i].m.connection_id, connection) != 0)
			continue;
		memcpy(l->business_id, rows[i].m.business_id, sizeof(l->business_id));
		if (l->due_at == 0 || rows[i].m.next_at < l->due_at)
			l->due_at = rows[i].m.next_at;
	}
}

enum store_error store_outbox_lanes(struct store *s, const char *after, unsigned limit,
	bool (*each)(const struct store_lane *l, void *arg), void *arg)
{
	struct store_lane found[FAKE_CONNECTIONS];
	unsigned len = 0;

	(void)s;
	LOCK;
	for (size_t i = 0; i < rows_len && len < limit && len < FAKE_CONNECTIONS; i++) {
		const char *id = rows[i].m.connection_id;
		bool known = !waits(&rows[i]) || !may_send(id) || strcmp(id, after) <= 0;

		for (unsigned j = 0; j < len; j++)
			known = known || strcmp(found[j].connection_id, id) == 0;
		if (!known)
			lane_fill(id, &found[len++]);
	}
	UNLOCK;
	for (unsigned i = 0; i < len; i++)
		if (!each(&found[i], arg))
			break;
	return STORE_OK;
}

enum store_error store_outbox_lane(struct store *s, const char *connection_id, struct store_lane *out)
{
	bool may;

	(void)s;
	LOCK;
	may = may_send(connection_id);
	lane_fill(connection_id, out);
	UNLOCK;
	return may ? STORE_OK : STORE_NOT_FOUND;
}

static atomic_uchar joined;

void fake_joined(bool are)
{
	atomic_store(&joined, are);
}

/* Every message is its conversation's oldest here. */
enum store_error store_outbox_due(
	struct store *s, const char *connection_id, int64_t now, struct store_due *due, size_t *len, int64_t *next_at)
{
	const size_t room = *len;

	(void)s;
	*len = 0;
	*next_at = INT64_MAX;
	LOCK;
	for (size_t i = 0; i < rows_len && may_send(connection_id); i++) {
		const struct store_message *m = &rows[i].m;

		if (!waits(&rows[i]) || strcmp(m->connection_id, connection_id) != 0)
			continue;
		if (m->next_at > now || *len == room) {
			*next_at = m->next_at < *next_at ? m->next_at : *next_at;
			continue;
		}
		due[*len] = (struct store_due){.seq = (int64_t)i + 1, .attempts = m->attempts, .size = m->content_len};
		memcpy(due[*len].conversation, m->conversation, sizeof(m->conversation));
		due[(*len)++].conversation[0] ^= (uint8_t)(i * 7); /* one customer's limit is not what is tested */
		due[*len - 1].conversation[1] ^= (uint8_t)i;
	}
	UNLOCK;
	return STORE_OK;
}

enum store_error store_outbox_lease(struct store *s, int64_t now, struct store_lease *leases, size_t len,
	bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	(void)s;
	for (size_t i = 0; i < len; i++) {
		struct fake_row *r = &rows[leases[i].seq - 1];
		struct store_message m;
		bool leased;

		LOCK;
		leased = waits(r) && r->m.next_at <= now && may_send(r->m.connection_id);
		leases[i].leased = leased;
		if (leased) {
			r->m.state = STORE_MESSAGE_SENDING;
			r->m.attempts++;
		}
		m = r->m;
		UNLOCK;
		m.conversation[0] ^= (uint8_t)((leases[i].seq - 1) * 7);
		m.conversation[1] ^= (uint8_t)(leases[i].seq - 1);
		m.conversation[2] ^= atomic_load(&joined);
		if (leased && !each(&m, arg))
			break;
	}
	return STORE_OK;
}

enum store_error store_outbox_settle(struct store *s, const struct store_outcome *o)
{
	enum store_error err = STORE_NOT_FOUND;
	struct fake_row *r;

	(void)s;
	LOCK;
	r = find(o->message_id);
	if (busy > 0) {
		busy--;
		err = STORE_BUSY;
	} else if (r != NULL) {
		err = r->m.state == STORE_MESSAGE_SENDING && r->m.attempts == o->attempt ? STORE_OK : STORE_STALE;
	}
	if (err == STORE_OK) {
		r->m.state = o->to;
		r->m.next_at = o->next_at;
		r->m.error_code = o->error_code;
		r->settled_at = store_now_ms();
		r->told = o->told;
		r->spent_at = o->spent_at;
		(void)snprintf(r->given_back_to, sizeof(r->given_back_to), "%s",
			o->given_back_to != NULL ? o->given_back_to : "");
		(void)snprintf(r->m.reason, sizeof(r->m.reason), "%s", o->reason != NULL ? o->reason : "");
		memcpy(r->m.wamid_index, o->wamid_index, sizeof(r->m.wamid_index));
		if (o->wamid != NULL) {
			uint8_t *copy = malloc(o->wamid_len);

			memcpy(copy, o->wamid, o->wamid_len);
			r->m.wamid = copy;
			r->m.wamid_len = o->wamid_len;
		}
	}
	UNLOCK;
	return err;
}

void store_outbox_settle_all(
	struct store *s, const struct store_outcome *outcomes, size_t len, enum store_error *results)
{
	for (size_t i = 0; i < len; i++)
		results[i] = store_outbox_settle(s, &outcomes[i]);
}

enum store_error store_outbox_recover(struct store *s, int64_t again_at, unsigned *recovered)
{
	(void)s;
	(void)again_at;
	*recovered = 0;
	LOCK;
	for (size_t i = 0; i < rows_len; i++)
		if (rows[i].m.state == STORE_MESSAGE_SENDING) {
			rows[i].m.state = STORE_MESSAGE_UNKNOWN;
			++*recovered;
		}
	UNLOCK;
	return STORE_OK;
}

enum store_error store_health_soon(struct store *s, const char *business_id, const char *connection_id, int64_t now)
{
	(void)s;
	(void)business_id;
	(void)connection_id;
	(void)now;
	return STORE_OK;
}

enum store_error store_message_send(
	struct store *s, struct store_message *m, const char *virtual_key_id, const uint8_t *once_key)
{
	bool fails;

	(void)virtual_key_id;
	(void)once_key;
	(void)s;
	LOCK;
	fails = busy > 0;
	busy -= fails ? 1 : 0;
	UNLOCK;
	if (fails)
		return STORE_BUSY;
	fake_message(m);
	return STORE_OK;
}

/* ------------------------------------------------------------ what came in */

void fake_heard(const struct store_heard *h)
{
	heard = *h;
}

void fake_delivery(const struct store_delivery *d)
{
	delivery = *d;
}

void fake_findings(uint64_t findings)
{
	facts.findings = findings;
}

void fake_too_many(bool are)
{
	too_many = are;
}

void fake_connection_change(const struct store_connection *c)
{
	for (size_t i = 0; i < connections_len; i++)
		if (strcmp(connections[i].id, c->id) == 0)
			connections[i] = *c;
}

enum store_error store_conversation_heard(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t enough, struct store_heard *out)
{
	(void)s;
	(void)business_id;
	(void)conversation;
	(void)enough;
	*out = heard;
	return STORE_OK;
}

enum store_error store_conversation_wrote(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t since,
	bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	(void)s;
	(void)business_id;
	for (size_t i = 0; i < rows_len; i++)
		if (rows[i].m.direction == STORE_INBOUND && rows[i].m.created_at > since &&
			memcmp(rows[i].m.conversation, conversation, STORE_INDEX_LEN) == 0 && !each(&rows[i].m, arg))
			break;
	return too_many ? STORE_TOO_MANY : STORE_OK;
}

enum store_error store_delivery_list(
	struct store *s, const char *business_id, bool (*each)(const struct store_delivery *d, void *arg), void *arg)
{
	(void)s;
	(void)business_id;
	if (delivery.connection_id[0] != '\0')
		(void)each(&delivery, arg);
	return STORE_OK;
}

enum store_error store_connection_facts_get(
	struct store *s, const char *business_id, const char *connection_id, struct store_connection_facts *out)
{
	(void)s;
	(void)business_id;
	(void)connection_id;
	*out = facts;
	return STORE_OK;
}
