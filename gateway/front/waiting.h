/*
 * How many calls may wait for a provider: each keeps a worker that webhooks want, too. A business may have as many as are
 * left, so that one whose provider hangs leaves room for the others. Internal to gateway/front.
 */
#ifndef KEYHOUSE_FRONT_WAITING_H
#define KEYHOUSE_FRONT_WAITING_H

#include <stdbool.h>

#define WAITING_MAX 64u
#define STREAMING_MAX 32u /* of those that move files, which may take long */
#define STREAMING_OF_ONE 8u

struct waiting;
/* max: of all; of_one: of one business, at most. NULL: memory is short. */
struct waiting *waiting_new(unsigned max, unsigned of_one);
void waiting_free(struct waiting *w);

/* False: there is no room for this business's. Threads: any. */
bool waiting_enter(struct waiting *w, const char *business_id);
void waiting_leave(struct waiting *w, const char *business_id);

#endif
