/*
 * A row for each business that has some. They are few: no more than calls.
 */
#include "gateway/front/waiting.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

struct row {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	unsigned calls; /* 0: free */
};

struct waiting {
	pthread_mutex_t lock;
	unsigned max, of_one, calls;
	struct row rows[];
};

struct waiting *waiting_new(unsigned max, unsigned of_one)
{
	struct waiting *w = calloc(1, sizeof(*w) + max * sizeof(w->rows[0]));

	if (w == NULL)
		return NULL;
	(void)pthread_mutex_init(&w->lock, NULL);
	w->max = max;
	w->of_one = of_one;
	return w;
}

void waiting_free(struct waiting *w)
{
	if (w == NULL)
		return;
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}

/* Its row, else a free one; there is one while there is room for a call. */
static struct row *row_of(struct waiting *w, const char *business_id)
{
	struct row *unused = NULL;

	for (unsigned i = 0; i < w->max; i++) {
		if (w->rows[i].calls == 0)
			unused = &w->rows[i];
		else if (strcmp(w->rows[i].business_id, business_id) == 0)
			return &w->rows[i];
	}
	return unused;
}

bool waiting_enter(struct waiting *w, const char *business_id)
{
	bool room = false;

	pthread_mutex_lock(&w->lock);
	if (w->calls < w->max) {
		struct row *row = row_of(w, business_id);

		room = row->calls < w->of_one && row->calls < w->max - w->calls;
		if (room) {
			memcpy(row->business_id, business_id, strlen(business_id) + 1);
			row->calls++;
			w->calls++;
		}
	}
	pthread_mutex_unlock(&w->lock);
	return room;
}

void waiting_leave(struct waiting *w, const char *business_id)
{
	pthread_mutex_lock(&w->lock);
	row_of(w, business_id)->calls--;
	w->calls--;
	pthread_mutex_unlock(&w->lock);
}
