/*
 * Calls that may come twice: one of many begins, the others hear what became of it.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define DAY INT64_C(86400000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static struct store_once once_of(const char *business, uint8_t key, uint8_t request)
{
	struct store_once o = {.key = {key}, .request = {request}};

	(void)snprintf(o.business_id, sizeof(o.business_id), "%s", business);
	return o;
}

static enum store_error begin(struct store *s, const char *business, uint8_t key, uint8_t request)
{
	struct store_once o = once_of(business, key, request);
	struct store_once_answer answer = {.http_status = -1};
	enum store_error err = store_once_begin(s, &o, &answer);

	if (err == STORE_EXISTS)
		free(answer.body);
	else
		assert_true(answer.http_status == -1 && answer.body == NULL);
	return err;
}

static enum store_error end(struct store *s, const char *business, uint8_t key, int http_status)
{
	uint8_t k[STORE_INDEX_LEN] = {key};
	struct store_once_end e = {.key = k, .http_status = http_status, .body = "{\"id\":1}", .body_len = 8};

	return store_once_end(s, business, &e);
}

static void test_four_answers(void **state)
{
	struct house *h = *state;
	struct store_once o = once_of("one", 1, 1);
	struct store_once_answer answer;

	assert_int_equal(begin(h->store, "one", 1, 1), STORE_OK);
	assert_int_equal(begin(h->store, "one", 1, 1), STORE_BUSY);
	assert_int_equal(begin(h->store, "one", 1, 2), STORE_STALE);
	assert_int_equal(end(h->store, "one", 1, 202), STORE_OK);
	assert_int_equal(begin(h->store, "one", 1, 2), STORE_STALE);
	house_close(h);
	house_open(h);
	assert_int_equal(store_once_begin(h->store, &o, &answer), STORE_EXISTS);
	assert_int_equal(answer.http_status, 202);
	assert_int_equal(answer.body_len, 8);
	assert_string_equal(answer.body, "{\"id\":1}");
	free(answer.body);
	/* It is answered once. */
	assert_int_equal(end(h->store, "one", 1, 500), STORE_STALE);
	assert_int_equal(end(h->store, "one", 1, 0), STORE_STALE);
	assert_int_equal(begin(h->store, "one", 1, 1), STORE_EXISTS);
}

static void test_an_answer_without_a_body(void **state)
{
	struct store *s = store_of(state);
	struct store_once o = once_of("one", 1, 1);
	struct store_once_end e = {.key = o.key, .http_status = 204};
	struct store_once_answer answer;

	assert_int_equal(begin(s, "one", 1, 1), STORE_OK);
	e.body_len = 1;
	assert_int_equal(store_once_end(s, "one", &e), STORE_INVALID);
	e.body_len = 0;
	e.http_status = -1;
	assert_int_equal(store_once_end(s, "one", &e), STORE_INVALID);
	e.http_status = 204;
	assert_int_equal(store_once_end(s, "one", &e), STORE_OK);
	assert_int_equal(store_once_begin(s, &o, &answer), STORE_EXISTS);
	assert_int_equal(answer.http_status, 204);
	assert_int_equal(answer.body_len, 0);
	assert_string_equal(answer.body, "");
	free(answer.body);
}

static void test_forgotten_may_be_tried_again(void **state)
{
	struct store *s = store_of(state);

	assert_int_equal(end(s, "one", 1, 0), STORE_STALE);
	assert_int_equal(begin(s, "one", 1, 1), STORE_OK);
	assert_int_equal(end(s, "one", 1, 0), STORE_OK);
	assert_int_equal(begin(s, "one", 1, 2), STORE_OK);
}

static void test_a_key_is_of_one_business(void **state)
{
	struct store *s = store_of(state);

	assert_int_equal(begin(s, "one", 1, 1), STORE_OK);
	assert_int_equal(begin(s, "two", 1, 2), STORE_OK);
	assert_int_equal(begin(s, "", 1, 3), STORE_OK);
	assert_int_equal(end(s, "one", 1, 200), STORE_OK);
	assert_int_equal(begin(s, "two", 1, 2), STORE_BUSY);
	assert_int_equal(end(s, "", 1, 200), STORE_OK);
	assert_int_equal(begin(s, "two", 1, 2), STORE_BUSY);
	assert_int_equal(store_business_remove(s, "one", NULL), STORE_OK);
	assert_int_equal(begin(s, "one", 1, 9), STORE_OK);
	assert_int_equal(begin(s, "", 1, 3), STORE_EXISTS);
}

static void test_a_crash_ends_what_was_in_flight(void **state)
{
	struct house *h = *state;

	assert_int_equal(begin(h->store, "one", 1, 1), STORE_OK);
	assert_int_equal(begin(h->store, "one", 2, 1), STORE_OK);
	assert_int_equal(end(h->store, "one", 2, 200), STORE_OK);
	house_close(h);
	house_open(h);
	assert_int_equal(begin(h->store, "one", 1, 1), STORE_BUSY);
	assert_int_equal(store_once_recover(h->store), STORE_OK);
	assert_int_equal(begin(h->store, "one", 1, 1), STORE_OK);
	assert_int_equal(begin(h->store, "one", 2, 1), STORE_EXISTS);
}

static struct store_message at_once(uint8_t conversation)
{
	struct store_message m = outbound("one", CONNECTION_ONE, conversation);

	m.state = STORE_MESSAGE_SENDING;
	m.attempts = 1;
	return m;
}

/* From the moment at which its message may go out, a call is not forgotten: it may have been accepted. */
static void test_a_crash_does_not_send_twice(void **state)
{
	struct house *h = *state;
	struct store_once o = once_of("one", 1, 1);
	struct store_once_answer answer;
	struct store_message m = at_once(1), again = at_once(1);

	assert_int_equal(begin(h->store, "one", 1, 1), STORE_OK);
	assert_int_equal(store_message_send(h->store, &m, "", o.key), STORE_OK);
	assert_int_equal(begin(h->store, "one", 1, 1), STORE_BUSY);
	assert_int_equal(begin(h->store, "one", 1, 2), STORE_STALE);
	house_close(h);
	house_open(h);
	assert_int_equal(store_once_recover(h->store), STORE_OK);
	assert_int_equal(store_once_begin(h->store, &o, &answer), STORE_EXISTS);
	assert_int_equal(answer.http_status, STORE_ONCE_LOST);
	assert_int_equal(answer.body_len, 0);
	free(answer.body);
	/* Nor is a second message noted for it. */
	assert_int_equal(store_message_send(h->store, &again, "", o.key), STORE_EXISTS);
	assert_int_equal(end(h->store, "one", 1, 0), STORE_STALE);
}

static void test_what_was_noted_has_its_answer(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = at_once(1), again = at_once(1);
	struct store_once o = once_of("one", 1, 1), other = once_of("one", 2, 1);
	struct seen seen = {0};

	assert_int_equal(store_message_send(s, &m, "", o.key), STORE_EXISTS);
	assert_int_equal(store_message_get(s, "one", m.id, see_message, &seen), STORE_NOT_FOUND);
	assert_int_equal(begin(s, "one", 1, 1), STORE_OK);
	assert_int_equal(begin(s, "one", 2, 1), STORE_OK);
	assert_int_equal(store_message_send(s, &m, "", o.key), STORE_OK);
	assert_int_equal(store_message_send(s, &again, "", o.key), STORE_EXISTS);
	assert_int_equal(end(s, "one", 1, 200), STORE_OK);
	assert_int_equal(end(s, "one", 1, 0), STORE_STALE);
	assert_int_equal(begin(s, "one", 1, 1), STORE_EXISTS);
	/* It came to nothing: it may be made again. */
	assert_int_equal(store_message_send(s, &again, "", other.key), STORE_OK);
	assert_int_equal(end(s, "one", 2, 1), STORE_INVALID);
	assert_int_equal(end(s, "one", 2, 0), STORE_OK);
	assert_int_equal(begin(s, "one", 2, 1), STORE_OK);
}

/* ------------------------------------------------------------ seven days */

static enum store_error run_age(struct db *db, void *arg)
{
	struct query q = query_start(db, "UPDATE once SET at = at - ?");

	query_int(&q, *(int64_t *)arg);
	return query_finish(&q);
}

static enum store_error run_count(struct db *db, void *arg)
{
	struct query q = query_start(db, "SELECT count(*) FROM once");

	*(int64_t *)arg = query_step(&q) ? query_get_int(&q) : -1;
	return query_end(&q);
}

static void test_kept_seven_days(void **state)
{
	struct store *s = store_of(state);
	int64_t age = 6 * DAY, n = 0;

	assert_int_equal(begin(s, "one", 1, 1), STORE_OK);
	assert_int_equal(end(s, "one", 1, 200), STORE_OK);
	assert_int_equal(core_write(s, run_age, &age), STORE_OK);
	assert_int_equal(store_prune(s, store_now_ms(), 30), STORE_OK);
	assert_int_equal(begin(s, "one", 1, 1), STORE_EXISTS);
	/* Then it is a new call, whether or not it was removed in between. */
	age = 2 * DAY;
	assert_int_equal(core_write(s, run_age, &age), STORE_OK);
	assert_int_equal(begin(s, "one", 1, 2), STORE_OK);
	assert_int_equal(begin(s, "one", 1, 2), STORE_BUSY);
	assert_int_equal(begin(s, "one", 2, 2), STORE_OK);
	assert_int_equal(end(s, "one", 2, 200), STORE_OK);
	age = 8 * DAY;
	assert_int_equal(core_write(s, run_age, &age), STORE_OK);
	assert_int_equal(begin(s, "one", 3, 3), STORE_OK);
	assert_int_equal(store_prune(s, store_now_ms(), 30), STORE_OK);
	assert_int_equal(core_write(s, run_count, &n), STORE_OK);
	assert_int_equal(n, 1);
}

/* ------------------------------------------------------------ with what it asked for */

static void test_ends_with_its_message(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = outbound("one", CONNECTION_ONE, 1), again = outbound("one", CONNECTION_ONE, 1);
	struct store_once o = once_of("one", 1, 1);
	struct store_once_end e = {.key = o.key, .http_status = 202, .body = "x", .body_len = 1};
	struct seen seen = {0};

	/* Not in flight: nothing is queued. */
	assert_int_equal(store_message_queue(s, &m, &e), STORE_STALE);
	assert_int_equal(store_message_get(s, "one", m.id, see_message, &seen), STORE_NOT_FOUND);
	assert_int_equal(begin(s, "one", 1, 1), STORE_OK);
	/* Not queued: it goes on. */
	memcpy(again.connection_id, CONNECTION_TWO, sizeof(again.connection_id));
	assert_int_equal(store_message_queue(s, &again, &e), STORE_NOT_FOUND);
	assert_int_equal(begin(s, "one", 1, 1), STORE_BUSY);
	assert_int_equal(store_message_queue(s, &m, &e), STORE_OK);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_QUEUED);
	assert_int_equal(begin(s, "one", 1, 1), STORE_EXISTS);
	/* The same key never queues a second. */
	memcpy(again.connection_id, CONNECTION_ONE, sizeof(again.connection_id));
	assert_int_equal(store_message_queue(s, &again, &e), STORE_STALE);
	assert_int_equal(store_message_get(s, "one", again.id, see_message, &seen), STORE_NOT_FOUND);
	e.key = NULL;
	assert_int_equal(store_message_queue(s, &again, &e), STORE_INVALID);
}

/* ------------------------------------------------------------ together */

#define THREADS 8
#define KEYS 50

struct race {
	struct store *s;
	pthread_barrier_t barrier;
	atomic_uint ok, busy, others;
};

static void *race_thread(void *arg)
{
	struct race *r = arg;

	for (uint8_t key = 1; key <= KEYS; key++) {
		struct store_once o = once_of("one", key, 1);
		struct store_once_answer answer;
		enum store_error err;

		(void)pthread_barrier_wait(&r->barrier);
		err = store_once_begin(r->s, &o, &answer);
		r->ok += err == STORE_OK;
		r->busy += err == STORE_BUSY;
		r->others += err != STORE_OK && err != STORE_BUSY;
	}
	return NULL;
}

static void test_one_of_many_begins(void **state)
{
	struct race r = {.s = store_of(state)};
	pthread_t threads[THREADS];

	pthread_barrier_init(&r.barrier, NULL, THREADS);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race_thread, &r), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&r.barrier);
	assert_int_equal(r.ok, KEYS);
	assert_int_equal(r.busy, KEYS * (THREADS - 1));
	assert_int_equal(r.others, 0);
}

struct gate {
	struct store *s;
	sem_t inside, go;
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

	return core_write(g->s, run_gate, g) == STORE_OK ? NULL : arg;
}

static void *begin_thread(void *arg)
{
	enum store_error err;

	/* An append of the test's may have the place at that moment. */
	do {
		err = begin(arg, "one", 1, 1);
	} while (err == STORE_TIMEOUT);
	return err == STORE_OK ? NULL : arg;
}

/* A full queue is not mistaken for a call in flight. */
static void test_full_queue_is_another_matter(void **state)
{
	struct house *h = *state;
	struct store_options opt = {.path = h->path, .readers = 1, .queue_max = 1};
	struct gate g;
	pthread_t holds, waits;
	enum store_error err;
	void *failed;

	house_close(h);
	assert_int_equal(store_open(&h->store, &opt), STORE_OK);
	g.s = h->store;
	sem_init(&g.inside, 0, 0);
	sem_init(&g.go, 0, 0);
	assert_int_equal(pthread_create(&holds, NULL, gate_thread, &g), 0);
	while (sem_wait(&g.inside) != 0)
		continue;
	assert_int_equal(pthread_create(&waits, NULL, begin_thread, h->store), 0);
	/* Once that one waits in the only place, an append that would give up at once finds none. */
	do {
		struct store_event e = {.business_id = "one", .body = (const uint8_t *)"x", .body_len = 1};

		store_id_new(e.id);
		err = store_event_append(h->store, &e, 1);
	} while (err == STORE_TIMEOUT);
	assert_int_equal(err, STORE_BUSY);
	assert_int_equal(begin(h->store, "one", 2, 1), STORE_TIMEOUT);
	sem_post(&g.go);
	pthread_join(holds, &failed);
	assert_null(failed);
	pthread_join(waits, &failed);
	assert_null(failed);
	sem_destroy(&g.inside);
	sem_destroy(&g.go);
	assert_int_equal(begin(h->store, "one", 2, 1), STORE_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_four_answers),
		TEST(test_an_answer_without_a_body),
		TEST(test_forgotten_may_be_tried_again),
		TEST(test_a_key_is_of_one_business),
		TEST(test_a_crash_ends_what_was_in_flight),
		TEST(test_a_crash_does_not_send_twice),
		TEST(test_what_was_noted_has_its_answer),
		TEST(test_kept_seven_days),
		TEST(test_ends_with_its_message),
		TEST(test_one_of_many_begins),
		TEST(test_full_queue_is_another_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
