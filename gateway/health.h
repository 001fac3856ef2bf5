/*
 * Health of connections: one thread that asks each provider again from time to time
 * whether key, number and webhook are as they were, renews tokens before they expire,
 * and tells a business's platform of every change of a connection's state, once.
 *
 * Called by gateway/listener.c.
 */
#ifndef KEYHOUSE_HEALTH_H
#define KEYHOUSE_HEALTH_H

#include "gateway/connect/connect.h"

struct health;

struct health_options {
	struct connect connect; /* copied; what it points to is borrowed */
	unsigned interval_s; /* between two looks at a connection; a quarter more or less, by chance */
};
/* Starts the thread. NULL: memory is short, or no thread starts. */
struct health *health_start(const struct health_options *opt);
/* No question is begun after this, and none is out when it returns. Before the sender ends. NULL is fine. */
void health_stop(struct health *h);

#endif
