/*
 * An answer that another thread sends, while the worker of its connection waits for
 * what comes next. Whoever is first decides: the thread that knows what became of the
 * request, or the worker when that took too long.
 *
 * The worker closes no connection and reads nothing of the next request before the
 * answer was sent, so that the descriptor is the right one, and answers go out in order.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "gateway/http/internal.h"

enum stage {
	STAGE_OPEN,
	STAGE_SENDING,
	STAGE_TRUE, /* it was sent */
	STAGE_FALSE, /* 503 was sent, or not all of it: the connection has to close */
	STAGE_LATE, /* the worker sends 503 */
};

struct http_later {
	atomic_int stage;
	atomic_uint owners; /* the worker, and whoever is to send it */
	int fd;
	int64_t until_ms; /* monotonic */
	sem_t sent; /* posted once, when STAGE_SENDING is over */
	size_t len;
	uint8_t answer[HTTP_LATER_MAX];
};

static void release(struct http_later *later)
{
	if (atomic_fetch_sub(&later->owners, 1) > 1)
		return;
	(void)sem_destroy(&later->sent);
	explicit_bzero(later->answer, later->len);
	free(later);
}

static bool send_now(int fd, const void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static void send_unavailable(int fd)
{
	(void)send_now(fd, http_unavailable, strlen(http_unavailable));
}

struct http_later *http_later_new(int fd, unsigned within_ms)
{
	struct http_later *later = malloc(sizeof(*later));

	if (!later)
		return NULL;
	atomic_init(&later->stage, STAGE_OPEN);
	atomic_init(&later->owners, 2);
	later->fd = fd;
	later->until_ms = http_now_ms() + within_ms;
	(void)sem_init(&later->sent, 0, 0);
	later->len = 0;
	return later;
}

uint8_t *http_later_answer(struct http_later *later, size_t **len)
{
	*len = &later->len;
	return later->answer;
}

bool http_later_send(struct http_later *later, bool is_true)
{
	int open = STAGE_OPEN;
	const bool in_time = atomic_compare_exchange_strong(&later->stage, &open, STAGE_SENDING);

	if (in_time) {
		bool sent = is_true && send_now(later->fd, later->answer, later->len);

		if (!is_true)
			send_unavailable(later->fd);
		atomic_store(&later->stage, sent ? STAGE_TRUE : STAGE_FALSE);
		(void)sem_post(&later->sent);
	}
	release(later);
	return in_time && is_true;
}

int64_t http_later_left_ms(const struct http_later *later)
{
	return atomic_load(&later->stage) <= STAGE_SENDING ? later->until_ms - http_now_ms() : 0;
}

bool http_later_end(struct http_later *later)
{
	const struct timespec until = {later->until_ms / 1000, later->until_ms % 1000 * 1000000};
	int open = STAGE_OPEN, waited;
	bool is_true;

	do
		waited = sem_clockwait(&later->sent, CLOCK_MONOTONIC, &until);
	while (waited != 0 && errno == EINTR);
	if (waited != 0 && atomic_compare_exchange_strong(&later->stage, &open, STAGE_LATE))
		send_unavailable(later->fd);
	else
		while (waited != 0) /* it is being sent just now */
			waited = sem_wait(&later->sent);
	is_true = atomic_load(&later->stage) == STAGE_TRUE;
	release(later);
	return is_true;
}
