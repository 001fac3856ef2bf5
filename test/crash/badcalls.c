/*
 * Goal of this test: whatever call of the disk fails, and whichever of that kind, the store never says that it has what it
 * has not. After a failed sync it says nothing more at all; after a full disk it goes on where there is room again.
 *
 * usage: badcalls [EVERY | --must-fail]
 *
 * The same work is done again and again, each time with the next call in trouble, until a run meets none: so every place
 * that calls the disk is met, those of the start and the end, too. Then the power is cut: what was promised must be there.
 * EVERY: of the calls after the first few of a kind only each so many-th, beginning anywhere. --must-fail: for a store that
 * was broken on purpose: a failed sync must show it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/crash/disk.h"
#include "test/crash/load.h"

#define FOREVER 1000000ul
#define ROUNDS 2u
#define SHOWN_MAX 30u
#define EACH 70u
#define SEED UINT64_C(20260731)

struct kind {
	const char *words;
	enum disk_call call;
	enum disk_trouble trouble;
	unsigned long many; /* in a row */
	bool empty; /* the work begins without a database */
	bool ends; /* nothing is promised after it */
	bool goes_on; /* once the disk is sound, it works as before */
	bool starts_again; /* before the power is cut, at a moment of that start */
};

static const struct kind kinds[] = {
	{"a sync fails", DISK_SYNC, DISK_EIO, .many = 1, .ends = true},
	{"a sync fails, and at the next start the power", DISK_SYNC, DISK_EIO, .many = 1, .ends = true,
		.starts_again = true},
	{"a sync fails, before there is a database", DISK_SYNC, DISK_EIO, .many = 1, .empty = true, .ends = true},
	{"the disk is full", DISK_WRITE, DISK_ENOSPC, .many = 1, .goes_on = true},
	{"the disk is full for a while", DISK_WRITE, DISK_ENOSPC, .many = 4, .goes_on = true},
	{"the disk is full, before there is a database", DISK_WRITE, DISK_ENOSPC, .many = 3, .empty = true,
		.goes_on = true},
	{"a write fails", DISK_WRITE, DISK_EIO, .many = 1},
	{"no write succeeds any more", DISK_WRITE, DISK_EIO, .many = FOREVER},
	{"a read fails", DISK_READ, DISK_EIO, .many = 1},
	{"a truncation fails", DISK_TRUNCATE, DISK_EIO, .many = 1},
	{"a file does not open", DISK_OPEN, DISK_EIO, .many = 1},
	{"a file is not deleted", DISK_DELETE, DISK_EIO, .many = 1},
	{"a size is not told", DISK_SIZE, DISK_EIO, .many = 1},
	{"a lock fails", DISK_LOCK, DISK_EIO, .many = 1},
	{"a piece of the index fails", DISK_INDEX, DISK_EIO, .many = 1},
	{"a lock of the index fails", DISK_INDEX_LOCK, DISK_EIO, .many = 1},
	{"others read for a while", DISK_INDEX_LOCK, DISK_BUSY, .many = 30, .goes_on = true},
	{"the writer's lock fails", DISK_WRITE_LOCK, DISK_EIO, .many = 1},
	{"somebody else writes for a while", DISK_WRITE_LOCK, DISK_BUSY, .many = 5, .goes_on = true},
	{"somebody else writes and does not end", DISK_WRITE_LOCK, DISK_BUSY, .many = FOREVER},
};

struct run {
	const struct kind *kind;
	unsigned long n;
	char dir[64], path[80];
	struct store_auditor auditor;
	unsigned failed; /* how often the store said so */
	bool ended; /* it answered that it failed */
	unsigned long faults;
	bool must_fail;
};

static void fault(struct run *r, const char *what)
{
	if (r->faults++ < SHOWN_MAX && !r->must_fail)
		printf("  %s, call %lu: %s\n", r->kind->words, r->n, what);
}

static void note_failed(void *ctx)
{
	struct run *r = ctx;

	r->failed++; /* read when the writer's thread has ended */
}

static enum store_error open_store(struct run *r, struct store **out)
{
	const struct store_options opt = {
		.path = r->path, .create = true, .readers = 2, .failed = note_failed, .ctx = r, .audit = r->auditor};

	return store_open(out, &opt);
}

/* Each kind of work, and the log brought into the file by itself and when asked to. */
static void work(struct run *r, struct store *s)
{
	static enum store_error (*const steps[])(struct store * s, uint64_t * chance) = {
		load_note, load_send, load_settle, load_read, load_settle, load_flush, load_send, load_settle};
	uint64_t chance = SEED;
	bool failed = false;

	for (unsigned i = 0; i < ROUNDS * sizeof(steps) / sizeof(steps[0]); i++) {
		enum store_error (*const step)(struct store *, uint64_t *) =
			steps[i % (sizeof(steps) / sizeof(steps[0]))];
		enum store_error err = load_append(s, &chance, LOAD_TIMEOUT_MS);

		if (err == STORE_OK && failed)
			fault(r, "it promises again after it failed");
		failed = failed || err == STORE_FAILED;
		err = step(s, &chance);
		if (err == STORE_OK && failed && step != load_read)
			fault(r, "it works on after it failed");
		failed = failed || (err == STORE_FAILED && step != load_read);
	}
	r->ended = failed;
}

/* The disk is sound, the store still open. */
static void afterwards(struct run *r, struct store *s)
{
	uint64_t chance = SEED + 1;
	const enum store_error err = load_append(s, &chance, LOAD_TIMEOUT_MS);

	if (r->kind->ends && err == STORE_OK)
		fault(r, "it goes on after a failed sync");
	if (r->kind->goes_on && err != STORE_OK)
		fault(r, store_error_text(err));
	r->ended = r->ended || err == STORE_FAILED;
	if (r->ended == (err == STORE_OK))
		fault(r, "it works, or works no more, and says otherwise");
}

/* The process starts again on what the system believes is on the disk, and then the power goes. */
static void start_again(struct run *r)
{
	struct store *s = NULL;
	uint64_t chance = r->n;

	disk_cut_at(1 + disk_chance(&chance, 30));
	if (open_store(r, &s) == STORE_OK)
		(void)load_append(s, &chance, LOAD_TIMEOUT_MS);
	store_close(s);
}

static void look(struct run *r)
{
	struct store *s = NULL;
	size_t damage = 0;
	enum store_error err;

	disk_cut();
	disk_restore();
	err = open_store(r, &s);
	if (err != STORE_OK)
		fault(r, store_error_text(err));
	else if (ledger_check(s, r->path, &r->auditor, &damage) > 0 || damage > 0)
		fault(r, "what was promised is not there");
	store_close(s);
}

/* False when the trouble was not met any more. */
static bool once(struct run *r)
{
	struct store *s = NULL;
	unsigned long met;

	disk_clear();
	ledger_clear();
	disk_seed(SEED + r->n);
	if (!r->kind->empty)
		disk_take_back();
	r->failed = 0;
	r->ended = false;
	disk_trouble(r->kind->call, r->kind->trouble, r->n, r->kind->many);
	if (open_store(r, &s) == STORE_OK && load_begin(s) == STORE_OK) {
		const bool opening = disk_trouble_met() > 0;

		work(r, s);
		if (disk_trouble_met() > 0) {
			disk_sound();
			if (!opening)
				afterwards(r, s);
		}
	}
	store_close(s);
	met = disk_trouble_met();
	disk_sound();
	if (r->failed > 1 || r->failed < (unsigned)r->ended)
		fault(r, "that it failed is said once, where it did");
	if (r->kind->starts_again)
		start_again(r);
	look(r);
	return met > 0;
}

/* The calls of one kind. Returns how many were in trouble. */
static unsigned long all(struct run *r, unsigned long every, uint64_t *chance)
{
	unsigned long runs = 0;

	r->n = 1;
	while (once(r)) {
		runs++;
		r->n += r->n == EACH ? 1 + disk_chance(chance, every) : r->n > EACH ? every : 1;
	}
	printf("  %s: %lu calls\n", r->kind->words, runs);
	return runs;
}

int main(int argc, char **argv)
{
	const bool must_fail = argc > 1 && strcmp(argv[1], "--must-fail") == 0;
	const unsigned long every = argc > 1 && !must_fail ? strtoul(argv[1], NULL, 10) : 1;
	struct run r = {.dir = "/tmp/keyhouse-badcalls-XXXXXX", .auditor = ledger_auditor()};
	uint64_t chance = (uint64_t)store_now_ms();
	unsigned long runs = 0;
	struct store *s = NULL;

	r.must_fail = must_fail;
	if (must_fail)
		ledger_quiet();
	disk_install();
	if (every == 0 || mkdtemp(r.dir) == NULL)
		return 2;
	(void)snprintf(r.path, sizeof(r.path), "%s/k.db", r.dir);
	if (open_store(&r, &s) != STORE_OK || load_begin(s) != STORE_OK)
		return 2;
	store_close(s);
	disk_cut();
	disk_restore();
	disk_keep();
	for (size_t k = 0; k < (must_fail ? 1 : sizeof(kinds) / sizeof(kinds[0])); k++) {
		r.kind = &kinds[k];
		runs += all(&r, every, &chance);
	}
	disk_clear();
	(void)unlink(r.path);
	(void)rmdir(r.dir);
	printf("  %s: %lu, %lu faults\n", must_fail ? "bad calls, broken on purpose" : "bad calls", runs, r.faults);
	return (r.faults > 0) == must_fail ? 0 : 1;
}
