/*
 * What intake and answer stand on, in memory: a store with three shops, sealing that only
 * marks where a blob lies, a responder that repeats and one that takes its time. Faults
 * are switched on by tests.
 */
#ifndef KEYHOUSE_TEST_FAKE_HOUSE_H
#define KEYHOUSE_TEST_FAKE_HOUSE_H

#include "gateway/inbound/inbound.h"
#include "gateway/outbound/outbound.h"
#include "gateway/reply/reply.h"
#include "gateway/tenant.h"
#include "store/store.h"

#define HOUSE_EVENTS 64u
#define HOUSE_UPDATES 32u
#define HOUSE_ASKS 64u
#define HOUSE_DELIVERIES 8u
#define HOUSE_CONNECTION "01AAAAAAAAAAAAAAAAAAAAAAAA"
#define HOUSE_SIBLING "01BBBBBBBBBBBBBBBBBBBBBBBB"
#define HOUSE_NOW 1790000100000LL

/* An update as it was settled; what it points to was copied. */
struct house_update {
	struct store_update update;
	struct store_message message;
	struct store_settlement settlement;
	struct store_notice notice; /* the first */
	char content[2048]; /* as tenant_seal left it: place, newline, plain text */
	char wamid[256];
	char reason[256];
};

struct house_event {
	struct store_event event;
	uint8_t *body;
	unsigned settled_as; /* the how-manieth */
	bool sick; /* its updates cannot be settled, which is its own fault */
	size_t done; /* updates, of which the first are kept */
	unsigned opened; /* so often */
	enum store_event_state state; /* STORE_EVENT_ACCEPTED until settled */
	struct house_update updates[HOUSE_UPDATES];
	size_t updates_len;
};

/* What a responder is owed. */
struct house_ask {
	struct store_ask ask;
	char content[2048];
	int64_t next_at;
	bool leased, done;
};

/* What a responder was asked. */
struct house_asked {
	char id[STORE_ID_LEN + 1], business_id[16], connection_id[STORE_ID_LEN + 1], number[40];
	enum store_ask_kind kind;
	char text[64], customer[64], item[512], metadata[256];
};

/* A responder that has not answered yet. */
struct house_held {
	void (*done)(void *arg, const struct reply_answer *a);
	void *arg;
	char customer[64], text[64];
};

struct house_answer {
	char message_id[STORE_ID_LEN + 1];
	struct store_message message;
	struct store_demand demand;
	char content[1024];
};

struct house {
	struct store_business business; /* "shop" */
	struct store_business other; /* "other", and "third" */
	struct store_connection connection; /* of either shop */
	struct store_connection sibling; /* same app secret; there when its id is not "" */
	struct house_event events[HOUSE_EVENTS];
	size_t events_len;
	struct house_ask asks[HOUSE_ASKS];
	size_t asks_len;
	struct house_asked asked_of[HOUSE_ASKS];
	unsigned asked; /* how often a responder was, of which these are the first */
	struct house_held held[HOUSE_ASKS];
	size_t held_len;
	struct house_answer answers[HOUSE_UPDATES];
	size_t answers_len;
	unsigned settled, finished, woken, ended; /* asks done with, outbound woken, outbound's asks ended */
	struct store_delivery deliveries[HOUSE_DELIVERIES]; /* as they were written, one after the other */
	size_t deliveries_len;
	unsigned handed; /* numbers given to connections */
	const char *removed; /* a business that is being removed: its keys are still there; NULL: none is */
	const char *owner; /* of events to be added */
	int64_t received_at; /* of events to be added */
	bool clock_runs; /* else it stands */
	/* faults: how often each call fails before it works */
	unsigned settle_faults, done_faults, later_faults, recover_faults, reply_faults, reply_busy, note_faults;
	enum store_error fault, number_set;
};

/* A fresh one. */
void house_reset(void);
/* Adds the sibling, with account 100000000000002 and number 200000000000002. */
void house_add_sibling(void);
/* For tests, while no thread of inbound runs. */
struct house *house_look(void);
/* Adds an event as accept.c would have. sealed_for: the event id the blob is bound to, NULL for its own. */
void house_event_add(const char *body, size_t len, const char *sealed_for);
void house_add(const char *body);
/* The event, settled before, is to be settled once more. */
void house_unsettle(size_t event);
/* One message or status of the shop's number, in an envelope. */
void house_add_message(const char *message);
void house_add_status(const char *status);

/* Opens inbound; failed() is counted in house_failures. NULL: it could not be. */
struct inbound *house_open(void);
unsigned house_failures(void);
/* Whether within 5 s all events are settled and nothing is owed any more. */
bool house_settles(void);
/* Whether within 5 s this many are held, or as many asked. */
bool house_holds(size_t held);
bool house_was_asked(unsigned times);
/* Lets the first of those who are held answer, on this thread. */
void house_answer_one(void);
/* Opens inbound, waits, closes it. Whether all was settled. */
bool house_run(void);

#endif
