/*
 * Many callers at once: one of two settles wins, nothing is leased twice, a caller that
 * gave up leaves nothing behind, and neither large bodies nor a slow reader fill memory
 * or disk.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define THREADS 8

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static void together(void *(*run)(void *arg), void *arg, size_t n)
{
	pthread_t threads[64];

	assert_true(n <= sizeof(threads) / sizeof(threads[0]));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, arg), 0);
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* ------------------------------------------------------------ one settle wins */

struct race {
	struct store *s;
	char events[THREADS][STORE_ID_LEN + 1];
	atomic_uint next, settled, stale, delivered, duplicates;
	bool one_event; /* all settle the first */
};

static void *race_thread(void *arg)
{
	struct race *r = arg;
	unsigned n = atomic_fetch_add(&r->next, 1);
	struct store_message m = message("one", CONNECTION_ONE, 1);
	struct store_update u = {
		.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .seen_key = {7}, .message = &m};
	struct store_intake_counts counts = {0};
	enum store_error err;

	store_id_new(u.id);
	err = store_event_settle(r->s, "one", r->events[r->one_event ? 0 : n], STORE_EVENT_SETTLED, &u, 1, &counts);
	r->settled += err == STORE_OK;
	r->stale += err == STORE_STALE;
	r->delivered += counts.delivered;
	r->duplicates += counts.duplicates;
	return NULL;
}

static void test_one_settle_wins(void **state)
{
	struct race r = {.s = store_of(state), .one_event = true};

	add_event(r.s, r.events[0]);
	together(race_thread, &r, THREADS);
	assert_int_equal(r.settled, 1);
	assert_int_equal(r.stale, THREADS - 1);
	assert_int_equal(r.delivered, 1);
}

static void test_one_delivery_of_the_same_message(void **state)
{
	struct race r = {.s = store_of(state)};

	for (size_t i = 0; i < THREADS; i++)
		add_event(r.s, r.events[i]);
	together(race_thread, &r, THREADS);
	assert_int_equal(r.settled, THREADS);
	assert_int_equal(r.delivered, 1);
	assert_int_equal(r.duplicates, THREADS - 1);
}

/* ------------------------------------------------------------ everything at once */

#define MESSAGES 240

struct bustle {
	struct store *s;
	atomic_uint role, leased, settled, failures;
};

static bool settle_leased(const struct store_message *m, void *arg)
{
	struct bustle *b = arg;
	struct store_outcome o = {.business_id = m->business_id,
		.message_id = m->id,
		.attempt = m->attempts,
		.to = STORE_MESSAGE_SENT,
		.wamid = m->content,
		.wamid_len = m->content_len};

	b->leased++;
	b->settled += store_outbox_settle(b->s, &o) == STORE_OK;
	return true;
}

static void *bustle_thread(void *arg)
{
	struct bustle *b = arg;
	bool sends = atomic_fetch_add(&b->role, 1) % 2 == 0;
	struct store_page page = {.limit = 20};

	for (unsigned i = 0; i < MESSAGES / 2; i++) {
		struct seen seen = {0};
		struct store_message m = outbound("one", CONNECTION_ONE, (uint8_t)i);

		if (sends) {
			b->failures += store_message_queue(b->s, &m, NULL) != STORE_OK;
			b->failures += store_message_list(b->s, "one", NULL, &page, see_message, &seen) != STORE_OK;
		} else {
			b->failures += lease_due(b->s, store_now_ms(), 16, 64, settle_leased, b) != STORE_OK;
		}
	}
	return NULL;
}

static void test_nothing_is_leased_twice(void **state)
{
	struct bustle b = {.s = store_of(state)};

	together(bustle_thread, &b, 4);
	for (unsigned before = ~0u; before != b.leased;) {
		before = b.leased;
		assert_int_equal(lease_due(b.s, store_now_ms(), 200, 200, settle_leased, &b), STORE_OK);
	}
	assert_int_equal(b.failures, 0);
	assert_int_equal(b.leased, MESSAGES);
	assert_int_equal(b.settled, MESSAGES);
}

/* ------------------------------------------------------------ giving up, and too much at once */

struct gate {
	struct store *s;
	sem_t inside, go;
	pthread_t thread;
};

static enum store_error run_gate(struct db *db, void *arg)
{
	struct gate *g = arg;

	(void)db;
	sem_post(&g->inside);
	while (sem_wait(&g->go) != 0)
		continue;
	return STORE_OK;
}

static void *gate_thread(void *arg)
{
	struct gate *g = arg;

	assert_int_equal(core_write(g->s, run_gate, g), STORE_OK);
	return NULL;
}

static void gate_start(struct gate *g, struct store *s)
{
	g->s = s;
	sem_init(&g->inside, 0, 0);
	sem_init(&g->go, 0, 0);
	assert_int_equal(pthread_create(&g->thread, NULL, gate_thread, g), 0);
}

static void gate_wait(struct gate *g)
{
	while (sem_wait(&g->inside) != 0)
		continue;
}

static void gate_end(struct gate *g)
{
	pthread_join(g->thread, NULL);
	sem_destroy(&g->inside);
	sem_destroy(&g->go);
}

struct
try {
	struct store *s;
	size_t len;
	unsigned timeout_ms;
	atomic_uint ok, busy, timeout;
};

static void *try_thread(void *arg)
{
	struct try *t = arg;
	uint8_t *body = calloc(1, t->len);
	struct store_event e = {.business_id = "one",
		.connection_id = CONNECTION_ONE,
		.received_at = 1,
		.body = body,
		.body_len = t->len};
	enum store_error err;

	store_id_new(e.id);
	err = store_event_append(t->s, &e, t->timeout_ms);
	free(body);
	t->ok += err == STORE_OK;
	t->busy += err == STORE_BUSY;
	t->timeout += err == STORE_TIMEOUT;
	return NULL;
}

/* Given up while its group runs: the writer owns it then, and it becomes durable all the same. */
static void test_given_up_while_it_runs(void **state)
{
	struct store *s = store_of(state);
	struct try t = {.s = s, .len = 100, .timeout_ms = 300};
	struct seen seen = {0};
	struct gate first, second;
	pthread_t thread;

	gate_start(&first, s);
	gate_wait(&first);
	gate_start(&second, s);
	(void)usleep(50000);
	assert_int_equal(pthread_create(&thread, NULL, try_thread, &t), 0);
	(void)usleep(50000);
	sem_post(&first.go);
	gate_wait(&second);
	pthread_join(thread, NULL);
	assert_int_equal(t.timeout, 1);
	sem_post(&second.go);
	gate_end(&first);
	gate_end(&second);
	add_event(s, seen.ids[0]);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
}

/* The queue is bounded in bytes too: forty bodies of 3 MiB do not all wait in memory. */
static void test_queue_of_large_bodies(void **state)
{
	struct try t = {.s = store_of(state), .len = 3u << 20};
	pthread_t threads[40];
	struct gate g;

	gate_start(&g, t.s);
	gate_wait(&g);
	for (size_t i = 0; i < 40; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, try_thread, &t), 0);
	for (unsigned i = 0; i < 2000 && t.busy < 24; i++)
		(void)usleep(5000);
	sem_post(&g.go);
	gate_end(&g);
	for (size_t i = 0; i < 40; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(t.ok, 16);
	assert_int_equal(t.busy, 24);
}

/* ------------------------------------------------------------ the log beside a slow reader */

static void *release_later(void *arg)
{
	(void)usleep(300000);
	assert_int_equal(db_run(arg, "COMMIT"), STORE_OK);
	return NULL;
}

static void test_slow_reader_and_the_log(void **state)
{
	struct house *h = *state;
	struct store *s = h->store;
	struct db *reader = core_reader(s);
	unsigned long before = writer_resets(s->writer);
	struct try t = {.s = s, .len = 3u << 20};
	pthread_t thread;
	char wal[96];
	struct stat st;

	/* While it reads, the log cannot begin anew; at 64 MiB the writer waits for it to end. */
	assert_int_equal(db_run(reader, "BEGIN; SELECT count(*) FROM events"), STORE_OK);
	for (unsigned i = 0; i < 20; i++)
		try_thread(&t);
	assert_int_equal(writer_resets(s->writer), before);
	assert_int_equal(pthread_create(&thread, NULL, release_later, reader), 0);
	for (unsigned i = 0; i < 6; i++)
		try_thread(&t);
	pthread_join(thread, NULL);
	core_return(s, reader);
	assert_int_equal(t.ok, 26);
	assert_true(writer_resets(s->writer) > before);
	(void)snprintf(wal, sizeof(wal), "%s-wal", h->path);
	assert_int_equal(stat(wal, &st), 0);
	assert_true(st.st_size < 80 << 20);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_one_settle_wins),
		TEST(test_one_delivery_of_the_same_message),
		TEST(test_nothing_is_leased_twice),
		TEST(test_given_up_while_it_runs),
		TEST(test_queue_of_large_bodies),
		TEST(test_slow_reader_and_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
