/*
 * The thread that leases what responders are owed and starts the asking.
 *
 * The store gives the oldest of each conversation only, and of one business no more than
 * so many at a time: so the order within a conversation holds, and a platform that hangs
 * holds up its own customers alone. A lease that a crash left over is recovered at start;
 * the store ends an ask and queues its answers in one transaction, so that a message is
 * answered once whatever happens in between.
 */
#include "gateway/inbound/asks.h"
#include "gateway/inbound/internal.h"

struct leasing {
	struct inbound *in;
	size_t len;
};

static bool start(const struct store_ask *row, void *arg)
{
	struct leasing *l = arg;

	/* What is leased and not asked is recovered by the next start. */
	if (worker_stopping(&l->in->answer))
		return false;
	l->len++;
	ask_start(asks_take(l->in->asks, row), row->content, row->content_len);
	return true;
}

/* How long to sleep where nobody wakes the thread. What is due and was not leased waits for another ask to end. */
static unsigned idle_ms(struct inbound *in, int64_t leased_at)
{
	int64_t due = 0, now = store_now_ms();

	if (store_ask_next_due(in->store, &due) != STORE_OK || due <= leased_at || due - now >= INBOUND_IDLE_MS)
		return INBOUND_IDLE_MS;
	return due > now ? (unsigned)(due - now) : 0;
}

/* Leases and starts what there is room for. False: not possible for now. */
static bool lease(struct inbound *in, size_t *len, int64_t now)
{
	struct leasing l = {.in = in};
	size_t room = asks_room(in->asks);
	enum store_error err = STORE_OK;

	if (room > INBOUND_ASKS_AHEAD)
		room = INBOUND_ASKS_AHEAD;
	if (room > 0)
		err = store_ask_lease(in->store, now, (unsigned)room, INBOUND_ASKS_PER_BUSINESS, start, &l);
	if (err == STORE_FAILED)
		inbound_failed(in);
	*len = l.len;
	return err == STORE_OK;
}

static bool recover(struct inbound *in)
{
	enum store_error err = store_ask_recover(in->store);

	if (err == STORE_FAILED)
		inbound_failed(in);
	return err == STORE_OK;
}

void *answer_run(void *arg)
{
	struct inbound *in = arg;
	bool recovered = false;
	unsigned pause_ms = 0;

	while (!worker_stopping(&in->answer)) {
		const int64_t now = store_now_ms();
		size_t len = 0;

		recovered = recovered || recover(in);
		if (!recovered || !asks_settle(in->asks) || !lease(in, &len, now)) {
			pause_ms = worker_backoff(pause_ms);
			worker_pause(&in->answer, pause_ms);
			continue;
		}
		pause_ms = 0;
		if (len == 0)
			worker_wait(&in->answer, idle_ms(in, now));
	}
	return NULL;
}
