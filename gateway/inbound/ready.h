/*
 * An event made ready to be settled: opened, split, bound to its connections, its updates
 * prepared. Called by intake.c, on its thread.
 */
#ifndef KEYHOUSE_INBOUND_READY_H
#define KEYHOUSE_INBOUND_READY_H

#include "gateway/inbound/binding.h"
#include "gateway/inbound/internal.h"
#include "gateway/inbound/prepare.h"

/* DONE: settled, or gone. AGAIN: something that all events need is not there for now. STUCK: this event's own fault,
 * perhaps a passing one. CROWDED: it has many updates, and there is no room to hold them. */
enum outcome { DONE, AGAIN, STUCK, CROWDED };

/* An event that is ready. */
struct ready {
	struct store_event event; /* without its body */
	enum store_event_state state;
	struct prepared prepared;
	/* Which connections something in it belongs to, and why something does not. */
	char here[TENANT_VERIFIERS_MAX][STORE_ID_LEN + 1];
	size_t here_len;
	enum delivery_why why;
};

/* Whose event it is: the same for many. Good for as long as it takes to fill a batch. */
struct origin {
	char business_id[STORE_BUSINESS_ID_LEN + 1], connection_id[STORE_ID_LEN + 1];
	struct store_business business;
	struct binding binding;
};
#define ORIGINS_MAX 32u

struct origins {
	struct origin all[ORIGINS_MAX];
	size_t len;
};

/* DONE: out is ready, and owns what was prepared, also of what cannot be read: then it is kept unparsed. room: events of
 * more than STORE_PIECE updates may be made ready; else these are CROWDED. */
enum outcome ready_make(
	struct inbound *in, struct origins *origins, const struct store_event *e, bool room, struct ready *out);
/* It is kept as it came; why goes to the log. */
void ready_unparsed(const struct store_event *e, const char *why, struct ready *out);
/* It was settled: what came of it is noted with its connections. */
void ready_settled(struct inbound *in, const struct ready *r);
/* What an answer of the store means for an event: DONE, AGAIN or STUCK. */
enum outcome ready_after(struct inbound *in, const struct store_event *e, enum store_error err);

#endif
