/*
 * Lanes: who may send next. One lane for each connection that has something to send or on its way.
 *
 * - Turns: deficit round robin over businesses, so that each gets the same share of what can be sent, whatever its
 *   backlog and however many connections it has; a message costs more the longer it is.
 * - How many are on their way: a window for each connection, which begins small, grows with what is accepted and
 *   shrinks with what is not answered, and a share of all that is left, so that however many hang, others find room.
 * - Limits: what the provider takes of a number each second, of a number to one customer (pairs.h), and what it
 *   said when it refused (wait so long: this number, all of this account, all of this app).
 * - A breaker: after some attempts in a row that reached nobody, nothing goes for a while, longer each time; then
 *   one goes as a probe, and only when it comes through do the rest. The same after every wait that the provider asked
 *   for.
 * - Retries spend a budget that what is accepted fills again: while little comes through, little is repeated.
 *
 * Pure: no clock (times are ms, passed in, and do not go back: also those of the store's rows), no store, no lock: the
 * scheduler holds its own.
 * Called by schedule.c and results.c.
 */
#ifndef KEYHOUSE_OUTBOUND_LANES_H
#define KEYHOUSE_OUTBOUND_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define LANES_WINDOW 8u /* at first; also what is left of it where nothing is answered is at least half of that */
#define LANES_BREAKER 5u /* attempts in a row */
#define LANES_BREAKER_MS 5000 /* doubles each time, up to LANES_BREAKER_MAX_MS; and up to a quarter more */
#define LANES_BREAKER_MAX_MS (5 * 60 * 1000)
#define LANES_MPS 80u /* what the provider takes of a number each second, unless it is known otherwise */
#define LANES_RETRIES 50u /* the budget, when it is full */

struct lanes;

struct lanes_options {
	unsigned in_flight_max; /* on their way at once, of all */
	unsigned per_connection; /* of one */
	unsigned pairs_max; /* see pairs.h */
	uint64_t (*random)(void); /* uniform; for the breaker's jitter */
};
struct lanes *lanes_new(const struct lanes_options *opt); /* NULL: memory is short */
void lanes_free(struct lanes *l);

/* A connection has, or may have, messages that are due from lane->due_at on. False: memory is short, and it was not
 * noted. */
bool lanes_add(struct lanes *l, const struct store_lane *lane, int64_t now);
/* Whether there is a lane for it, which looks at what is due as soon as it may. False: ask the store for one. */
bool lanes_look(struct lanes *l, const char *connection_id);
/* Something about the business's connections was changed, like a key or an address: what refusals and failures were
 * waited for is forgotten, and all of them are looked at. */
void lanes_forget(struct lanes *l, const char *business_id);

/* ------------------------------------------------------------ choosing */

/* Whose turn it is: connection_id, and how many of its messages that are due may be chosen from, at least 1. False:
 * nobody may send before lanes_next. Then lanes_choose, for the same connection, before the next turn. */
struct lanes_turn {
	char connection_id[STORE_ID_LEN + 1];
	size_t room; /* at most LANES_TURN_MAX */
};
#define LANES_TURN_MAX 16u
bool lanes_turn(struct lanes *l, int64_t now, struct lanes_turn *turn);
/* What is due, as the store told: as many as turn->room, else all there is before next_at. Writes to out what is to be
 * leased or put off, in out_len, and counts what is leased as on its way. */
void lanes_choose(struct lanes *l, const struct lanes_turn *turn, const struct store_due *due, size_t len,
	int64_t next_at, int64_t now, struct store_lease out[static LANES_TURN_MAX], size_t *out_len);
/* When a turn comes up again by itself; INT64_MAX: not before something ends or is added. */
int64_t lanes_next(const struct lanes *l);

/* One that is to go at once, and was not chosen: counts it as on its way. LANES_WAIT: not before *until. */
enum lanes_go {
	LANES_GO = 1,
	LANES_FULL, /* as many as may be are on their way */
	LANES_WAIT_NUMBER, /* the number's limit, or a wait that the provider asked for */
	LANES_WAIT_PAIR, /* the limit of this number to this customer */
	LANES_WAIT_BREAKER, /* the provider did not answer lately */
	LANES_WAIT_KEY, /* the provider refused the key, or the account */
	LANES_WAIT_ASKED, /* the same, and it is just being asked about the key */
	LANES_NO_MEMORY,
};
enum lanes_go lanes_go(struct lanes *l, const struct store_lane *lane,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t now, int64_t *until);

/* ------------------------------------------------------------ what came of it */

enum lanes_came {
	LANES_ACCEPTED = 1,
	LANES_REFUSED, /* the provider answered: this message is not what it takes */
	LANES_UNREACHED, /* not sent, or refused for want of the provider's own strength */
	LANES_UNANSWERED, /* sent, and no usable answer */
	LANES_NOTHING, /* it was not leased after all, or did not come as far as the provider */
};
enum lanes_scope {
	LANES_NUMBER = 1, /* this connection's number */
	LANES_KEY, /* this connection, until something about it is changed (lanes_forget) */
	LANES_DOUBT, /* the same, or until the provider says that the key is fine (lanes_answered) */
	LANES_PAIR, /* this number to this customer */
	LANES_ACCOUNT, /* all numbers of its WABA */
	LANES_APP /* all numbers of its app */
};
struct lanes_end {
	enum lanes_came came;
	enum lanes_scope scope; /* of wait_until */
	int64_t wait_until; /* 0: no wait was asked for */
	const uint8_t *conversation; /* STORE_INDEX_LEN bytes; NULL: not known */
};
/* One that was on its way ended. */
void lanes_ended(struct lanes *l, const char *connection_id, const struct lanes_end *end, int64_t now);

/* A refusal that a dead key would explain is explained otherwise where the key is fine: so the provider is asked. The wait for
 * it ends when it says so, and for LANES_TRUST_MS such refusals are the messages' own, but for LANES_DOUBTS in a row.
 * lanes_ask: whether to ask now; not while the key is trusted, but for a refusal that speaks of the key alone. */
#define LANES_TRUST_MS 60000
#define LANES_DOUBTS 5u
bool lanes_ask(struct lanes *l, const char *connection_id, bool of_the_key, int64_t now);
/* That was answered, or not; fine: the key works. */
void lanes_answered(struct lanes *l, const char *connection_id, bool fine, int64_t now);

/* What is known of a connection now, for those who ask why nothing goes. */
struct lanes_state {
	unsigned in_flight, window;
	int64_t closed_until; /* 0: open */
	bool probing;
};
bool lanes_state(const struct lanes *l, const char *connection_id, struct lanes_state *out);
unsigned lanes_len(const struct lanes *l);

#endif
