/*
 * Requests that wait for something to happen. Each holds a worker, so there is a bound, and workers beyond it are left
 * for those who do not wait.
 *
 * All calls hold the sandbox's mutex.
 */
#ifndef SANDBOX_WAITS_H
#define SANDBOX_WAITS_H

#include <time.h>

#include "examples/sandbox/sandbox.h"

enum { WAITS_MAX = 1024 };

struct wait {
	struct sandbox *s;
	pthread_cond_t *what;
	struct timespec until;
};

/* False: as many wait already as may. Otherwise wait_end is due. */
bool wait_begin(struct wait *w, struct sandbox *s, pthread_cond_t *what, unsigned wait_ms);

/* Lets the mutex go until something happened, which may be something else. False: the time is over, or the sandbox closes. */
bool wait_on(const struct wait *w);

void wait_end(const struct wait *w);

#endif
