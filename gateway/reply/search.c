/*
 * Reads a question into queries and keeps the best products of each. The text is
 * a stranger's. Called by the catalogue.
 */
#include "gateway/reply/search.h"

#include <stdio.h>
#include <string.h>

static bool is_short(const struct reply_word *w)
{
	return !w->number && w->len <= 2;
}

/* Whether word i is the letter of a model such as S21 or A14. */
static bool model_letter(const struct reply_search *s, size_t i)
{
	const struct reply_words *w = &s->words;

	return is_short(&w->word[i]) && i + 1 < w->len && w->word[i + 1].number && w->word[i + 1].gap == REPLY_GAP_NONE;
}

static bool behind_number(const struct reply_search *s, size_t i)
{
	return i > 0 && s->words.word[i - 1].number && s->words.word[i].gap <= REPLY_GAP_NONE;
}

/* "3 bags of rice", "2 x airpods", "by 5pm", "400k": no part of a name. */
static bool is_quantity(const struct reply_search *s, size_t i)
{
	const struct reply_word *next = &s->words.word[i + 1];

	if (i + 1 >= s->words.len || next->number || next->gap > REPLY_GAP_NONE)
		return false;
	if (next->gap == REPLY_GAP_NONE &&
		(reply_word_is(next, "k") || reply_word_is(next, "pm") || reply_word_is(next, "am")))
		return true;
	if (reply_word_is(next, "x"))
		return i + 2 < s->words.len && !s->words.word[i + 2].number;
	return s->words.word[i].len <= 2 && (s->means[i + 1] & REPLY_MEANS_SOFT) != 0;
}

static bool is_needed(const struct reply_search *s, size_t i)
{
	const struct reply_word *w = &s->words.word[i];

	if (w->number)
		return !is_quantity(s, i);
	if (model_letter(s, i))
		return true;
	if (behind_number(s, i) && ((s->means[i] & REPLY_MEANS_UNIT) != 0 || is_quantity(s, i - 1)))
		return false;
	return (s->means[i] & REPLY_MEANS_MODEL) != 0 || (s->means[i] & REPLY_MEANS_LITTLE) == 0;
}

static void add_term(const struct reply_search *s, struct reply_query *q, size_t i, bool linked)
{
	struct reply_term *t = &q->term[q->len++];
	const struct reply_word *w = &s->words.word[i];

	*t = (struct reply_term){.word = w, .means = s->means[i], .needed = is_needed(s, i), .linked = linked};
	if (w->number)
		t->telling = w->len <= 3 && t->needed;
	else
		t->telling = (t->means & REPLY_MEANS_MODEL) != 0 || model_letter(s, i);
	if (w->number && i + 1 < s->words.len && behind_number(s, i + 1) && (s->means[i + 1] & REPLY_MEANS_UNIT) != 0)
		t->unit = w + 1;
	t->weight = t->telling && !w->number ? 2 : 3;
	if (!w->number)
		reply_letters_of(&t->letters, w);
}

static void finish_query(struct reply_query *q)
{
	bool any = false;

	for (size_t i = 0; i < q->len; i++)
		any = any || q->term[i].needed;
	for (size_t i = 0; i < q->len; i++) {
		struct reply_term *t = &q->term[i];

		/* a "bag" is a product where nothing else is named */
		if (!any && (t->means & REPLY_MEANS_LITTLE) == REPLY_MEANS_SOFT)
			t->needed = true;
		if (!t->needed)
			continue;
		q->weight += t->weight;
		q->has_plain = q->has_plain || (!t->word->number && !t->telling);
	}
}

/* Words from..to of the question. */
struct part {
	size_t from, to;
	bool needs, plain; /* holds needed words; holds one that is no number or model word */
	enum reply_gap gap;
};

static void look_at(const struct reply_search *s, struct part *p)
{
	for (size_t i = p->from; i < p->to; i++) {
		if (!is_needed(s, i))
			continue;
		p->needs = true;
		if (!s->words.word[i].number && (s->means[i] & REPLY_MEANS_MODEL) == 0 && !model_letter(s, i))
			p->plain = true;
	}
}

/* "x and y"; not the e of "vitamin e" or of "vitamin e and c". */
static bool is_and(const struct reply_search *s, size_t i)
{
	bool joins = i + 1 < s->words.len && s->words.word[i + 1].gap < REPLY_GAP_LIST;

	if ((s->means[i] & REPLY_MEANS_AND) == 0 || !joins || is_needed(s, i))
		return false;
	return s->words.word[i].len > 1 || (s->means[i + 1] & REPLY_MEANS_AND) == 0;
}

/* Splits the question at "and", commas and ends of sentences, into at most max parts
 * that may name something. "iphone 13, 128gb" stays one. */
static size_t split(const struct reply_search *s, struct part *parts, size_t max)
{
	size_t n = 0, i = 0;

	while (i < s->words.len) {
		struct part p = {.from = i, .gap = s->words.word[i].gap};

		if (i > 0 && is_and(s, i - 1))
			p.gap = REPLY_GAP_LIST;
		do
			i++;
		while (i < s->words.len && s->words.word[i].gap < REPLY_GAP_LIST && !is_and(s, i) && !is_and(s, i - 1));
		p.to = i;
		look_at(s, &p);
		if (!p.needs)
			continue;
		if (n > 0 && !p.plain && p.gap == REPLY_GAP_BREAK)
			parts[n - 1].to = p.to;
		else if (n < max)
			parts[n++] = p;
	}
	return n;
}

static void add_part(struct reply_search *s, const struct part *parts, size_t k)
{
	struct reply_query *q = &s->query[s->queries++];
	size_t head = k;

	/* "iphone 13 and 14": the second is an iphone too */
	while (head > 0 && !parts[head].plain)
		head--;
	if (head < k) {
		for (size_t i = parts[head].from; i < parts[head].to; i++) {
			if (is_needed(s, i) && !s->words.word[i].number && (s->means[i] & REPLY_MEANS_MODEL) == 0 &&
				!model_letter(s, i))
				add_term(s, q, i, q->len > 0);
		}
	}
	for (size_t i = parts[k].from; i < parts[k].to && q->len < REPLY_WORDS_MAX; i++)
		add_term(s, q, i, q->len > 0 && s->words.word[i].gap < REPLY_GAP_LIST);
	finish_query(q);
}

static void read_meanings(struct reply_search *s)
{
	const struct reply_words *w = &s->words;

	for (size_t i = 0; i < w->len; i++) {
		s->means[i] = reply_lexicon_means(&s->lexicon, &w->word[i]);
		s->said |= s->means[i];
		if ((s->means[i] & REPLY_MEANS_PRICE) != 0)
			s->asks = true;
		/* "do you have", "una get"; not "I have sent" */
		if ((s->means[i] & REPLY_MEANS_HAVE) != 0) {
			for (size_t k = i > 2 ? i - 2 : 0; k < i; k++)
				s->asks = s->asks || (s->means[k] & REPLY_MEANS_YOU) != 0;
		}
	}
}

void reply_search_init(struct reply_search *s, const char *text)
{
	struct part parts[REPLY_QUERIES_MAX - 1];
	size_t n = strnlen(text, REPLY_QUESTION_BYTES);

	memset(s, 0, sizeof(*s));
	reply_lexicon_init(&s->lexicon);
	reply_words_read(&s->words, text, n);
	read_meanings(s);
	n = split(s, parts, REPLY_QUERIES_MAX - 1);
	s->queries = 1;
	s->query[0].whole = n > 1;
	for (size_t i = 0; i < s->words.len; i++)
		add_term(s, &s->query[0], i, i > 0 && s->words.word[i].gap < REPLY_GAP_LIST);
	finish_query(&s->query[0]);
	s->names = s->query[0].weight > 0;
	for (size_t k = 0; n > 1 && k < n; k++)
		add_part(s, parts, k);
}

void reply_search_all(struct reply_search *s)
{
	s->queries = 1;
	s->query[0].all = true;
	s->query[0].whole = false;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Orders names as people do: iPhone 8 before iPhone 13. */
static int compare_names(const char *a, const char *b)
{
	while (*a != 0 && *b != 0) {
		if (digit(*a) && digit(*b)) {
			size_t an, bn;
			int c;

			a += strspn(a, "0");
			b += strspn(b, "0");
			an = strspn(a, "0123456789");
			bn = strspn(b, "0123456789");
			c = an != bn ? (an < bn ? -1 : 1) : memcmp(a, b, an);
			if (c != 0)
				return c;
			a += an;
			b += bn;
		} else {
			unsigned char x = (unsigned char)*a++, y = (unsigned char)*b++;

			x = (unsigned char)(x >= 'A' && x <= 'Z' ? x + 32 : x);
			y = (unsigned char)(y >= 'A' && y <= 'Z' ? y + 32 : y);
			if (x != y)
				return x < y ? -1 : 1;
		}
	}
	return (*a != 0) - (*b != 0);
}

static void keep(struct reply_query *q, const struct store_product *p)
{
	size_t at = q->hits;

	q->total++;
	while (at > 0 && compare_names(p->name, q->hit[at - 1].name) < 0)
		at--;
	if (at == REPLY_SHOWN_MAX)
		return;
	if (q->hits == REPLY_SHOWN_MAX)
		q->hits--;
	memmove(&q->hit[at + 1], &q->hit[at], (q->hits - at) * sizeof(*p));
	q->hit[at] = *p;
	q->hits++;
}

static void offer_to(struct reply_query *q, const struct store_product *p, uint32_t rank)
{
	if (rank == 0 || rank < q->rank)
		return;
	if (rank > q->rank) {
		q->rank = rank;
		q->hits = 0;
		q->total = 0;
	}
	keep(q, p);
}

/* Raises best[] for every query; returns whether the name fits one of them. */
static bool score_name(const struct reply_search *s, const char *text, size_t len, uint32_t best[])
{
	struct reply_words name;
	bool any = false;
	uint32_t score;

	reply_words_read(&name, text, len);
	for (size_t i = 0; i < s->queries; i++) {
		score = s->query[i].all ? REPLY_SCORE_FULL : reply_score(&s->lexicon, &s->query[i], &name, s->asks);
		any = any || score > 0;
		if (score > best[i])
			best[i] = score;
	}
	return any;
}

/* Whether every query that the product fits at all, it fits fully. */
static bool all_full(const struct reply_search *s, const uint32_t best[])
{
	for (size_t i = 0; i < s->queries; i++) {
		if (best[i] > 0 && best[i] < REPLY_SCORE_FULL)
			return false;
	}
	return true;
}

void reply_search_offer(struct reply_search *s, const struct store_product *p)
{
	char both[STORE_PRODUCT_NAME_LEN + STORE_PRODUCT_ALIASES_LEN + 2];
	uint32_t best[REPLY_QUERIES_MAX] = {0};
	bool by_name, by_alias = false;
	size_t len;

	s->seen_product = true;
	by_name = score_name(s, p->name, strlen(p->name), best);
	for (const char *alias = p->aliases; *alias != 0; alias += len + (alias[len] == '\n' ? 1 : 0)) {
		len = strcspn(alias, "\n");
		by_alias = score_name(s, alias, len, best) || by_alias;
	}
	if (*p->aliases != 0 && (by_name || by_alias) && !all_full(s, best)) {
		/* "mama gold rice" where the rice has the alias mama gold */
		len = (size_t)snprintf(both, sizeof(both), "%s %s", p->name, p->aliases);
		for (size_t i = 0; i < len; i++)
			both[i] = (char)(both[i] == '\n' ? ' ' : both[i]);
		(void)score_name(s, both, len, best);
	}
	for (size_t i = 0; i < s->queries; i++)
		offer_to(&s->query[i], p, best[i]);
}

enum reply_match reply_query_match(const struct reply_query *q)
{
	return q->hits == 0 ? REPLY_MATCH_NONE : q->rank >= REPLY_SCORE_FULL ? REPLY_MATCH_FULL : REPLY_MATCH_CLOSE;
}
