/* What the two halves of the fake house share. */
#ifndef KEYHOUSE_TEST_FAKE_INSIDE_H
#define KEYHOUSE_TEST_FAKE_INSIDE_H

#include <pthread.h>

#include "test/unit/inbound/fake_house.h"

extern pthread_mutex_t house_lock;
extern struct house house;

void house_copy(char *out, size_t room, const char *text);
/* With the lock held. */
void house_owe(const struct store_ask *ask);
void house_owe_answer(const struct store_message *m);

#endif
