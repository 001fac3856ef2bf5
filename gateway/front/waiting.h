/*
 * How many calls may wait for a provider: each keeps a worker that webhooks want, too. A business may have as many as are
 * left, so that one whose provider hangs leaves room for the others. Internal to gateway/front.
 */
#ifndef KEYHOUSE_FRONT_WAITING_H
#define KEYHOUSE_FRONT_WAITING_H

#include <stdbool.h>

#define WAITING_MAX 64u

struct waiting;
struct waiting *waiting_new(unsigned max); /* NULL: memory is short */
void waiting_free(struct waiting *w);

/* False: there is no room for this business's. Threads: any. */
bool waiting_enter(struct waiting *w, const char *business_id);
void waiting_leave(struct waiting *w, const char *business_id);

#endif
