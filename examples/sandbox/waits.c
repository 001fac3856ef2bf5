/*
 * Who waits, counted.
 */
#include "examples/sandbox/waits.h"

#include <errno.h>

bool wait_begin(struct wait *w, struct sandbox *s, pthread_cond_t *what, unsigned wait_ms)
{
	*w = (struct wait){.s = s, .what = what};
	if (s->waiting >= WAITS_MAX)
		return false;
	s->waiting++;
	clock_gettime(CLOCK_REALTIME, &w->until);
	w->until.tv_sec += (time_t)(wait_ms / 1000);
	w->until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (w->until.tv_nsec >= 1000000000) {
		w->until.tv_sec++;
		w->until.tv_nsec -= 1000000000;
	}
	return true;
}

bool wait_on(const struct wait *w)
{
	return !atomic_load(&w->s->closing) && pthread_cond_timedwait(w->what, &w->s->mutex, &w->until) != ETIMEDOUT;
}

void wait_end(const struct wait *w)
{
	w->s->waiting--;
}
