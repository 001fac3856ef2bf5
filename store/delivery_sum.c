/*
 * How what came of webhooks adds up: in memory, and here in what is kept.
 */
#include <string.h>

#include "store/store.h"

void store_delivery_add(struct store_delivery *d, const struct store_delivery *later)
{
	bool hides;

	if (later->accepted_at > 0 && later->accepted_at >= d->refused_at)
		d->refused_count = 0;
	hides = !later->vague || d->refused_count == 0 || strcmp(d->refused_why, later->refused_why) == 0;
	if (later->refused_at >= d->accepted_at)
		d->refused_count += later->refused_count;
	if (later->accepted_at > d->accepted_at)
		d->accepted_at = later->accepted_at;
	if (later->refused_at == 0 || later->refused_at < d->refused_at || !hides)
		return;
	d->refused_at = later->refused_at;
	d->vague = later->vague;
	memcpy(d->refused_why, later->refused_why, sizeof(d->refused_why));
}
