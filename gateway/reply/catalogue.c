/*
 * Question in, answer text out. The question is a stranger's: nothing of it is ever
 * repeated in an answer. Called through the table in reply.c.
 */
#include "gateway/reply/catalogue.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/reply/message.h"
#include "gateway/reply/price.h"
#include "gateway/reply/search.h"

#define ANSWERED_AT_ONCE_MAX 3u

/* A text message under construction, bounded by what WhatsApp takes, and what it is about. */
struct draft {
	char text[REPLY_TEXT_MAX];
	size_t len;
	struct store_demand *demand;
};

static void add(struct draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct draft *d, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(d->text + d->len, sizeof(d->text) - d->len, format, ap);
	va_end(ap);
	/* a line that does not fit is left out whole, never cut inside a character */
	if (n > 0 && (size_t)n < sizeof(d->text) - d->len)
		d->len += (size_t)n;
	d->text[d->len] = 0;
}

static void add_product(struct draft *d, const struct store_product *p)
{
	static const char *const counted[] = {"bag", "pack", "piece", "bottle", "pair", "carton", "can", "cup", "tin",
		"roll", "set", "sachet", "crate", "yard", "plate", "unit"};
	char price[REPLY_PRICE_TEXT_MAX], count[32];
	const char *unit = p->unit[0] == 0 ? "unit" : p->unit, *plural = "";

	reply_price_text(price, sizeof(price), p->price, p->currency);
	add(d, "%s\n", p->name);
	add(d, "Price: %s\n", price);
	if (p->stock == 0)
		add(d, "Out of stock\n");
	if (p->stock <= 0)
		return;
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		if (p->stock > 1 && strcmp(unit, counted[i]) == 0)
			plural = "s";
	}
	reply_count_text(count, sizeof(count), p->stock);
	add(d, "In stock: %s %s%s\n", count, unit, plural);
}

/* What the question found in all its parts. */
struct found {
	struct store_product product[REPLY_SHOWN_MAX];
	size_t len;
	unsigned more; /* fit, too, but are not shown */
	bool close; /* some are only near what was asked for */
	bool several; /* for one thing that was asked for */
};

static bool holds(const struct found *f, const struct store_product *p)
{
	for (size_t i = 0; i < f->len; i++) {
		if (strcmp(f->product[i].id, p->id) == 0 && strcmp(f->product[i].name, p->name) == 0)
			return true;
	}
	return false;
}

static void collect(struct found *f, const struct reply_query *q)
{
	if (q->hits == 0)
		return;
	f->close = f->close || reply_query_match(q) == REPLY_MATCH_CLOSE;
	f->several = f->several || q->total > 1;
	f->more += q->total - (unsigned)q->hits;
	for (size_t i = 0; i < q->hits; i++) {
		if (holds(f, &q->hit[i]))
			continue;
		if (f->len < REPLY_SHOWN_MAX)
			f->product[f->len++] = q->hit[i];
		else
			f->more++;
	}
}

/* The question as a whole where one product has all of it ("salt and pepper"), else part
 * by part, unless only the whole gives an answer. */
static void gather(struct found *f, const struct reply_search *s)
{
	const struct reply_query *whole = &s->query[0];
	bool full = reply_query_match(whole) == REPLY_MATCH_FULL;

	if (s->queries > 1 && !(full && whole->total == 1)) {
		for (size_t i = 1; i < s->queries; i++)
			collect(f, &s->query[i]);
		if (!full || (f->len > 0 && !f->close && !f->several))
			return;
		memset(f, 0, sizeof(*f));
	}
	collect(f, whole);
}

static void say_products(struct draft *d, const struct found *f, const char *shop)
{
	bool any = false;

	for (size_t i = 0; i < f->len; i++) {
		add_product(d, &f->product[i]);
		if (i + 1 < f->len)
			add(d, "\n");
		any = any || f->product[i].stock != 0;
	}
	if (f->len > 1)
		add(d, "\n");
	add(d, "%s\n", shop);
	add(d, any ? "Reply ORDER to proceed." : "You are welcome to ask about another product.");
}

static void say_list(struct draft *d, const struct found *f, const char *shop, const char *opening)
{
	char price[REPLY_PRICE_TEXT_MAX];

	add(d, "%s\n", opening);
	for (size_t i = 0; i < f->len; i++) {
		const struct store_product *p = &f->product[i];

		reply_price_text(price, sizeof(price), p->price, p->currency);
		add(d, "%zu. %s - %s%s\n", i + 1, p->name, price, p->stock == 0 ? " (out of stock)" : "");
	}
	if (f->more > 0)
		add(d, "and %u more\n", f->more);
	add(d, "Which one would you like? Please reply with its name.\n");
	add(d, "%s", shop);
}

_Static_assert(REPLY_SHOWN_MAX <= STORE_DEMAND_PRODUCTS, "an answer's products are counted, all of them");

/* Who asks for the whole list asks for nothing of it. */
static void note_demand(struct store_demand *out, const struct found *f, bool whole_list)
{
	out->asked = true;
	for (size_t i = 0; i < f->len && !whole_list; i++)
		memcpy(out->products[out->products_len++], f->product[i].id, sizeof(out->products[0]));
}

static void say_found(struct draft *d, const struct found *f, const struct reply_search *s, const char *shop)
{
	if (!f->close && !f->several && f->len <= ANSWERED_AT_ONCE_MAX)
		say_products(d, f, shop);
	else if (s->query[0].all)
		say_list(d, f, shop, "Here is what we have:");
	else if (f->close)
		say_list(d, f, shop, "We did not find exactly that. The closest we have:");
	else
		say_list(d, f, shop, "We have these:");
	note_demand(d->demand, f, s->query[0].all);
}

static void say_personal(struct draft *d, const char *shop)
{
	add(d, "Thank you for your message. %s will reply to you personally.", shop);
}

/* Whether all that is not little words is the shop's own name: "Hello Paul's Electronics". */
static bool only_shop_name(const struct reply_search *s, const char *shop)
{
	struct reply_words name;

	reply_words_read(&name, shop, strlen(shop));
	for (size_t i = 0; i < s->query[0].len; i++) {
		const struct reply_term *t = &s->query[0].term[i];
		bool known = !t->needed;

		for (size_t k = 0; k < name.len && !known; k++)
			known = name.word[k].len == t->word->len &&
				memcmp(name.word[k].s, t->word->s, t->word->len) == 0;
		if (!known)
			return false;
	}
	return true;
}

static void greet(struct draft *d, const char *shop)
{
	add(d, "Hello, welcome to %s. To get a price, send us the name of a product.", shop);
}

/* Only the word ORDER, with the words people put around it. */
static bool is_order(const struct reply_search *s)
{
	const unsigned about = REPLY_MEANS_AWAY | REPLY_MEANS_COMPLAINT;

	if ((s->said & REPLY_MEANS_ORDER) == 0 || (s->said & about) != 0)
		return false;
	for (size_t i = 0; i < s->words.len; i++) {
		if (reply_word_is(&s->words.word[i], "my"))
			return false;
	}
	return true;
}

/* A message without a word that could name a product. May stay silent. */
static void answer_small_talk(struct draft *d, const struct reply_search *s, const char *shop)
{
	if (s->words.len == 0)
		return;
	if (is_order(s))
		add(d, "Thank you. %s will confirm your order with you personally.", shop);
	else if ((s->said & (REPLY_MEANS_AWAY | REPLY_MEANS_COMPLAINT | REPLY_MEANS_ORDER)) != 0)
		say_personal(d, shop);
	else if (s->asks)
		add(d, "Which product would you like to know about? Please send its name.\n%s", shop);
	else if ((s->said & REPLY_MEANS_THANKS) != 0)
		return;
	else if ((s->said & REPLY_MEANS_GREETING) != 0)
		greet(d, shop);
	else if ((s->said & REPLY_MEANS_ANSWER) != 0)
		say_personal(d, shop);
	else
		greet(d, shop);
}

static void answer_not_found(struct draft *d, const struct reply_search *s, const char *shop)
{
	if (!s->seen_product) {
		add(d, "Thank you for your message. A person at %s will answer you soon.", shop);
	} else if (only_shop_name(s, shop) && (s->said & REPLY_MEANS_GREETING) != 0) {
		greet(d, shop);
	} else if (s->asks && (s->said & (REPLY_MEANS_AWAY | REPLY_MEANS_COMPLAINT)) == 0) {
		add(d, "Sorry, we did not find that at %s. Could you name the product another way?", shop);
		d->demand->asked = true;
	} else {
		say_personal(d, shop);
	}
}

/* "2" answers a list of ours, which is not remembered here. */
static bool is_bare_choice(const struct reply_search *s)
{
	return s->words.len == 1 && s->words.word[0].number && s->words.word[0].len == 1;
}

static bool each(const struct store_product *p, void *arg)
{
	reply_search_offer(arg, p);
	return true;
}

/* False: the store does not give the list. */
static bool answer(
	struct store *store, const struct reply_question *q, const char *shop, struct reply_search *s, struct draft *d)
{
	struct found f = {0};
	bool list = (s->said & REPLY_MEANS_LIST) != 0 && s->query[0].weight == 0;

	if (list)
		reply_search_all(s);
	else if (is_bare_choice(s))
		add(d, "Please reply with the name of the product you mean.\n%s", shop);
	else if (!s->names)
		answer_small_talk(d, s, shop);
	else if ((s->said & REPLY_MEANS_COMPLAINT) != 0 && !s->asks)
		say_personal(d, shop);
	if (!list && (d->len > 0 || !s->names))
		return true;
	if (store_product_each(store, q->business_id, each, s) != STORE_OK)
		return false;
	gather(&f, s);
	if (f.len > 0)
		say_found(d, &f, s, shop);
	else
		answer_not_found(d, s, shop);
	return true;
}

/* The start of a name of any length, whole characters only. */
static void cut(char *out, size_t out_len, const char *s)
{
	size_t n = strnlen(s, out_len);

	if (n == out_len) {
		n--;
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(out, s, n);
	out[n] = 0;
}

static void look_up(const struct reply_context *c, const struct reply_question *question, struct reply_search *s,
	struct reply_answer *out)
{
	struct draft d = {.len = 0, .demand = &out->demand};
	char shop[STORE_NAME_LEN + 1];

	cut(shop, sizeof(shop), question->business_name);
	reply_search_init(s, question->text);
	if (!answer(c->store, question, shop, s, &d)) {
		(void)snprintf(out->why, sizeof(out->why), "the list of products cannot be read");
		return;
	}
	if (d.len > 0) {
		out->messages[0] = reply_message_text(&question->customer, d.text);
		if (out->messages[0] == NULL)
			return;
		out->len = 1;
	}
	out->outcome = REPLY_ANSWERED;
	out->why[0] = '\0';
}

void reply_catalogue_ask(const struct reply_context *c, const struct reply_question *question,
	void (*done)(void *arg, const struct reply_answer *a), void *arg)
{
	struct reply_answer a = {.outcome = REPLY_LATER, .why = "memory is short"};
	struct reply_search *s = malloc(sizeof(*s));

	if (s != NULL) {
		look_up(c, question, s, &a);
		vault_wipe(s, sizeof(*s)); /* it holds the customer's words */
		free(s);
	}
	done(arg, &a);
	reply_answer_clear(&a);
}
