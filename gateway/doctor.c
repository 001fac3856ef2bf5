/*
 * Findings, gathered. The more exact is written first: of the same finding about the same
 * connection what comes later is left out.
 */
#include "gateway/doctor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)
#define EXPIRES_SOON_MS (5 * DAY_MS) /* it should have been renewed by then */
#define CLOCK_MAX_S 60
#define CLOCK_OLD_MS (INT64_C(12) * 3600 * 1000) /* what was told longer ago may be mended */
#define QUIET_MS (INT64_C(10) * 60 * 1000) /* before it is said that nothing was heard */
#define OURSELVES_TIMEOUT_MS 10000u
#define LOOK_MAX_MS (INT64_C(2) * 60 * 1000) /* no connection is asked about after that */

struct patient {
	const struct doctor *d;
	struct store *store;
	struct store_business business;
	struct store_connection connections[TENANT_CONNECTIONS_MAX];
	int64_t heard[TENANT_CONNECTIONS_MAX]; /* when a webhook of each came last; 0: never */
	unsigned events; /* that were gone through for that */
	struct store_connection_facts facts[TENANT_CONNECTIONS_MAX];
	struct doctor_report *out;
	int64_t now;
	bool closed[STORE_KEY_INDEX + 1]; /* by purpose: its newest tenant key does not open */
};

/* ------------------------------------------------------------ findings */

/* c NULL: about the business. */
static struct doctor_finding *add(struct patient *p, enum finding f, const struct store_connection *c)
{
	const char *id = c != NULL ? c->id : "";
	struct doctor_report *r = p->out;
	struct doctor_finding *found;

	for (size_t i = 0; i < r->len; i++)
		if (r->findings[i].finding == f && strcmp(r->findings[i].connection_id, id) == 0)
			return NULL;
	if (r->len == DOCTOR_FINDINGS_MAX)
		return NULL;
	found = &r->findings[r->len++];
	*found = (struct doctor_finding){.finding = f, .provider = STORE_META, .at = p->now};
	if (c == NULL)
		return found;
	found->provider = c->provider;
	(void)snprintf(found->connection_id, sizeof(found->connection_id), "%s", c->id);
	(void)snprintf(found->number, sizeof(found->number), "%s",
		c->display_phone[0] != '\0' ? c->display_phone : c->phone_number_id);
	return found;
}

/* A finding with a detail, which may be NULL, and when that was seen. */
static void add_seen(
	struct patient *p, enum finding f, const struct store_connection *c, int64_t at, const char *detail)
{
	struct doctor_finding *found = add(p, f, c);

	if (found == NULL)
		return;
	found->at = at;
	if (detail != NULL)
		(void)snprintf(found->detail, sizeof(found->detail), "%s", detail);
}

/* c NULL: about anything. */
static bool has(const struct patient *p, enum finding f, const struct store_connection *c)
{
	for (size_t i = 0; i < p->out->len; i++)
		if (p->out->findings[i].finding == f &&
			(c == NULL || strcmp(p->out->findings[i].connection_id, c->id) == 0))
			return true;
	return false;
}

const char *doctor_fields(const struct doctor_finding *f)
{
	return f->finding == FINDING_KEY_DAMAGED ? f->detail : finding_fields(f->finding, f->provider);
}

bool doctor_is_stopped(const struct doctor_report *report, const char *connection_id)
{
	for (size_t i = 0; i < report->len; i++)
		if (strcmp(report->findings[i].connection_id, connection_id) == 0 &&
			finding_words(report->findings[i].finding)->stops)
			return true;
	return false;
}

/* What is to be mended first: without it the rest cannot work, or is not known. */
static unsigned rank(enum finding f)
{
	static const enum finding order[] = {FINDING_NOT_SERVING, FINDING_PAUSED, FINDING_SHOP_DAMAGED,
		FINDING_KEY_DAMAGED, FINDING_URL_UNUSABLE, FINDING_OTHER_APP, FINDING_APP_SECRET_WRONG,
		FINDING_KEY_REFUSED, FINDING_TOKEN_EXPIRED, FINDING_PERMISSION_MISSING, FINDING_IDS_MIXED,
		FINDING_ACCOUNT_SHARED, FINDING_NUMBER_NOT_REGISTERED, FINDING_UNPAID, FINDING_QUALITY_BLOCKED,
		FINDING_NUMBER_BLOCKED, FINDING_OVERRIDE_ELSEWHERE, FINDING_WEBHOOK_TAKEN, FINDING_WEBHOOK_UNSET,
		FINDING_APP_NOT_SUBSCRIBED, FINDING_FIELD_OFF};
	unsigned n = 0;

	while (n < sizeof(order) / sizeof(order[0]) && order[n] != f)
		n++;
	return n < sizeof(order) / sizeof(order[0]) ? n : n + (unsigned)f;
}

static int stops_first(const void *a, const void *b)
{
	const struct doctor_finding *x = a, *y = b;
	const bool first = finding_words(x->finding)->stops, second = finding_words(y->finding)->stops;

	if (first != second)
		return first ? -1 : 1;
	if (x->finding != y->finding)
		return rank(x->finding) < rank(y->finding) ? -1 : 1;
	return strcmp(x->connection_id, y->connection_id);
}

/* ------------------------------------------------------------ of one connection */

/* What its state says, where nothing says more. */
static void from_state(struct patient *p, const struct store_connection *c)
{
	static const enum finding blocked[] = {FINDING_UNPAID, FINDING_NUMBER_NOT_REGISTERED, FINDING_QUALITY_BLOCKED};
	bool known = false;

	switch (c->status) {
	case STORE_CONNECTION_KEY_REFUSED:
		if (!has(p, FINDING_TOKEN_EXPIRED, c) && !has(p, FINDING_APP_SECRET_WRONG, c))
			add_seen(p, FINDING_KEY_REFUSED, c, c->updated_at, NULL);
		break;
	case STORE_CONNECTION_BLOCKED:
		for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++)
			known = known || has(p, blocked[i], c);
		if (!known)
			add_seen(p, FINDING_NUMBER_BLOCKED, c, c->updated_at, NULL);
		break;
	case STORE_CONNECTION_WEBHOOK_TAKEN:
		if (!has(p, FINDING_OVERRIDE_ELSEWHERE, c) && !has(p, FINDING_ACCOUNT_SHARED, c))
			add_seen(p, FINDING_WEBHOOK_TAKEN, c, c->updated_at, NULL);
		break;
	case STORE_CONNECTION_SUSPENDED:
		add_seen(p, FINDING_PAUSED, c, c->updated_at, NULL);
		break;
	case STORE_CONNECTION_PENDING:
	case STORE_CONNECTION_ACTIVE:
		break;
	}
}

static void add_expiry(struct patient *p, const struct store_connection *c, const struct store_connection_facts *f)
{
	const time_t at = (time_t)(f->token_expires_at / 1000);
	char when[32] = "", detail[64];
	struct tm tm;

	if (gmtime_r(&at, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	(void)snprintf(detail, sizeof(detail), "It ends on %s UTC.", when);
	add_seen(p, FINDING_TOKEN_EXPIRES, c, f->looked_at, detail);
}

/* Of the provider's own words about number and token (facts/meta.md 5, 6). */
static void from_facts(struct patient *p, const struct store_connection *c, const struct store_connection_facts *f)
{
	const enum finding status = finding_of_number_status(f->number_status);

	if (status != FINDING_NONE)
		add_seen(p, status, c, f->looked_at, NULL);
	if (strcmp(f->quality, "RED") == 0 && !has(p, FINDING_QUALITY_BLOCKED, c))
		add_seen(p, FINDING_QUALITY_LOW, c, f->looked_at, NULL);
	if (strcmp(f->can_send, "LIMITED") == 0)
		add_seen(p, FINDING_NUMBER_LIMITED, c, f->looked_at, NULL);
	if (f->token_expires_at > 0 && f->token_expires_at <= p->now)
		add_seen(p, FINDING_TOKEN_EXPIRED, c, f->looked_at, NULL);
	else if (f->token_expires_at > 0 && f->token_expires_at - p->now < EXPIRES_SOON_MS)
		add_expiry(p, c, f);
}

static void from_memory(struct patient *p, size_t n)
{
	const struct store_connection *c = &p->connections[n];
	const struct store_connection_facts *f = &p->facts[n];

	if (c->status != STORE_CONNECTION_SUSPENDED) {
		for (enum finding i = FINDING_KEY_REFUSED; i <= FINDING_LAST; i++)
			if ((f->findings & FINDING_BIT(i)) != 0)
				add_seen(p, i, c, f->looked_at, NULL);
		from_facts(p, c, f);
	}
	from_state(p, c);
}

/* What the provider answers when it is asked says these, too: then it goes before what was told earlier. */
static bool is_asked(enum finding f)
{
	return f == FINDING_NUMBER_BLOCKED || f == FINDING_QUALITY_LOW || f == FINDING_ACCESS_TAKEN ||
		f == FINDING_ACCOUNT_GONE;
}

/* What it told by itself. */
static bool take_notice(const struct store_notice *n, void *arg)
{
	struct patient *p = arg;
	const enum finding f = (enum finding)n->finding;

	for (size_t i = 0; f >= FINDING_KEY_REFUSED && f <= FINDING_LAST && i < p->out->connections; i++) {
		const struct store_connection *c = &p->connections[i];

		if (strcmp(c->id, n->connection_id) == 0 && c->status != STORE_CONNECTION_SUSPENDED &&
			!(is_asked(f) && p->facts[i].looked_at > n->at))
			add_seen(p, f, c, n->at, n->detail[0] != '\0' ? n->detail : NULL);
	}
	return true;
}

/* A newer key that was refused: until another one is entered. */
static bool take_refused(const struct store_credential *k, void *arg)
{
	struct patient *p = arg;

	for (size_t i = 0; k->refused_at > 0 && i < p->out->connections; i++)
		if (strcmp(p->connections[i].id, k->connection_id) == 0)
			add_seen(p, FINDING_NEW_KEY_REFUSED, &p->connections[i], k->refused_at, NULL);
	return true;
}

/* All may be well, and yet nothing comes. */
static void from_silence(struct patient *p, size_t n)
{
	const struct store_connection *c = &p->connections[n];

	if (p->heard[n] == 0 && c->status != STORE_CONNECTION_SUSPENDED && p->now - c->created_at > QUIET_MS &&
		!doctor_is_stopped(p->out, c->id) && !has(p, FINDING_SHOP_DAMAGED, NULL))
		add_seen(p, FINDING_NOTHING_HEARD, c, c->created_at, NULL);
}

/* ------------------------------------------------------------ of sends */

static enum finding finding_of_trouble(const struct store_trouble *t)
{
	const enum finding f = finding_of_code(t->error_code);

	if (f == FINDING_NONE && t->error_code == 0 && finding_is_unpaid(t->reason))
		return FINDING_UNPAID;
	return f != FINDING_NONE ? f : FINDING_MESSAGES_REFUSED;
}

static bool take_trouble(const struct store_trouble *t, void *arg)
{
	struct patient *p = arg;
	const enum finding f = finding_of_trouble(t);
	struct doctor_finding *found;

	/* What stops all messages is over once one went. */
	if (finding_words(f)->stops && t->accepted_at > t->made_at)
		return true;
	for (size_t i = 0; i < p->out->connections; i++) {
		if (strcmp(p->connections[i].id, t->connection_id) != 0)
			continue;
		if (f == FINDING_MESSAGES_REFUSED && doctor_is_stopped(p->out, p->connections[i].id))
			continue; /* by what is said already */
		found = add(p, f, &p->connections[i]);
		if (found == NULL)
			continue;
		found->at = t->last_at;
		found->messages = t->count;
		(void)snprintf(found->detail, sizeof(found->detail), "%s: %.200s",
			t->error_code != 0 ? "WhatsApp says" : "Noted", t->reason);
	}
	return true;
}

/* ------------------------------------------------------------ of refused calls */

/* Anybody may call and be refused: where something good ever came, a look decides, which such a call brings about. */
static bool was_heard(const struct patient *p, enum store_provider provider, bool handshakes)
{
	bool any = false;

	for (size_t i = 0; i < p->out->connections; i++) {
		const struct store_connection *c = &p->connections[i];

		if (c->provider != provider || c->status == STORE_CONNECTION_SUSPENDED)
			continue;
		any = true;
		if (p->heard[i] > 0 || (handshakes && c->handshake_at > 0))
			return true;
	}
	return !any;
}

static void from_refusals(struct patient *p)
{
	struct doctor_refusal r = {0};
	struct doctor_finding *found;

	if (p->d->refusal == NULL || !p->d->refusal(p->d->ctx, p->business.id, &r))
		return;
	if (r.signature_at > 0 && was_heard(p, STORE_META, false) && was_heard(p, STORE_360DIALOG, false))
		r.signature_at = 0;
	found = r.signature_at > 0 && !has(p, FINDING_APP_SECRET_WRONG, NULL) &&
			!has(p, FINDING_WEBHOOK_SECRET_WRONG, NULL)
		? add(p, FINDING_SIGNED_BY_OTHERS, NULL)
		: NULL;
	if (found != NULL) {
		found->at = r.signature_at;
		found->provider = was_heard(p, STORE_META, false) ? STORE_360DIALOG : STORE_META;
	}
	if (r.token_at > 0 && !was_heard(p, STORE_META, true))
		add_seen(p, FINDING_VERIFY_TOKEN_WRONG, NULL, r.token_at, NULL);
	/* Who made that one has the connection's own secret. */
	for (size_t i = 0; i < p->out->connections; i++)
		if (p->connections[i].provider == STORE_360DIALOG && p->heard[i] > r.platform_at)
			r.platform_at = 0;
	found = r.platform_at > 0 ? add(p, FINDING_PLATFORM_SECRET_WRONG, NULL) : NULL;
	if (found != NULL) {
		found->at = r.platform_at;
		found->provider = STORE_360DIALOG;
	}
}

/* ------------------------------------------------------------ of deliveries */

static bool pick_delivery(const struct store_delivery *d, void *arg)
{
	struct store_delivery *wanted = arg;

	if (strcmp(d->connection_id, wanted->connection_id) != 0)
		return true;
	*wanted = *d;
	return false;
}

enum store_error doctor_delivery(
	const struct doctor *d, const char *business_id, const char *connection_id, struct store_delivery *out)
{
	struct store_delivery found = {.accepted_at = 0};
	enum store_error err;

	(void)snprintf(found.business_id, sizeof(found.business_id), "%s", business_id);
	(void)snprintf(found.connection_id, sizeof(found.connection_id), "%s", connection_id);
	err = store_delivery_list(tenants_store(d->connect.tenants), business_id, pick_delivery, &found);
	if (err != STORE_OK)
		return err;
	if (d->delivery != NULL)
		d->delivery(d->ctx, connection_id, &found);
	*out = found;
	return STORE_OK;
}

/* ------------------------------------------------------------ of who answers */

static bool stop_at_first(const struct store_product *product, void *arg)
{
	(void)product;
	*(bool *)arg = true;
	return false;
}

static enum store_error from_responder(struct patient *p)
{
	const struct store_page first = {.limit = 1};
	struct doctor_finding *found;
	bool any = false;
	unsigned failing;
	enum store_error err = store_asks_failing(p->store, p->business.id, &failing);

	if (err == STORE_OK && failing > 0) {
		found = add(p, FINDING_RESPONDER_FAILING, NULL);
		if (found != NULL)
			(void)snprintf(found->detail, sizeof(found->detail),
				failing < 1000 ? "%u wait." : "More than %u wait.", failing < 1000 ? failing : 999);
	}
	if (err == STORE_OK && strcmp(p->business.responder, "catalogue") == 0) {
		err = store_product_list(p->store, p->business.id, &first, stop_at_first, &any);
		if (err == STORE_OK && !any)
			add_seen(p, FINDING_CATALOGUE_EMPTY, NULL, p->now, NULL);
	}
	return err;
}

/* ------------------------------------------------------------ of what is kept */

/* Of each purpose the newest comes last. What is still under an older one is damaged by itself, and nothing new is. */
static bool look_at_key(const struct store_tenant_key *key, void *arg)
{
	struct patient *p = arg;

	if (key->purpose >= STORE_KEY_CREDENTIAL && key->purpose <= STORE_KEY_INDEX)
		p->closed[key->purpose] =
			tenant_is_damaged(tenant_key_check(p->d->connect.tenants, p->business.id, key));
	return true;
}

static void from_keys(struct patient *p)
{
	char detail[96] = "";

	for (enum store_purpose i = STORE_KEY_CREDENTIAL; i <= STORE_KEY_INDEX; i++) {
		const size_t len = strlen(detail);

		if (p->closed[i])
			(void)snprintf(detail + len, sizeof(detail) - len, "%s%s key",
				len > 0 ? ", " : "Damaged: ", store_purpose_name(i));
	}
	if (detail[0] != '\0')
		add_seen(p, FINDING_SHOP_DAMAGED, NULL, p->now, detail);
}

/* All of a connection's that do not open are named in one finding. */
static bool look_at_credential(const struct store_credential *c, void *arg)
{
	struct patient *p = arg;
	struct doctor_finding *found = NULL;

	if (c->slot != STORE_SLOT_CURRENT ||
		!tenant_is_damaged(tenant_credential_check(p->d->connect.tenants, p->business.id, c)))
		return true;
	for (size_t i = 0; i < p->out->len; i++)
		if (p->out->findings[i].finding == FINDING_KEY_DAMAGED &&
			strcmp(p->out->findings[i].connection_id, c->connection_id) == 0)
			found = &p->out->findings[i];
	for (size_t i = 0; found == NULL && i < p->out->connections; i++)
		if (strcmp(p->connections[i].id, c->connection_id) == 0)
			found = add(p, FINDING_KEY_DAMAGED, &p->connections[i]);
	if (found != NULL) {
		const size_t len = strlen(found->detail);

		(void)snprintf(found->detail + len, sizeof(found->detail) - len, "%s%s", len > 0 ? ", " : "", c->field);
	}
	return true;
}

/* Does it open? Asked each time: what was damaged is not known from anything else. And asked first: what cannot be known
 * without these keys is nobody's silence. */
static enum store_error from_seals(struct patient *p)
{
	enum store_error err = store_tenant_key_list(p->store, p->business.id, look_at_key, p);

	from_keys(p);
	/* Nothing can be entered again under a key that does not open. */
	if (err != STORE_OK || p->closed[STORE_KEY_CREDENTIAL])
		return err;
	return store_credential_list(p->store, p->business.id, "", look_at_credential, p);
}

/* ------------------------------------------------------------ of the clock */

static void from_clock(struct patient *p)
{
	struct doctor_finding *found;
	int32_t ahead;
	int64_t at;
	unsigned off;

	if (p->d->connect.outbound == NULL || !outbound_clock(p->d->connect.outbound, &ahead, &at) ||
		p->now - at > CLOCK_OLD_MS)
		return;
	off = (unsigned)abs(ahead);
	if (off <= CLOCK_MAX_S)
		return;
	found = add(p, FINDING_CLOCK_WRONG, NULL);
	if (found == NULL)
		return;
	found->at = at;
	(void)snprintf(found->detail, sizeof(found->detail), "It is about %u %s %s.",
		off < 7200 ? off / 60 : off / 3600,
		off < 120	     ? "minute"
			: off < 7200 ? "minutes"
				     : "hours",
		ahead > 0 ? "behind" : "ahead");
}

/* ------------------------------------------------------------ all of it */

static bool take_connection(const struct store_connection *c, void *arg)
{
	struct patient *p = arg;

	p->connections[p->out->connections++] = *c;
	return p->out->connections < TENANT_CONNECTIONS_MAX;
}

static enum store_error load(
	struct patient *p, const struct doctor *d, const char *business_id, struct doctor_report *out)
{
	const struct store_page all = {.limit = TENANT_CONNECTIONS_MAX, .ascending = true};
	enum store_error err;

	p->d = d;
	p->store = tenants_store(d->connect.tenants);
	p->out = out;
	p->now = store_now_ms();
	err = store_business_get(p->store, business_id, &p->business);
	return err != STORE_OK ? err : store_connection_list(p->store, business_id, &all, take_connection, p);
}

static bool hear(const struct store_event_summary *e, void *arg)
{
	struct patient *p = arg;

	p->events++;
	for (size_t i = 0; i < p->out->connections; i++)
		if (p->heard[i] == 0 && strcmp(e->connection_id, p->connections[i].id) == 0)
			p->heard[i] = e->received_at;
	return true;
}

/* When a webhook of each connection came last; a handshake is none. Where so many of the others came that it is not known,
 * it is taken for long ago. */
static enum store_error hear_all(struct patient *p)
{
	const struct store_page newest = {.limit = STORE_LIST_MAX};
	enum store_error err;

	p->events = 0;
	memset(p->heard, 0, sizeof(p->heard));
	err = store_event_list(p->store, p->business.id, 0, &newest, hear, p);
	for (size_t i = 0; i < p->out->connections; i++)
		if (p->heard[i] == 0 && p->events == STORE_LIST_MAX)
			p->heard[i] = 1;
	return err;
}

static enum store_error recall(struct patient *p)
{
	enum store_error err = hear_all(p);

	for (size_t i = 0; i < p->out->connections && err == STORE_OK; i++) {
		err = store_connection_facts_get(p->store, p->business.id, p->connections[i].id, &p->facts[i]);
		if (err == STORE_NOT_FOUND) /* removed meanwhile */
			err = STORE_OK;
	}
	if (!p->d->connect.serving)
		add_seen(p, FINDING_NOT_SERVING, NULL, p->now, NULL);
	if (p->business.status != STORE_BUSINESS_ACTIVE)
		add_seen(p, FINDING_PAUSED, NULL, p->business.updated_at, NULL);
	if (p->out->connections > 0) {
		from_clock(p);
		if (err == STORE_OK)
			err = from_responder(p);
	}
	if (err == STORE_OK)
		err = store_notice_list(p->store, p->business.id, p->now, take_notice, p);
	for (size_t i = 0; i < p->out->connections; i++)
		from_memory(p, i);
	if (err == STORE_OK)
		err = store_credential_list(p->store, p->business.id, "", take_refused, p);
	if (err == STORE_OK)
		err = store_trouble_list(p->store, p->business.id, p->now - DAY_MS, take_trouble, p);
	from_refusals(p);
	for (size_t i = 0; i < p->out->connections; i++)
		from_silence(p, i);
	qsort(p->out->findings, p->out->len, sizeof(p->out->findings[0]), stops_first);
	return err;
}

enum store_error doctor_recall(const struct doctor *d, const char *business_id, struct doctor_report *out)
{
	struct patient *p = calloc(1, sizeof(*p));
	enum store_error err;

	*out = (struct doctor_report){.len = 0};
	if (p == NULL)
		return STORE_NO_MEMORY;
	err = load(p, d, business_id, out);
	if (err == STORE_OK)
		err = from_seals(p);
	if (err == STORE_OK)
		err = recall(p);
	free(p);
	return err;
}

/* ------------------------------------------------------------ looking */

/* Whether our address leads here. Where a webhook came lately it does, whatever it looks like from inside. */
static void look_at_ourselves(struct patient *p)
{
	const struct outbound_check check = {
		.kind = OUTBOUND_OURSELVES, .business_id = p->business.id, .connection_id = ""};
	struct outbound_result result = {0};

	if (hear_all(p) != STORE_OK)
		return;
	for (size_t i = 0; i < p->out->connections; i++)
		if (p->now - p->heard[i] < DAY_MS)
			return;
	if (!p->d->connect.serving ||
		outbound_check(p->d->connect.outbound, &check, OURSELVES_TIMEOUT_MS, &result) != OUTBOUND_OK)
		return;
	if (result.class != OUTBOUND_ACCEPTED) {
		char detail[sizeof(p->out->findings[0].detail)];

		(void)snprintf(detail, sizeof(detail),
			"Asked from this server itself: %.150s. Where messages do arrive, this is nothing.",
			result.reason);
		add_seen(p, FINDING_URL_UNUSABLE, NULL, p->now, detail);
	}
	outbound_result_clear(&result);
}

/* Not where it is known what keeps it from answering. */
static void say_silent(struct patient *p, const struct store_connection *c, const char *detail)
{
	if (!doctor_is_stopped(p->out, c->id) && !has(p, FINDING_SHOP_DAMAGED, NULL))
		add_seen(p, FINDING_PROVIDER_SILENT, c, p->now, detail);
}

static void look_at_connection(struct patient *p, struct store_connection *c)
{
	struct connect_report report = {0};
	const struct connect_check *silent = NULL;

	if (p->d->begins != NULL)
		p->d->begins(c, p->d->begins_arg);
	if (connect_test(&p->d->connect, p->business.id, c->id, c, &report) != CONNECT_OK) {
		say_silent(p, c, NULL);
		return;
	}
	for (size_t i = 0; i < report.checks_len; i++) {
		const struct connect_check *check = &report.checks[i];

		if (check->finding != FINDING_NONE)
			add_seen(p, check->finding, c, p->now, check->detail);
		else if (check->result == CONNECT_CHECK_WAITING && strcmp(check->name, "webhook") != 0 &&
			silent == NULL)
			silent = check;
	}
	if (silent != NULL)
		say_silent(p, c, silent->detail);
}

/* A look keeps a thread for minutes where a provider hangs, and spends of what it may be asked. */
#define LOOKS_MAX 16u
static pthread_mutex_t looks_lock = PTHREAD_MUTEX_INITIALIZER;
static char looks[LOOKS_MAX][STORE_BUSINESS_ID_LEN + 1]; /* whose are under way; "": free */

/* NULL: this business has one already, or no place is free. */
static char *look_begin(const char *business_id)
{
	char *mine = NULL;

	pthread_mutex_lock(&looks_lock);
	for (size_t i = 0; i < LOOKS_MAX; i++) {
		if (looks[i][0] == '\0')
			mine = looks[i];
	}
	for (size_t i = 0; i < LOOKS_MAX; i++)
		if (strcmp(looks[i], business_id) == 0)
			mine = NULL;
	if (mine != NULL)
		(void)snprintf(mine, sizeof(looks[0]), "%s", business_id);
	pthread_mutex_unlock(&looks_lock);
	return mine;
}

static void look_end(char *mine)
{
	pthread_mutex_lock(&looks_lock);
	mine[0] = '\0';
	pthread_mutex_unlock(&looks_lock);
}

static void look(struct patient *p)
{
	const int64_t until = p->now + LOOK_MAX_MS;

	for (size_t i = 0; i < p->out->connections; i++) {
		if (store_now_ms() < until)
			look_at_connection(p, &p->connections[i]);
		else
			add_seen(p, FINDING_PROVIDER_SILENT, &p->connections[i], p->now,
				"not asked: the others took too long");
	}
	if (p->out->connections > 0)
		look_at_ourselves(p);
}

enum store_error doctor_look(const struct doctor *d, const char *business_id, struct doctor_report *out)
{
	struct patient *p = calloc(1, sizeof(*p));
	char *mine = look_begin(business_id);
	enum store_error err = p == NULL ? STORE_NO_MEMORY : STORE_BUSY;

	*out = (struct doctor_report){.len = 0};
	if (p != NULL && mine != NULL) {
		err = load(p, d, business_id, out);
		if (err == STORE_OK)
			err = from_seals(p);
		if (err == STORE_OK && d->connect.outbound != NULL && p->business.status == STORE_BUSINESS_ACTIVE)
			look(p);
		p->now = store_now_ms();
		if (err == STORE_OK)
			err = recall(p);
	}
	if (mine != NULL)
		look_end(mine);
	free(p);
	return err;
}
