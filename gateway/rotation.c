/*
 * One thread, one small step after the other. Webhooks and sends go first: while anybody else
 * writes, the steps are smaller and the pauses long. What a step reads may be changed before it writes: the store takes only
 * what is still as it was read. Nothing is kept here that a restart would have to know.
 * Removals that were cut short are carried on here, too.
 */
#include "gateway/rotation.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/log.h"
#include "gateway/removal.h"
#include "gateway/reseal.h"
#include "gateway/rewrap.h"

#define STEP_VALUES 100u
#define STEP_KEYS REWRAP_PAGE_MAX
#define BESIDE_VALUES 20u /* while others write */
#define BESIDE_KEYS 40u
#define BESIDE_US 100000 /* so long after they last did */
#define BESIDE_PAUSES 9 /* as long as the step, each */
#define ROTATIONS_MAX 1000 /* at once: each waits out its grace beside the others */
#define IDLE_MS 1000
#define REST_MIN_US 500
#define REST_MAX_US 200000 /* however much others write: it comes to its end */
#define LOOK_EVERY_US (INT64_C(3600) * 1000000)
#define NOTE_ALL "rotate keys made before" /* milliseconds; "" when all is done */

struct rotation {
	struct rotation_options opt;
	struct store *store;
	struct vault_client *vault;
	struct rewrap rewrap; /* how far the tenant keys were looked through for the current master key */
	bool look; /* they are to be looked through */
	int64_t others_at; /* when others were last seen to have written */
	int64_t damaged, keys_damaged;
	pthread_mutex_t lock; /* guards the two before and the three after it */
	pthread_cond_t changed;
	bool stopping, woken;
	bool running; /* there is a thread */
	pthread_t thread;
	pthread_mutex_t asking; /* one at a time has the key file read */
};

/* What came of one step. */
enum work { WORK_NONE, WORK_DONE, WORK_FAILED };

static bool stopping(struct rotation *r)
{
	bool is;

	pthread_mutex_lock(&r->lock);
	is = r->stopping;
	pthread_mutex_unlock(&r->lock);
	return is;
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Until somebody asks for something, or that long. */
static void rest(struct rotation *r, int64_t us, bool for_work)
{
	const int64_t until_us = now_us() + us;
	const struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};

	pthread_mutex_lock(&r->lock);
	while (!r->stopping && !(for_work && r->woken))
		if (pthread_cond_clockwait(&r->changed, &r->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
			break;
	if (r->woken)
		r->look = true;
	r->woken = false;
	pthread_mutex_unlock(&r->lock);
}

static bool beside_others(const struct rotation *r)
{
	return r->running && now_us() - r->others_at < BESIDE_US;
}

/* After a step that took so long. What is written during the pause, others have written. */
static void pause_after(struct rotation *r, int64_t took_us)
{
	const unsigned long before = store_commits(r->store);
	int64_t us = beside_others(r) ? took_us * BESIDE_PAUSES : 0;

	us = us < REST_MIN_US ? REST_MIN_US : us > REST_MAX_US ? REST_MAX_US : us;
	rest(r, us, false);
	if (store_commits(r->store) != before)
		r->others_at = now_us();
}

static void count(struct rotation *r, int64_t *which, int64_t more)
{
	pthread_mutex_lock(&r->lock);
	*which += more;
	pthread_mutex_unlock(&r->lock);
}

/* One page of the tenant keys that another master key wraps. r->look goes out with the last. */
static enum work keys_step(struct rotation *r)
{
	enum store_error err;

	if (!r->look)
		return WORK_NONE;
	err = rewrap_page(&r->rewrap, r->opt.tenants, beside_others(r) ? BESIDE_KEYS : STEP_KEYS);
	count(r, &r->keys_damaged, r->rewrap.damaged - r->keys_damaged);
	if (err == STORE_NOT_FOUND)
		r->look = false;
	return err == STORE_OK ? WORK_DONE : err == STORE_NOT_FOUND ? WORK_NONE : WORK_FAILED;
}

/* ------------------------------------------------------------ under a new tenant key */

/* A page of a tenant's values on their way. */
struct page {
	struct rotation *rotation;
	struct reseal *reseal;
	enum store_sealed_place place;
	struct store_resealed list[STEP_VALUES];
	size_t seen, len;
	int64_t last;
	bool again; /* it is not the first look: what is damaged was counted */
	bool failed;
};

static void page_clear(struct page *p)
{
	for (size_t i = 0; i < p->len; i++) {
		free((void *)(uintptr_t)p->list[i].was);
		free((void *)(uintptr_t)p->list[i].is);
	}
	p->len = p->seen = 0;
}

/* The row as it was read, to be compared with. */
static bool page_keep(struct page *p, const struct store_sealed *v, uint8_t *blob, const char *fingerprint)
{
	struct store_resealed *to = &p->list[p->len];
	uint8_t *was = malloc(v->blob_len);

	if (was == NULL) {
		free(blob);
		return false;
	}
	memcpy(was, v->blob, v->blob_len);
	*to = (struct store_resealed){
		.seq = v->seq, .was = was, .was_len = v->blob_len, .is = blob, .is_len = v->blob_len};
	memcpy(to->fingerprint, fingerprint, VAULT_FINGERPRINT_LEN + 1);
	p->len++;
	return true;
}

static bool page_one(const struct store_sealed *v, void *arg)
{
	struct page *p = arg;
	char fingerprint[VAULT_FINGERPRINT_LEN + 1] = "";
	uint8_t *blob = NULL;

	switch (reseal_value(p->reseal, v, &blob, fingerprint)) {
	case RESEAL_DONE:
		p->failed = !page_keep(p, v, blob, fingerprint);
		break;
	case RESEAL_CURRENT:
		break;
	case RESEAL_DAMAGED:
		if (!p->again)
			count(p->rotation, &p->rotation->damaged, 1);
		break;
	case RESEAL_LATER:
		p->failed = true;
		break;
	}
	if (p->failed)
		return false;
	p->last = v->seq;
	p->seen++;
	return true;
}

/* Goes on from *place and *cursor until a page has something that is to be sealed anew, or all was looked at: then *place
 * lies behind the last. */
static bool page_next(
	struct page *p, const struct store_rotation *of, enum store_sealed_place *place, int64_t *cursor, int64_t *seen)
{
	const enum store_sealed_place last = STORE_PLACE_LAST(of->purpose);

	*seen = 0;
	while (*place <= last && p->len == 0) {
		page_clear(p);
		p->place = *place;
		p->last = *cursor;
		if (store_sealed_list(p->rotation->store, of->business_id, *place, *cursor,
			    beside_others(p->rotation) ? BESIDE_VALUES : STEP_VALUES, page_one, p) != STORE_OK ||
			p->failed || stopping(p->rotation))
			return false;
		*seen += (int64_t)p->seen;
		*cursor = p->last;
		if (p->seen == 0) {
			*place = (enum store_sealed_place)((int)*place + 1);
			*cursor = 0;
		} else if (p->len == 0 && p->rotation->running) {
			pause_after(p->rotation, 0);
		}
	}
	return true;
}

/* Not found: the business is gone, and the rotation with it. */
static enum work written(enum store_error err)
{
	return err == STORE_OK || err == STORE_NOT_FOUND ? WORK_DONE : WORK_FAILED;
}

struct doubt {
	struct rotation *rotation;
	const struct store_rotation *of;
	enum tenant_error err;
};

static bool doubt_one(const struct store_tenant_key *key, void *arg)
{
	struct doubt *d = arg;

	if (key->purpose == d->of->purpose || (key->purpose == STORE_KEY_INDEX && d->of->purpose == STORE_KEY_CONTENT))
		d->err = tenant_key_check(d->rotation->opt.tenants, d->of->business_id, key);
	return d->err == TENANT_OK;
}

/* WORK_NONE where all keys that it is about open. One that does not may be a matter of the key file, and open again with
 * the right one: then the rotation ends and nothing is destroyed. It must not hold up those of others either. */
static enum work given_up(struct rotation *r, const struct store_rotation *of)
{
	struct doubt d = {r, of, TENANT_OK};

	if (store_tenant_key_list(r->store, of->business_id, doubt_one, &d) != STORE_OK)
		return WORK_FAILED;
	if (d.err != TENANT_BAD_DATA)
		return d.err == TENANT_OK ? WORK_NONE : WORK_FAILED;
	count(r, &r->damaged, 1);
	log_error("a tenant key does not open: its older versions are kept, nothing is destroyed business=%s "
		  "purpose=%s",
		of->business_id, store_purpose_name(of->purpose));
	return written(store_rotation_drop(r->store, of));
}

/* One more page, durably. */
static enum work scan_step(struct rotation *r, struct page *p, struct store_rotation *of)
{
	enum work work;
	int64_t seen;

	if (!page_next(p, of, &of->place, &of->cursor, &seen))
		return WORK_FAILED;
	of->done += seen;
	if (of->place > STORE_PLACE_LAST(of->purpose)) {
		work = given_up(r, of);
		if (work != WORK_NONE)
			return work;
		of->place = STORE_PLACE_LAST(of->purpose);
		of->scanned_at = store_now_ms();
	}
	return written(store_rotation_step(r->store, of, p->place, p->list, p->len));
}

/* All is looked through once more, for what was on its way. */
static enum work last_look(struct rotation *r, struct page *p, struct store_rotation *of)
{
	enum store_sealed_place place = STORE_PLACE_FIRST(of->purpose);
	int64_t cursor = 0, seen;
	enum store_error err;
	enum work work;

	p->again = true;
	if (!page_next(p, of, &place, &cursor, &seen))
		return WORK_FAILED;
	if (p->len > 0) {
		of->place = STORE_PLACE_FIRST(of->purpose);
		of->cursor = of->scanned_at = 0;
		of->done = of->total;
		return written(store_rotation_step(r->store, of, p->place, p->list, p->len));
	}
	work = given_up(r, of);
	if (work != WORK_NONE)
		return work;
	err = store_rotation_end(r->store, of);
	if (err == STORE_OK)
		log_info("a tenant key was replaced, its older versions are destroyed business=%s purpose=%s "
			 "version=%" PRIu32,
			of->business_id, store_purpose_name(of->purpose), of->version);
	if (err != STORE_OK && err != STORE_NOT_FOUND)
		return WORK_FAILED;
	err = store_flush(r->store);
	if (err == STORE_BUSY)
		log_warn(
			"the destroyed key stays in the write-ahead log until whoever reads an older state (a backup?) "
			"has ended business=%s",
			of->business_id);
	return err == STORE_OK || err == STORE_BUSY ? WORK_DONE : WORK_FAILED;
}

static enum work rotation_step(struct rotation *r, struct store_rotation *of)
{
	struct page *p = calloc(1, sizeof(*p));
	enum work work = WORK_FAILED;

	if (p == NULL)
		return WORK_FAILED;
	p->rotation = r;
	p->reseal = reseal_open(r->opt.tenants, of->business_id, of->purpose, of->version);
	if (p->reseal != NULL)
		work = of->scanned_at == 0 ? scan_step(r, p, of) : last_look(r, p, of);
	else if (given_up(r, of) == WORK_DONE)
		work = WORK_DONE;
	page_clear(p);
	reseal_close(p->reseal);
	free(p);
	return work;
}

/* ------------------------------------------------------------ beginning */

static enum rotation_error from_store(enum store_error err)
{
	if (err == STORE_OK)
		return ROTATION_OK;
	if (err == STORE_EXISTS || err == STORE_STALE)
		return ROTATION_UNDER_WAY;
	return err == STORE_NOT_FOUND ? ROTATION_NOT_FOUND : ROTATION_UNAVAILABLE;
}

static enum rotation_error begin(struct rotation *r, const char *business_id, enum store_purpose purpose)
{
	struct store_tenant_key newest, key;
	struct vault_wrapped_key wrapped;
	int64_t total;
	enum rotation_error err = from_store(store_tenant_key_get(r->store, business_id, purpose, 0, &newest));

	if (err != ROTATION_OK)
		return err;
	if (store_sealed_count(r->store, business_id, purpose, &total) != STORE_OK ||
		vault_tenant_key_new(r->vault, store_deployment_id(r->store), business_id, (enum vault_purpose)purpose,
			newest.version + 1, &wrapped) != VAULT_OK)
		return ROTATION_UNAVAILABLE;
	key = tenant_key_row(purpose, &wrapped);
	err = from_store(store_rotation_begin(r->store, business_id, &key, total));
	/* What is sealed from now on is sealed under the new one. */
	if (err == ROTATION_OK)
		tenants_forget(r->opt.tenants, business_id);
	return err;
}

/* When all tenant keys of that time are to be replaced; 0: they are not. */
static int64_t all_before(struct rotation *r)
{
	char text[STORE_TEXT_LEN + 1];

	return store_note_get(r->store, NOTE_ALL, text) == STORE_OK ? strtoll(text, NULL, 10) : 0;
}

/* Begins with the next of all, when all are to be replaced. */
static enum work begin_next(struct rotation *r)
{
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	const int64_t before = all_before(r);
	enum store_purpose purpose;
	enum rotation_error began;
	enum store_error err;
	int64_t count;

	if (before <= 0)
		return WORK_NONE;
	if (store_rotation_list(r->store, 0, &count, NULL, NULL) != STORE_OK)
		return WORK_FAILED;
	if (count >= ROTATIONS_MAX)
		return WORK_NONE;
	err = store_rotation_due(r->store, before, business_id, &purpose, &count);
	if (err == STORE_NOT_FOUND)
		return store_note_put(r->store, NOTE_ALL, "") == STORE_OK ? WORK_NONE : WORK_FAILED;
	if (err != STORE_OK)
		return WORK_FAILED;
	began = begin(r, business_id, purpose);
	return began == ROTATION_UNAVAILABLE ? WORK_FAILED : WORK_DONE;
}

/* ------------------------------------------------------------ working */

/* Of a business whose removal was cut short. */
static enum work removal(struct rotation *r)
{
	const enum store_error err = removal_step(r->opt.tenants);

	if (err == STORE_OK || err == STORE_NOT_FOUND)
		return err == STORE_OK ? WORK_DONE : WORK_NONE;
	log_warn("what is left of a removed business is not removed yet, it is tried again: %s", store_error_text(err));
	return WORK_FAILED;
}

static enum work step(struct rotation *r)
{
	/* Without a grace also what was scanned in this millisecond. */
	const int64_t before = r->opt.grace_s > 0 ? store_now_ms() - (int64_t)r->opt.grace_s * 1000 : INT64_MAX;
	struct store_rotation of;
	enum work work = removal(r);
	enum store_error err;

	if (work == WORK_NONE)
		work = keys_step(r);
	if (work != WORK_NONE)
		return work;
	err = store_rotation_next(r->store, before, &of);
	if (err == STORE_OK)
		return rotation_step(r, &of);
	return err == STORE_NOT_FOUND ? begin_next(r) : WORK_FAILED;
}

static void *run(void *arg)
{
	struct rotation *r = arg;
	int64_t looked = now_us();

	while (!stopping(r)) {
		const int64_t began = now_us();
		const enum work work = step(r);
		const int64_t took = now_us() - began;

		if (work == WORK_FAILED && !stopping(r))
			log_warn("replacing keys stands still for a moment: vault or store do not answer");
		if (work == WORK_DONE)
			pause_after(r, took);
		else
			rest(r, IDLE_MS * 1000, true);
		/* A tenant key that was made while the master key changed may have come in behind the look. */
		if (now_us() - looked > LOOK_EVERY_US) {
			r->look = true;
			looked = now_us();
		}
	}
	return NULL;
}

/* Has the thread begin, or does it all. */
static enum rotation_error go(struct rotation *r)
{
	enum work work = WORK_DONE;

	if (!r->running) {
		r->look = true;
		while (work == WORK_DONE)
			work = step(r);
		return work == WORK_NONE ? ROTATION_OK : ROTATION_UNAVAILABLE;
	}
	pthread_mutex_lock(&r->lock);
	r->woken = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return ROTATION_OK;
}

/* ------------------------------------------------------------ life */

struct rotation *rotation_new(const struct rotation_options *opt)
{
	struct rotation *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->opt = *opt;
	r->store = tenants_store(opt->tenants);
	r->vault = tenants_vault(opt->tenants);
	r->look = true;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->asking, NULL);
	pthread_cond_init(&r->changed, NULL);
	return r;
}

bool rotation_start(struct rotation *r)
{
	r->running = true; /* which the thread reads */
	if (pthread_create(&r->thread, NULL, run, r) != 0)
		r->running = false;
	return r->running;
}

void rotation_free(struct rotation *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (r->running)
		(void)pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->asking);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ------------------------------------------------------------ what is asked */

/* Who wanted the key file read, and what came of it. */
static bool master_audit(struct rotation *r, const char *before)
{
	struct rotation_status now;
	struct store_audit row = {.action = "key_file_read"};

	if (rotation_status(r, &now) != ROTATION_OK)
		return false;
	if (strcmp(before, now.master_key_id) != 0 || now.keys_under_others > 0)
		row.action = "master_key_replaced";
	row.subject = now.master_key_id;
	return store_audit(r->store, &row) == STORE_OK;
}

static enum rotation_error master_taken(struct rotation *r, char *why, size_t why_len)
{
	char before[VAULT_KEY_ID_LEN + 1];

	if (vault_status(r->vault, before) != VAULT_OK)
		return ROTATION_UNAVAILABLE;
	if (r->opt.reload != NULL && !r->opt.reload(r->opt.ctx, why, why_len))
		return ROTATION_REFUSED;
	return master_audit(r, before) ? ROTATION_OK : ROTATION_UNAVAILABLE;
}

enum rotation_error rotation_master(struct rotation *r, char *why, size_t why_len)
{
	enum rotation_error err;

	pthread_mutex_lock(&r->asking);
	err = master_taken(r, why, why_len);
	pthread_mutex_unlock(&r->asking);
	return err == ROTATION_OK ? go(r) : err;
}

enum rotation_error rotation_business(struct rotation *r, const char *business_id)
{
	static const enum store_purpose purposes[] = {STORE_KEY_CREDENTIAL, STORE_KEY_CONTENT};
	enum rotation_error err = ROTATION_OK;
	unsigned began = 0;

	if (business_id[0] == '\0' || strlen(business_id) > STORE_BUSINESS_ID_LEN)
		return ROTATION_NOT_FOUND;
	/* Where one of the two is being replaced already, the other may be left. */
	for (size_t i = 0; i < 2 && (err == ROTATION_OK || err == ROTATION_UNDER_WAY); i++) {
		err = begin(r, business_id, purposes[i]);
		began += err == ROTATION_OK;
	}
	if (began > 0 && (err == ROTATION_OK || err == ROTATION_UNDER_WAY))
		return go(r);
	return err;
}

enum rotation_error rotation_all(struct rotation *r)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, store_now_ms() + 1);
	if (store_note_put(r->store, NOTE_ALL, text) != STORE_OK)
		return ROTATION_UNAVAILABLE;
	return go(r);
}

static bool count_keys(const struct store_master_count *c, void *arg)
{
	struct rotation_status *s = arg;

	s->keys += c->keys;
	if (strcmp(c->master_key_id, s->master_key_id) != 0)
		s->keys_under_others += c->keys;
	return true;
}

int64_t rotation_done(const struct store_rotation *of)
{
	return of->scanned_at > 0 || of->done > of->total ? of->total : of->done;
}

static bool count_rotation(const struct store_rotation *of, void *arg)
{
	struct rotation_status *s = arg;

	s->total += of->total;
	s->done += rotation_done(of);
	return true;
}

enum rotation_error rotation_status(struct rotation *r, struct rotation_status *out)
{
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	const int64_t before = all_before(r);
	enum store_purpose purpose;
	enum store_error err = STORE_OK;

	memset(out, 0, sizeof(*out));
	if (vault_status(r->vault, out->master_key_id) != VAULT_OK ||
		store_master_counts(r->store, count_keys, out) != STORE_OK ||
		store_rotation_list(r->store, STORE_LIST_MAX, &out->rotations, count_rotation, out) != STORE_OK)
		return ROTATION_UNAVAILABLE;
	if (before > 0)
		err = store_rotation_due(r->store, before, business_id, &purpose, &out->rotations_to_come);
	pthread_mutex_lock(&r->lock);
	out->damaged = r->damaged;
	out->keys_damaged = r->keys_damaged;
	pthread_mutex_unlock(&r->lock);
	return err == STORE_OK || err == STORE_NOT_FOUND ? ROTATION_OK : ROTATION_UNAVAILABLE;
}
