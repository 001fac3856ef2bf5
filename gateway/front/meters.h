/*
 * How many management calls the provider takes for one WhatsApp Business Account in an hour (facts/meta.md 4): 5,000 that
 * read its numbers and templates, 200 of the others, for each app. A client that asks without end is stopped here, before
 * the provider stops all of the shop's calls. What the provider itself says of waiting is kept, too. In memory alone.
 * Internal to gateway/front.
 */
#ifndef KEYHOUSE_FRONT_METERS_H
#define KEYHOUSE_FRONT_METERS_H

#include <stdbool.h>
#include <stdint.h>

#define METERS_READS 5000u /* an hour; a tenth of it at once, and so for the others */
#define METERS_CHANGES 200u

struct meters;
struct meters *meters_new(void); /* NULL: memory is short */
void meters_free(struct meters *m);

/* Takes one call of the account, at a time in ms: 0; or when it may be made. Threads: any. */
int64_t meters_take(struct meters *m, const char *account, bool changes, int64_t now);
/* The provider says that none may be made before then. */
void meters_stop(struct meters *m, const char *account, int64_t until);

#endif
