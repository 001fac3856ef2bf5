/*
 * One round after the other: what is untold is told, what is due is looked at. A
 * provider that does not answer changes nothing; it is asked again sooner than one
 * that did.
 */
#include "gateway/health.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/reply/reply.h"

#define ROUND_MS 1000u
#define DUE_MAX 8u /* in one round: then what is untold goes first again */
#define TOLD_MAX 16u
#define SILENT_AGAIN_MS (INT64_C(10) * 60 * 1000)
#define RENEW_BEFORE_MS (INT64_C(7) * 86400000) /* a token's end */
#define TELL_AGAIN_MS 60000

struct health {
	struct connect connect;
	struct store *store;
	unsigned interval_s;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_bool stopping;
	unsigned telling; /* how many events are out */
};

/* Soon enough for what should have worked, and no sooner than it is looked at anyway. */
static int64_t soon(const struct health *h, int64_t ms)
{
	const int64_t interval = (int64_t)h->interval_s * 1000;

	return interval < ms ? interval : ms;
}

static bool stopping(struct health *h)
{
	return atomic_load(&h->stopping);
}

static void wait_for_round(struct health *h)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ROUND_MS / 1000;
	pthread_mutex_lock(&h->lock);
	while (!stopping(h))
		if (pthread_cond_clockwait(&h->changed, &h->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&h->lock);
}

/* ------------------------------------------------------------ telling */

/* An event that is out. */
struct event {
	struct health *h;
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char connection_id[STORE_ID_LEN + 1];
	enum store_connection_status status;
};

static void event_ended(void *arg, const struct reply_answer *a)
{
	struct event *e = arg;
	struct health *h = e->h;
	const int64_t again = soon(h, TELL_AGAIN_MS), after = a->after_ms > again ? a->after_ms : again;
	enum store_error err;

	if (a->outcome == REPLY_ANSWERED) {
		err = store_health_told(h->store, e->business_id, e->connection_id, e->status);
	} else {
		err = store_health_tell_at(h->store, e->business_id, e->connection_id, store_now_ms() + after);
		log_warn("the platform was not told of a connection's state, it is tried again business=%s "
			 "connection=%s: %s",
			e->business_id, e->connection_id, a->why);
	}
	if (err != STORE_OK && err != STORE_NOT_FOUND)
		log_warn("a connection's state may be told twice business=%s connection=%s: %s", e->business_id,
			e->connection_id, store_error_text(err));
	pthread_mutex_lock(&h->lock);
	h->telling--;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	free(e);
}

static void time_text(int64_t ms, char out[static 32])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&seconds, &tm) != NULL)
		(void)strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Whether the change is this: a new key was refused, and the one before it took its place again. */
static bool is_key_back(const struct store_credential *k, void *arg)
{
	const struct store_untold **u = arg;

	if (*u == NULL || k->refused_at == 0 || k->refused_at != (*u)->state_at ||
		strcmp(k->connection_id, (*u)->connection.id) != 0)
		return true;
	*u = NULL; /* found */
	return false;
}

/* What the state alone does not say; NULL: nothing. */
static const char *note_of(struct health *h, const struct store_untold *u)
{
	const struct store_untold *sought = u;

	if (u->told != STORE_CONNECTION_KEY_REFUSED ||
		store_credential_list(h->store, u->connection.business_id, "", is_key_back, (void *)&sought) !=
			STORE_OK)
		return NULL;
	return sought == NULL ? finding_words(FINDING_NEW_KEY_REFUSED)->title : NULL;
}

/* The event as JSON; no secret and no customer is in it. note may be NULL. NULL: memory is short. */
static char *event_text(const struct store_untold *u, const char *id, const char *note)
{
	const struct store_connection *c = &u->connection;
	const struct connect_state *state = connect_state_of(c->status);
	char at[32];
	const struct {
		const char *name, *value;
	} texts[] = {{"object", "keyhouse"}, {"event", "connection.state"}, {"id", id}, {"at", at},
		{"business_id", c->business_id}, {"connection_id", c->id},
		{"provider", c->provider == STORE_META ? "meta" : "360dialog"}, {"phone_number_id", c->phone_number_id},
		{"display_phone", c->display_phone}, {"state", state->name},
		{"previous", connect_state_of(u->told)->name}, {"title", state->title}, {"meaning", state->meaning},
		{"remedy", state->remedy}, {"note", note}};
	cJSON *event = cJSON_CreateObject();
	bool ok = event != NULL;
	char *text;

	time_text(u->state_at, at);
	for (size_t i = 0; ok && i < sizeof(texts) / sizeof(texts[0]); i++)
		ok = texts[i].value == NULL || cJSON_AddStringToObject(event, texts[i].name, texts[i].value) != NULL;
	text = ok ? json_text(event) : NULL;
	cJSON_Delete(event);
	return text;
}

/* The same for the same change, however often it is told. */
static void event_id(const struct store_untold *u, char out[static STORE_ID_LEN + 1])
{
	char text[128];
	uint8_t hash[VAULT_HASH_LEN];

	(void)snprintf(
		text, sizeof(text), "%s %d %lld", u->connection.id, (int)u->connection.status, (long long)u->state_at);
	vault_hash(text, strlen(text), hash);
	vault_hex(hash, STORE_ID_LEN / 2, out);
}

static bool has_platform(struct health *h, const char *business_id)
{
	struct store_business b;

	return store_business_get(h->store, business_id, &b) == STORE_OK && strcmp(b.responder, "platform") == 0;
}

static struct event *event_new(struct health *h, const struct store_connection *c)
{
	struct event *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->h = h;
	(void)snprintf(e->business_id, sizeof(e->business_id), "%s", c->business_id);
	(void)snprintf(e->connection_id, sizeof(e->connection_id), "%s", c->id);
	e->status = c->status;
	return e;
}

/* What is told is signed, and no lease has noted that. */
static bool use_noted(struct health *h, const char *business_id, const char *id)
{
	const struct store_audit row = {.business_id = business_id,
		.action = "key_used",
		.subject = "responder/signing_secret",
		.purpose = "tell",
		.job = id};

	return store_audit(h->store, &row) == STORE_OK;
}

static void tell(struct health *h, const struct store_untold *u)
{
	const struct reply_context context = {
		.store = h->store, .tenants = h->connect.tenants, .outbound = h->connect.outbound};
	char id[STORE_ID_LEN + 1];
	struct event *e = event_new(h, &u->connection);
	char *body;

	event_id(u, id);
	body = event_text(u, id, note_of(h, u));
	/* Short of memory, or of room on the disk: the next round finds it again. */
	if (e != NULL && body != NULL && use_noted(h, e->business_id, id)) {
		pthread_mutex_lock(&h->lock);
		h->telling++;
		pthread_mutex_unlock(&h->lock);
		reply_tell(&context, e->business_id, id, body, event_ended, e);
		e = NULL; /* transferred */
	}
	free(e);
	json_text_free(body);
}

static bool untold(const struct store_untold *u, void *arg)
{
	struct health *h = arg;
	const struct store_connection *c = &u->connection;

	/* Not again while it is out. */
	if (store_health_tell_at(h->store, c->business_id, c->id, store_now_ms() + TELL_AGAIN_MS) != STORE_OK)
		return false;
	log_info("connection is %s, it was %s business=%s connection=%s", connect_state_of(c->status)->name,
		connect_state_of(u->told)->name, c->business_id, c->id);
	if (has_platform(h, c->business_id))
		tell(h, u);
	else if (store_health_told(h->store, c->business_id, c->id, c->status) != STORE_OK)
		return false;
	return !stopping(h);
}

/* ------------------------------------------------------------ looking */

static int64_t by_chance(int64_t ms)
{
	uint32_t random;

	vault_random(&random, sizeof(random));
	return ms * 3 / 4 + ms / 2 * random / UINT32_MAX;
}

static void renew(struct health *h, const struct store_connection *c)
{
	struct store_connection_facts facts;
	struct store_connection after;
	struct connect_report report = {0};

	if (c->provider != STORE_META || c->status == STORE_CONNECTION_KEY_REFUSED ||
		store_connection_facts_get(h->store, c->business_id, c->id, &facts) != STORE_OK ||
		facts.token_expires_at <= 0 || facts.token_expires_at - store_now_ms() > RENEW_BEFORE_MS)
		return;
	switch (connect_token_renew(&h->connect, c->business_id, c->id, &after, &report)) {
	case CONNECT_OK:
		log_info("access token renewed business=%s connection=%s", c->business_id, c->id);
		outbound_changed(h->connect.outbound, c->business_id);
		break;
	case CONNECT_NOT_FOUND:
	case CONNECT_INVALID:
	case CONNECT_NUMBER_TAKEN:
	case CONNECT_WEBHOOK_TAKEN:
	case CONNECT_CHOICE:
	case CONNECT_CREDENTIAL_REFUSED:
	case CONNECT_STALE:
	case CONNECT_UNAVAILABLE:
		log_warn("an access token expires soon and was not renewed business=%s connection=%s: %s",
			c->business_id, c->id, report.detail);
		break;
	}
}

static bool look(const char *business_id, const char *connection_id, void *arg)
{
	struct health *h = arg;
	const int64_t interval = (int64_t)h->interval_s * 1000;
	struct store_connection c;
	struct connect_report report = {0};
	int64_t next = soon(h, SILENT_AGAIN_MS);

	if (connect_test(&h->connect, business_id, connection_id, &c, &report) == CONNECT_OK) {
		if (connect_was_answered(&report))
			next = interval;
		renew(h, &c);
	}
	if (store_health_next(h->store, business_id, connection_id, store_now_ms() + by_chance(next)) == STORE_FAILED)
		return false;
	return !stopping(h);
}

/* ------------------------------------------------------------ the thread */

static void *run(void *arg)
{
	struct health *h = arg;
	int64_t now = INT64_MAX; /* at the start nothing is out, whatever an earlier run put off */

	while (!stopping(h)) {
		enum store_error err = store_health_untold(h->store, now, TOLD_MAX, untold, h);

		if (err == STORE_OK && !stopping(h))
			err = store_health_due(h->store, store_now_ms(), DUE_MAX, look, h);
		if (err != STORE_OK)
			log_warn("the health of connections could not be looked at: %s", store_error_text(err));
		wait_for_round(h);
		now = store_now_ms();
	}
	return NULL;
}

struct health *health_start(const struct health_options *opt)
{
	struct health *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->connect = opt->connect;
	h->connect.stop = &h->stopping;
	h->store = tenants_store(opt->connect.tenants);
	h->interval_s = opt->interval_s;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	if (pthread_create(&h->thread, NULL, run, h) == 0)
		return h;
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return NULL;
}

void health_stop(struct health *h)
{
	if (h == NULL)
		return;
	pthread_mutex_lock(&h->lock);
	atomic_store(&h->stopping, true);
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	(void)pthread_join(h->thread, NULL);
	/* Events that are out end with the sender's answer, or by outbound_asks_end. */
	pthread_mutex_lock(&h->lock);
	while (h->telling > 0)
		(void)pthread_cond_wait(&h->changed, &h->lock);
	pthread_mutex_unlock(&h->lock);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
