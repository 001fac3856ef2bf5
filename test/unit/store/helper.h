/*
 * What the store's tests share: a store in a directory of its own, and rows to put in it.
 */
#ifndef KEYHOUSE_TEST_STORE_HELPER_H
#define KEYHOUSE_TEST_STORE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"

/* The test's own directory and database; made by house_setup, removed by house_teardown. */
struct house {
	char dir[64], path[80];
	struct store *store;
};

int house_setup(void **state); /* store open, businesses "one" and "two", each with a connection */
int house_teardown(void **state);
int house_empty(void **state); /* the directory only */
void house_open(struct house *h); /* again, with the defaults */
void house_close(struct house *h);

#define CONNECTION_ONE "0000000000000000000000c0n1"
#define CONNECTION_TWO "0000000000000000000000c0n2"

void add_business(struct store *s, const char *id);
struct store_connection connection(const char *id, const char *business, const char *number);
void add_connection(struct store *s, const char *id, const char *business, const char *number);
/* An event of business "one", appended; the id goes to out. */
void add_event(struct store *s, char out[static STORE_ID_LEN + 1]);
/* Settles a fresh event of that business with one update. */
struct store_intake_counts settle_one(
	struct store *s, const char *business, const char *connection_id, struct store_update u);
/* A message with a fresh id; conversation's first byte is c. */
struct store_message message(const char *business, const char *connection_id, uint8_t c);
struct store_message outbound(const char *business, const char *connection_id, uint8_t c);
/* Queues one that is due at next_at. */
struct store_message queue(
	struct store *s, const char *business, const char *connection_id, uint8_t c, int64_t next_at);
/* One that came in and awaits an answer. */
struct store_message question(struct store *s, const char *business, const char *connection_id, uint8_t c);
enum store_message_state state_of(struct store *s, const char *business, const char *id);

/* Visitors: the ids seen, in order. */
struct seen {
	char ids[300][STORE_BUSINESS_ID_LEN + 1];
	size_t len, stop_after; /* 0: all */
};
bool see_business(const struct store_business *b, void *seen);
bool see_connection(const struct store_connection *c, void *seen);
bool see_event(const struct store_event *e, void *seen);
bool see_summary(const struct store_event_summary *e, void *seen);
bool see_message(const struct store_message *m, void *seen);
/* Leases what is due, at most limit, per_connection of one. */
enum store_error lease_due(struct store *s, int64_t now, unsigned limit, unsigned per_connection,
	bool (*each)(const struct store_message *m, void *arg), void *arg);
/* When the first of all messages that wait is due (INT64_MAX: none). */
int64_t next_due(struct store *s);
bool see_ask(const struct store_ask *a, void *seen);
bool see_product(const struct store_product *p, void *seen);
bool see_token(const struct store_token *t, void *seen);

#endif
