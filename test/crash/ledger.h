/*
 * What a store was asked to keep, what it said it has, and whether that is so.
 *
 * Any thread may call anything but ledger_clear and ledger_check, during which nobody works.
 */
#ifndef KEYHOUSE_TEST_CRASH_LEDGER_H
#define KEYHOUSE_TEST_CRASH_LEDGER_H

#include "store/store.h"

#define LEDGER_BUSINESS "shop"
#define LEDGER_CONNECTION "0000000000000000000000c0n1"
#define LEDGER_BODY_MAX (40u << 10)
#define LEDGER_UPDATES_MAX 5u

enum ledger_kind { LEDGER_EVENT, LEDGER_OUTBOUND, LEDGER_AUDIT };
enum ledger_word { LEDGER_NOTHING, LEDGER_ASKED, LEDGER_PROMISED };

/* One event, message or row of the audit. */
struct entry {
	char id[STORE_ID_LEN + 1];
	enum ledger_kind kind;
	enum ledger_word kept; /* what the store said of keeping it */
	enum ledger_word settled; /* of an event */
	size_t body_len;
	unsigned updates;
	char messages[LEDGER_UPDATES_MAX][STORE_ID_LEN + 1]; /* one an update */
	/* As found by a check. */
	bool there, whole, is_settled;
	unsigned updates_there, marks_there;
};

void ledger_clear(void);
void ledger_quiet(void); /* what is found is counted, not said */
/* NULL: it is full. The entry stays where it is. */
struct entry *ledger_add(enum ledger_kind kind, size_t body_len);
/* What the store is asked for now, or has promised. */
void ledger_say(enum ledger_word *word, enum ledger_word says);
/* An event that is kept and that nobody settles, from now on being settled with so many updates; NULL: none found. */
struct entry *ledger_settle(uint64_t chance, unsigned updates);
void ledger_body(const struct entry *e, uint8_t *out); /* its body_len bytes */
/* By what an update is known again: its seen key, or its message's wamid_index. */
void ledger_mark(const struct entry *e, unsigned update, uint8_t out[static STORE_INDEX_LEN]);
size_t ledger_promised(void); /* how many entries are */

/* Opens what store has open beside it, and holds the ledger against it. What is there is promised from now on. Returns how
 * many promises are broken; *damage counts what else is wrong. Both are said on stdout, the first few. */
size_t ledger_check(struct store *s, const char *path, const struct store_auditor *auditor, size_t *damage);

/* An auditor whose hash and seal are no cryptography, but differ where what they are of differs. */
struct store_auditor ledger_auditor(void);

#endif
