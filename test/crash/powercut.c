/*
 * Goal of this test: what the store has answered for is there after a power cut, whenever that comes: each event with its
 * very bytes, what was settled with all its rows, nothing half, nothing twice, the audit whole.
 *
 * usage: powercut [--cuts N] [--seed N] [--must-lose]
 *
 * The store is the real one, over a disk that keeps what was synced and leaves the rest to chance (disk.h). The power is
 * cut at a chosen change of a file, also while the database is made or opened and while the log is brought into the file;
 * a disk lives through a few cuts before a new one is taken. --must-lose: for a store that was broken on purpose, in which
 * a loss must be found. The seed repeats what is chosen here, not how threads take turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "test/crash/disk.h"
#include "test/crash/load.h"

#define LIVES 6u /* cuts of one disk, at most */

struct run {
	unsigned long cuts;
	uint64_t seed, chance;
	bool must_lose;
	char dir[64], path[80];
	struct store_auditor auditor;
	size_t lost, damage, promised; /* in all */
	unsigned long opening, closing; /* cuts while the store was opened, or closed */
};

static uint64_t pick(struct run *r, uint64_t n)
{
	return disk_chance(&r->chance, n);
}

static enum store_error open_store(struct run *r, struct store **out)
{
	const struct store_options opt = {.path = r->path, .create = true, .readers = 3, .audit = r->auditor};

	return store_open(out, &opt);
}

/* Where the next cut comes: counted in changes of files. Making a database takes a few hundred. */
static unsigned long cut_place(struct run *r)
{
	static const unsigned long up_to[] = {40, 600, 2500, 8000};

	return 1 + pick(r, up_to[pick(r, sizeof(up_to) / sizeof(up_to[0]))]);
}

/* Works until the power is gone. */
static void live(struct run *r)
{
	static const unsigned steps[] = {10, 60, 400};
	struct store *s = NULL;
	enum store_error err;

	disk_cut_at(cut_place(r));
	err = open_store(r, &s);
	if (err == STORE_OK)
		err = load_begin(s);
	if (err == STORE_OK)
		load_run(s, pick(r, UINT64_MAX), steps[pick(r, sizeof(steps) / sizeof(steps[0]))]);
	else if (!disk_is_cut()) {
		r->damage++;
		printf("  it does not open: %s\n", store_error_text(err));
	}
	r->opening += s == NULL;
	if (s != NULL && !disk_is_cut()) {
		disk_cut_at(1 + pick(r, 60));
		r->closing++;
	}
	store_close(s);
	disk_cut();
}

/* The power is back. False where something was lost. */
static bool look(struct run *r)
{
	const size_t lost = r->lost, damage = r->damage;
	struct store *s = NULL;
	enum store_error err;

	r->promised += ledger_promised();
	disk_restore();
	/* The directory is one on the system's own disk, whose file says only that the database was made. */
	if (!disk_has(r->path))
		(void)unlink(r->path);
	err = open_store(r, &s);
	if (err != STORE_OK) {
		printf("  it does not open any more: %s\n", store_error_text(err));
		r->damage++;
	} else {
		r->lost += ledger_check(s, r->path, &r->auditor, &r->damage);
	}
	store_close(s);
	return r->lost == lost && r->damage == damage;
}

static void anew(struct run *r)
{
	disk_clear();
	ledger_clear();
	(void)unlink(r->path);
}

/* Returns after how many cuts something was lost, or 0. */
static unsigned long cuts(struct run *r)
{
	unsigned long lives = 0;

	for (unsigned long n = 1; n <= r->cuts; n++) {
		if (lives == 0) {
			anew(r);
			lives = 1 + pick(r, LIVES);
		}
		live(r);
		lives--;
		if (!look(r))
			return n;
	}
	return 0;
}

static bool arguments(struct run *r, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *end = NULL;

		if (strcmp(argv[i], "--must-lose") == 0) {
			r->must_lose = true;
			continue;
		}
		if (i + 1 == argc)
			return false;
		if (strcmp(argv[i], "--cuts") == 0)
			r->cuts = strtoul(argv[++i], &end, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			r->seed = strtoull(argv[++i], &end, 10);
		if (end == NULL || *end != '\0')
			return false;
	}
	return true;
}

static void said(const struct run *r, unsigned long after)
{
	const unsigned long long seed = r->seed;

	if (after > 0)
		printf("  %s: power cut %lu lost %zu, damaged %zu (--seed %llu)\n",
			r->must_lose ? "broken, as it shows" : "NOT GOOD", after, r->lost, r->damage, seed);
	else
		printf("  %s: %lu power cuts, %lu while it opens, %lu at its end; promised %zu, lost 0 (--seed %llu)\n",
			r->must_lose ? "NOT GOOD, broken and not seen" : "power cuts", r->cuts, r->opening, r->closing,
			r->promised, seed);
}

int main(int argc, char **argv)
{
	struct run r = {.cuts = 500, .dir = "/tmp/keyhouse-powercut-XXXXXX", .auditor = ledger_auditor()};
	uint32_t seed;
	unsigned long after;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 2;
	r.seed = seed;
	if (!arguments(&r, argc, argv)) {
		(void)fprintf(stderr, "usage: powercut [--cuts N] [--seed N] [--must-lose]\n");
		return 2;
	}
	if (r.must_lose)
		ledger_quiet();
	r.chance = r.seed;
	disk_install();
	disk_seed(r.seed ^ UINT64_C(0x5eed));
	if (mkdtemp(r.dir) == NULL)
		return 2;
	(void)snprintf(r.path, sizeof(r.path), "%s/k.db", r.dir);
	after = cuts(&r);
	anew(&r);
	(void)rmdir(r.dir);
	said(&r, after);
	return (after > 0) == r.must_lose ? 0 : 1;
}
