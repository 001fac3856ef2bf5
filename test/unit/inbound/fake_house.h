/*
 * What intake and answer stand on, in memory: a store with one shop, sealing that only
 * marks where a blob lies, a responder that repeats. Faults are switched on by tests.
 */
#ifndef KEYHOUSE_TEST_FAKE_HOUSE_H
#define KEYHOUSE_TEST_FAKE_HOUSE_H

#include "gateway/outbound/outbound.h"
#include "gateway/reply/reply.h"
#include "gateway/tenant.h"
#include "store/store.h"

#define HOUSE_EVENTS 8u
#define HOUSE_UPDATES 32u
#define HOUSE_CONNECTION "01AAAAAAAAAAAAAAAAAAAAAAAA"
#define HOUSE_SIBLING "01BBBBBBBBBBBBBBBBBBBBBBBB"
#define HOUSE_NOW 1790000100000LL

/* An update as it was settled; what it points to was copied. */
struct house_update {
	struct store_update update;
	struct store_message message;
	struct store_settlement settlement;
	char content[2048]; /* as tenant_seal left it: place, newline, plain text */
	char wamid[256];
	char reason[256];
};

struct house_event {
	struct store_event event;
	uint8_t *body;
	unsigned settled_as; /* the how-manieth */
	enum store_event_state state; /* STORE_EVENT_ACCEPTED until settled */
	struct house_update updates[HOUSE_UPDATES];
	size_t updates_len;
};

struct house_answer {
	char message_id[STORE_ID_LEN + 1];
	struct store_message message;
	char content[1024];
};

struct house {
	struct store_business business;
	struct store_connection connection;
	struct store_connection sibling; /* same app secret; there when its id is not "" */
	struct house_event events[HOUSE_EVENTS];
	size_t events_len;
	struct house_answer answers[HOUSE_UPDATES];
	size_t answers_len;
	unsigned settled, finished, asked, woken; /* waits ended, responders asked, outbound woken */
	int64_t received_at; /* of events to be added */
	/* faults: how often each call fails before it works */
	unsigned settle_faults, answer_faults, reply_faults;
	enum store_error fault;
};

/* A fresh one. */
void house_reset(void);
/* Adds the sibling, with account 100000000000002 and number 200000000000002. */
void house_add_sibling(void);
/* For tests, while no thread of inbound runs. */
struct house *house_look(void);
/* Adds an event as accept.c would have. sealed_for: the event id the blob is bound to, NULL for its own. */
void house_event_add(const char *body, size_t len, const char *sealed_for);
/* Whether within 5 s all events are settled and all waits ended. */
bool house_settles(void);

#endif
