/*
 * How well a product's name fits a query. Numbers must be the same; words may be
 * misspelled, in the plural, joined or split, and in any order. Called for every
 * product of a shop, so the cheap tests come first.
 */
#include <string.h>

#include "gateway/reply/search.h"
#include "vault/vault.h"

#define UNMATCHED UINT8_MAX

struct fit {
	const struct reply_lexicon *lx;
	const struct reply_query *q;
	const struct reply_words *name;
	uint8_t at[REPLY_WORDS_MAX]; /* for each term the place in the name, or UNMATCHED */
	uint8_t cost[REPLY_WORDS_MAX];
	uint64_t covered; /* words of the name that a term matched */
};

static void set(struct fit *f, size_t term, size_t place, int cost)
{
	f->at[term] = (uint8_t)place;
	f->cost[term] = (uint8_t)cost;
	f->covered |= UINT64_C(1) << place;
}

static bool same_word(const struct reply_word *a, const struct reply_word *b)
{
	return a->len == b->len && a->mask == b->mask && a->number == b->number && memcmp(a->s, b->s, a->len) == 0;
}

static bool is_unit(const struct fit *f, size_t place)
{
	const struct reply_words *n = f->name;

	return place > 0 && place < n->len && n->word[place - 1].number &&
		(reply_lexicon_means(f->lx, &n->word[place]) & REPLY_MEANS_UNIT) != 0;
}

/* 5 kg is not 5 g. */
static bool units_fit(const struct fit *f, const struct reply_term *t, size_t place)
{
	return t->unit == NULL || !is_unit(f, place + 1) || reply_units_agree(t->unit, &f->name->word[place + 1]);
}

static bool more_bits(uint32_t bits, unsigned than)
{
	for (; bits != 0; bits &= bits - 1) {
		if (than-- == 0)
			return true;
	}
	return false;
}

/* The distance of two words of letters, -1 when they are different words. */
static int distance(const struct reply_word *a, const struct reply_letters *letters, const struct reply_word *b)
{
	struct reply_letters other;
	unsigned shorter = a->len < b->len ? a->len : b->len, longer = a->len < b->len ? b->len : a->len;
	unsigned most = reply_slips_allowed(longer);

	/* room for what a plural and a sound change, too */
	if (a->number || b->number || shorter < 3 || longer - shorter > most + 2 ||
		more_bits(a->mask ^ b->mask, 2 * most + 2))
		return -1;
	reply_letters_of(&other, b);
	return reply_letters_distance(letters, &other);
}

static void match_term(struct fit *f, size_t i)
{
	const struct reply_term *t = &f->q->term[i];
	const struct reply_words *n = f->name;
	bool exact_only = t->word->number || t->telling;
	int best = -1, d;
	size_t place = 0;

	for (size_t j = 0; j < n->len && best != 0; j++) {
		if (same_word(t->word, &n->word[j]))
			d = units_fit(f, t, j) ? 0 : -1;
		else
			d = exact_only ? -1 : distance(t->word, &t->letters, &n->word[j]);
		if (d >= 0 && (best < 0 || d < best)) {
			best = d;
			place = j;
		}
	}
	if (best >= 0)
		set(f, i, place, best);
}

struct joined {
	struct reply_word word;
	struct reply_letters letters;
	char bytes[64];
};

static bool join(struct joined *out, const struct reply_word *a, const struct reply_word *b)
{
	size_t n = (size_t)a->len + b->len;

	if (a->number || b->number || n > sizeof(out->bytes) || b->gap >= REPLY_GAP_LIST)
		return false;
	memcpy(out->bytes, a->s, a->len);
	memcpy(out->bytes + a->len, b->s, b->len);
	out->word = (struct reply_word){.s = out->bytes, .len = (uint8_t)n, .mask = a->mask | b->mask};
	reply_letters_of(&out->letters, &out->word);
	return true;
}

/* Whether two words of the question, run together, are one of the name: -1, or how far apart they are. */
static int split_distance(const struct reply_term *t, const struct reply_term *u, const struct reply_word *w)
{
	int sum = t->word->len + u->word->len - w->len, d = -1;
	struct joined j;

	if (w->number || sum > 2 || sum < -2 || w->s[0] != t->word->s[0] || !join(&j, t->word, u->word))
		return -1;
	d = distance(&j.word, &j.letters, w);
	vault_wipe(&j, sizeof(j));
	return d;
}

/* "i phone" asked, "iPhone" in the name. */
static void match_split(struct fit *f, size_t i)
{
	const struct reply_term *t = &f->q->term[i], *u = t + 1;

	if (!u->linked || (!t->needed && !u->needed) || t->word->number || u->word->number)
		return;
	if (f->at[i] != UNMATCHED && f->at[i + 1] != UNMATCHED && f->cost[i] + f->cost[i + 1] == 0)
		return;
	for (size_t k = 0; k < f->name->len; k++) {
		int d = split_distance(t, u, &f->name->word[k]);

		if (d != 0 && d != 1)
			continue;
		set(f, i, k, d);
		set(f, i + 1, k, 0);
		return;
	}
}

/* "airpods" asked, "Air Pods" in the name. */
static void match_joined(struct fit *f, size_t i)
{
	const struct reply_term *t = &f->q->term[i];
	const struct reply_words *n = f->name;
	struct joined j;

	if (t->word->number || t->word->len < 4 || (f->at[i] != UNMATCHED && f->cost[i] == 0))
		return;
	for (size_t k = 0; k + 1 < n->len; k++) {
		const struct reply_word *a = &n->word[k], *b = a + 1;
		int sum = a->len + b->len - t->word->len, d;

		if (sum > 2 || sum < -2 || a->s[0] != t->word->s[0] || !join(&j, a, b))
			continue;
		d = distance(t->word, &t->letters, &j.word);
		if (d != 0 && d != 1)
			continue;
		set(f, i, k, d);
		set(f, i, k + 1, d);
		return;
	}
}

static bool match_little_at(struct fit *f, size_t i, size_t place)
{
	if (place >= f->name->len || !same_word(f->q->term[i].word, &f->name->word[place]))
		return false;
	set(f, i, place, 0);
	return true;
}

/* A little word counts where it stands beside a word that matched: "vitamin e". */
static unsigned match_little(struct fit *f, size_t i)
{
	if (f->q->term[i].needed || f->at[i] != UNMATCHED)
		return 0;
	if (i > 0 && f->at[i - 1] != UNMATCHED && match_little_at(f, i, f->at[i - 1] + 1u))
		return 1;
	return i + 1 < f->q->len && f->at[i + 1] != UNMATCHED && f->at[i + 1] > 0 &&
		match_little_at(f, i, f->at[i + 1] - 1u);
}

static bool ends_run(const struct fit *f, size_t i)
{
	const struct reply_term *t = &f->q->term[i];

	return !t->needed && f->at[i] == UNMATCHED && !t->word->number &&
		(t->means & (REPLY_MEANS_UNIT | REPLY_MEANS_SOFT)) == 0;
}

struct tally {
	unsigned matched, cost, extra, noise, bonus, missing, sizes;
	bool specific;
};

/* Words from..to of the query were said in one breath: what the name lacks of them,
 * it lacks, unless it has none of them. */
static void count_run(const struct fit *f, size_t from, size_t to, struct tally *t)
{
	bool any = false;

	for (size_t i = from; i < to; i++)
		any = any || f->at[i] != UNMATCHED;
	for (size_t i = from; i < to; i++) {
		const struct reply_term *term = &f->q->term[i];

		if (!term->needed)
			continue;
		if (f->at[i] != UNMATCHED) {
			t->matched += term->weight;
			t->cost += f->cost[i];
			t->specific = t->specific || term->word->number || term->telling;
		} else if (any && (term->means & REPLY_MEANS_BRAND) != 0 && reply_brand_implied(term->word, f->name)) {
			t->matched += term->weight;
		} else if (any || term->telling) {
			t->extra++;
		} else {
			t->noise++;
		}
	}
}

/* What the name says more than the query. */
static void count_missing(const struct fit *f, struct tally *t)
{
	const struct reply_words *n = f->name;

	for (size_t k = 0; k < n->len; k++) {
		unsigned means;

		if ((f->covered >> k & 1) != 0)
			continue;
		means = reply_lexicon_means(f->lx, &n->word[k]);
		if (is_unit(f, k) || ((means & REPLY_MEANS_BRAND) != 0 && reply_brand_implied(&n->word[k], n)))
			continue;
		if (n->word[k].number && is_unit(f, k + 1))
			t->sizes++;
		else if ((means & REPLY_MEANS_MODEL) != 0 || (means & REPLY_MEANS_LITTLE) == 0)
			t->missing++;
	}
}

static uint32_t rank_of(const struct reply_query *q, const struct tally *t, bool asks)
{
	uint32_t cost = t->cost > 255 ? 0 : 255 - t->cost;
	uint32_t missing = t->missing > 100 ? 100 : t->missing;
	bool enough = asks || t->matched * 2 >= q->weight;

	if (!enough)
		return 0;
	if (t->extra > 0 || (q->whole && t->noise > 0))
		return q->whole ? 0 : 1 + (((uint32_t)t->matched & 0xfff) << 12 | cost << 4);
	return REPLY_SCORE_FULL | cost << 20 | (t->bonus > 15 ? 15u : t->bonus) << 16 |
		(t->missing + t->sizes == 0 ? UINT32_C(1) << 15 : 0) | (t->specific ? 100 - missing : 0);
}

/* Cheap to tell before the rest is counted: nothing but a number or model word fits,
 * or another product has all of what this one lacks. */
static bool hopeless(const struct fit *f)
{
	bool plain = !f->q->has_plain;

	for (size_t i = 0; i < f->q->len; i++) {
		const struct reply_term *t = &f->q->term[i];

		if (t->needed && t->telling && f->at[i] == UNMATCHED && f->q->rank >= REPLY_SCORE_FULL)
			return true;
		plain = plain || (t->needed && !t->telling && !t->word->number && f->at[i] != UNMATCHED);
	}
	return !plain;
}

uint32_t reply_score(
	const struct reply_lexicon *lx, const struct reply_query *q, const struct reply_words *name, bool asks)
{
	struct fit f = {.lx = lx, .q = q, .name = name};
	struct tally t = {0};
	size_t from = 0;
	unsigned lacking = 0;

	memset(f.at, UNMATCHED, q->len);
	memset(f.cost, 0, q->len);
	for (size_t i = 0; i < q->len; i++) {
		if (!q->term[i].needed)
			continue;
		match_term(&f, i);
		match_joined(&f, i);
		/* two more words may still be found joined */
		lacking += f.at[i] == UNMATCHED;
		if (q->whole && lacking > 2)
			return 0;
	}
	for (size_t i = 0; i + 1 < q->len; i++)
		match_split(&f, i);
	if (f.covered == 0 || hopeless(&f))
		return 0;
	for (size_t i = 0; i < q->len; i++)
		t.bonus += match_little(&f, i);
	for (size_t i = q->len; i-- > 0;)
		t.bonus += match_little(&f, i);
	for (size_t i = 0; i <= q->len; i++) {
		if (i < q->len && q->term[i].linked && !ends_run(&f, i))
			continue;
		count_run(&f, from, i, &t);
		from = i;
	}
	count_missing(&f, &t);
	return rank_of(q, &t, asks);
}
