/*
 * Metrics: what the service does and what waits, as Prometheus text.
 *
 * Counts only, over all businesses: no id, no name, no address. Called by the listener.
 */
#ifndef KEYHOUSE_METRICS_H
#define KEYHOUSE_METRICS_H

#include <stddef.h>

#include "gateway/front/front.h"
#include "gateway/http/http.h"
#include "gateway/inbound/inbound.h"
#include "store/store.h"

/* Owns: caller frees. NULL: the store does not answer, or memory is short. */
char *metrics_text(struct store *s, const struct inbound *in, const struct front *front,
	const struct http_server *server, size_t *len);

#endif
