/* A store for tests: see fake_store.c. */
#ifndef KEYHOUSE_TEST_FAKE_STORE_H
#define KEYHOUSE_TEST_FAKE_STORE_H

#include "store/store.h"

#define FAKE_ROWS 512u
#define FAKE_CONNECTIONS 16u

struct fake_row {
	struct store_message m;
	int64_t settled_at;
	bool told;
	char given_back_to[STORE_ID_LEN + 1];
	int64_t spent_at;
};

void fake_reset(void);
void fake_busy(unsigned times); /* so many settlements answer STORE_BUSY */
void fake_joined(bool are); /* conversations are joined with another between being due and being leased */
void fake_connection(const struct store_connection *c);
void fake_credential(const struct store_credential *c);
void fake_message(const struct store_message *m);
/* The one before the current one, that a refusal brings back. */
void fake_credential_older(const struct store_credential *c);
unsigned fake_credentials_proven(void); /* how often one was said to have worked */
void fake_credential_replaced(const struct store_credential *c); /* takes the place of what is there */
bool fake_row(const char *id, struct fake_row *out); /* pointers in out live until fake_reset */
enum store_connection_status fake_connection_status(const char *id);

/* What came in, of whatever conversation; messages of the customer are rows like the others. From the test's own thread. */
void fake_heard(const struct store_heard *h);
void fake_delivery(const struct store_delivery *d);
void fake_findings(uint64_t findings);
void fake_too_many(bool are); /* the customer wrote more than is looked at */
void fake_connection_change(const struct store_connection *c);

#endif
