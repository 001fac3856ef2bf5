/*
 * Work for a store whose ledger is kept: a step at a time, or by threads until the store fails.
 */
#ifndef KEYHOUSE_TEST_CRASH_LOAD_H
#define KEYHOUSE_TEST_CRASH_LOAD_H

#include "test/crash/ledger.h"

#define LOAD_TIMEOUT_MS 20000u

/* The shop and its connection; where they are there already, that is fine. */
enum store_error load_begin(struct store *s);

/* Each does one thing, and notes in the ledger what came of it. chance: any number. */
enum store_error load_append(struct store *s, uint64_t *chance, unsigned timeout_ms);
enum store_error load_settle(struct store *s, uint64_t *chance); /* STORE_NOT_FOUND: nothing to settle */
enum store_error load_send(struct store *s, uint64_t *chance);
enum store_error load_note(struct store *s, uint64_t *chance);
enum store_error load_read(struct store *s, uint64_t *chance);
enum store_error load_flush(struct store *s, uint64_t *chance);

/* Threads do all of that at once, each at most so many steps, or until the store fails. */
void load_run(struct store *s, uint64_t chance, unsigned steps);

#endif
