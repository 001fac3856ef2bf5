/* The catalogue responder: what a customer asks, and what the shop's list answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/json.h"
#include "gateway/reply/reply.h"
#include "test/unit/reply/fake_store.h"

struct row {
	const char *name, *aliases, *price, *currency;
	int64_t stock;
	const char *unit;
};

#define LIST_MAX 32

struct shop {
	struct store_product product[LIST_MAX];
	struct store store;
};

static struct shop *open_shop(const struct row *rows, size_t len)
{
	struct shop *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	assert_true(len <= LIST_MAX);
	for (size_t i = 0; i < len; i++) {
		struct store_product *p = &s->product[i];

		snprintf(p->id, sizeof(p->id), "p%zu", i);
		snprintf(p->name, sizeof(p->name), "%s", rows[i].name);
		snprintf(p->aliases, sizeof(p->aliases), "%s", rows[i].aliases);
		snprintf(p->price, sizeof(p->price), "%s", rows[i].price);
		snprintf(p->currency, sizeof(p->currency), "%s", rows[i].currency);
		snprintf(p->unit, sizeof(p->unit), "%s", rows[i].unit);
		p->stock = rows[i].stock;
	}
	s->store = (struct store){.business_id = "paul", .products = s->product, .len = len};
	return s;
}

#define OPEN(rows) open_shop(rows, sizeof(rows) / sizeof((rows)[0]))

/* What came of an ask: the answer itself is borrowed. */
struct got {
	unsigned times;
	enum reply_outcome outcome;
	size_t len;
	char *message, *text; /* of the one message, NULL for silence */
	struct store_demand demand;
	bool complains;
};

static void done(void *arg, const struct reply_answer *a)
{
	struct got *g = arg;
	cJSON *message;

	g->times++;
	g->outcome = a->outcome;
	g->len = a->len;
	g->complains = a->why[0] != 0;
	g->demand = a->demand;
	if (a->len == 0)
		return;
	g->message = strdup(a->messages[0]);
	message = json_parse(g->message, strlen(g->message));
	g->text = strdup(cJSON_GetStringValue(json_get_path(message, "text.body")));
	cJSON_Delete(message);
}

static void got_clear(struct got *g)
{
	free(g->message);
	free(g->text);
}

static struct got ask_of(
	struct store *store, const char *responder, const char *business_id, const char *shop, const char *text)
{
	const struct reply_context c = {.store = store};
	const struct reply_question q = {.business_id = business_id,
		.business_name = shop,
		.kind = STORE_ASK_QUESTION,
		.customer = {"15557770001", "US.1001"},
		.text = text};
	struct got g = {.times = 0};

	reply_ask(&c, responder, &q, done, &g);
	assert_int_equal(g.times, 1);
	return g;
}

/* The one text, or "" for silence. The caller frees it. */
static char *ask(struct shop *s, const char *text)
{
	struct got g = ask_of(&s->store, "catalogue", "paul", "Paul's Electronics", text);
	char *out = g.len == 0 ? strdup("") : strdup(g.text);

	assert_int_equal(g.outcome, REPLY_ANSWERED);
	assert_true(g.len <= 1);
	got_clear(&g);
	assert_non_null(out);
	assert_true(strlen(out) <= REPLY_TEXT_MAX);
	return out;
}

static void expect(struct shop *s, const char *question, const char *answer)
{
	char *got = ask(s, question);

	if (strcmp(got, answer) != 0)
		print_error("asked: %s\ngot:\n%s\n", question, got);
	assert_string_equal(got, answer);
	free(got);
}

/* What kind of answer came, and which products in it:
 * "=A|B" answers them, "?A|B" asks which of them, "~A|B" offers them as closest,
 * "-" not found, "." silence, "hello", "personal", "which", "order", "name". */
static void sort_of(const char *got, char *out, size_t out_len)
{
	const char *line = got, *kind = NULL;
	size_t used = 0;

	if (got[0] == 0)
		kind = ".";
	else if (strstr(got, "did not find that at Paul's") != NULL)
		kind = "-";
	else if (strncmp(got, "Hello", 5) == 0)
		kind = "hello";
	else if (strstr(got, "personally") != NULL)
		kind = strstr(got, "confirm your order") != NULL ? "order" : "personal";
	else if (strncmp(got, "Which product", 13) == 0)
		kind = "which";
	else if (strncmp(got, "Please reply with the name", 26) == 0)
		kind = "name";
	if (kind != NULL) {
		snprintf(out, out_len, "%s", kind);
		return;
	}
	used = (size_t)snprintf(out, out_len, "%s",
		strstr(got, "did not find exactly") != NULL ? "~"
			: strstr(got, "\n1. ") != NULL	    ? "?"
							    : "=");
	while (*line != 0) {
		size_t len = strcspn(line, "\n"), from = 0, name;
		const char *next = line + len + (line[len] == '\n' ? 1 : 0);

		if (out[0] == '=' && strncmp(next, "Price: ", 7) == 0) {
			used += (size_t)snprintf(
				out + used, out_len - used, "%s%.*s", used > 1 ? "|" : "", (int)len, line);
		} else if (out[0] != '=' && line[0] >= '1' && line[0] <= '9' && line[1] == '.') {
			from = 3;
			name = (size_t)(strstr(line, " - ") - line) - from;
			used += (size_t)snprintf(
				out + used, out_len - used, "%s%.*s", used > 1 ? "|" : "", (int)name, line + from);
		}
		line = next;
	}
}

struct question {
	const char *asked, *want;
};

static void check(struct shop *s, const struct question *list, size_t len)
{
	char got[2000];
	unsigned wrong = 0;

	for (size_t i = 0; i < len; i++) {
		char *answer = ask(s, list[i].asked);

		sort_of(answer, got, sizeof(got));
		if (strcmp(got, list[i].want) != 0) {
			print_error("asked %s\n  want %s\n  got  %s\n", list[i].asked, list[i].want, got);
			wrong++;
		}
		free(answer);
	}
	free(s);
	assert_int_equal(wrong, 0);
}

#define CHECK(rows, questions) check(OPEN(rows), questions, sizeof(questions) / sizeof((questions)[0]))

static const struct row phones[] = {
	{"iPhone 13", "", "400000", "NGN", 3, ""},
	{"iPhone 13 Pro (128GB)", "13 pro small", "450000", "NGN", 5, ""},
	{"iPhone 14 Pro Max", "", "900000", "NGN", 1, ""},
	{"iPhone 11 128GB", "", "250000", "NGN", 0, ""},
	{"Samsung Galaxy S21", "", "300000", "NGN", -1, ""},
	{"Samsung Galaxy S21+", "", "350000", "NGN", 2, ""},
	{"Samsung Galaxy A14", "", "120000", "NGN", 9, ""},
	{"Air Pods", "ear piece\nearbuds", "90000", "NGN", 4, ""},
	{"Power Bank 20000mAh", "", "15000", "NGN", 20, ""},
	{"Laptop charger", "", "12000", "NGN", 7, ""},
	{"Screen protector", "", "2000", "NGN", 100, ""},
};

static const struct question phone_questions[] = {
	{"How much is iPhone 13 Pro?", "=iPhone 13 Pro (128GB)"},
	{"iPhone 13", "=iPhone 13"},
	{"iphnoe 13", "=iPhone 13"},
	{"ihpone 13", "=iPhone 13"},
	{"ipone 13 price", "=iPhone 13"},
	{"ifone 13", "=iPhone 13"},
	{"iphoen 13 pro", "=iPhone 13 Pro (128GB)"},
	{"IPHONE13", "=iPhone 13"},
	{"iphone13pro", "=iPhone 13 Pro (128GB)"},
	{"i phone 13pro", "=iPhone 13 Pro (128GB)"},
	{"iphone 13 promax", "~iPhone 13|iPhone 13 Pro (128GB)|iPhone 14 Pro Max"},
	{"13 pro iphone", "=iPhone 13 Pro (128GB)"},
	{"pro 13 iphone how much", "=iPhone 13 Pro (128GB)"},
	{"price of iphone 13 pro 128gb", "=iPhone 13 Pro (128GB)"},
	{"iphone 13 pro 128 gb please", "=iPhone 13 Pro (128GB)"},
	{"iphone 13 pro 256gb", "~iPhone 13 Pro (128GB)"},
	{"iphone 13, 256gb", "~iPhone 13|iPhone 13 Pro (128GB)"},
	{"iPhone 13 Pro Max", "~iPhone 13 Pro (128GB)"},
	{"do you have iphone 15", "~iPhone 11 128GB|iPhone 13|iPhone 13 Pro (128GB)|iPhone 14 Pro Max"},
	{"iphone", "?iPhone 11 128GB|iPhone 13|iPhone 13 Pro (128GB)|iPhone 14 Pro Max"},
	{"iphones", "?iPhone 11 128GB|iPhone 13|iPhone 13 Pro (128GB)|iPhone 14 Pro Max"},
	{"do you have phones", "?iPhone 11 128GB|iPhone 13|iPhone 13 Pro (128GB)|iPhone 14 Pro Max"},
	{"iphone 14", "=iPhone 14 Pro Max"},
	{"iphone 11", "=iPhone 11 128GB"},
	{"apple iphone 13", "=iPhone 13"},
	{"abeg how much be iphone 13", "=iPhone 13"},
	{"how far, wetin be price for iphone 13", "=iPhone 13"},
	{"oga una get iphone 13?", "=iPhone 13"},
	{"what's the cost of an iphone 13", "=iPhone 13"},
	{"Good morning, please I want to buy an iPhone 13 Pro for my wife, how much is it?", "=iPhone 13 Pro (128GB)"},
	{"Hello Paul's Electronics", "hello"},
	{"combien coûte l'iphone 13 svp", "=iPhone 13"},
	{"¿Cuánto cuesta el iPhone 13?", "=iPhone 13"},
	{"quanto custa o iphone 13", "=iPhone 13"},
	{"S21", "=Samsung Galaxy S21"},
	{"s 21", "=Samsung Galaxy S21"},
	{"galaxy s21+", "=Samsung Galaxy S21+"},
	{"galaxy s21 plus", "=Samsung Galaxy S21+"},
	{"s14", "~iPhone 14 Pro Max|Samsung Galaxy A14"},
	{"a14", "=Samsung Galaxy A14"},
	{"samsumg a14", "=Samsung Galaxy A14"},
	{"sumsung galaxi a14", "=Samsung Galaxy A14"},
	{"galaxy a15 price", "~Samsung Galaxy A14"},
	{"samsung", "?Samsung Galaxy A14|Samsung Galaxy S21|Samsung Galaxy S21+"},
	{"airpods", "=Air Pods"},
	{"airpod", "=Air Pods"},
	{"air pods", "=Air Pods"},
	{"earpiece", "=Air Pods"},
	{"earbud", "=Air Pods"},
	{"airpods pro", "~Air Pods"},
	{"powerbank", "=Power Bank 20000mAh"},
	{"power banks", "=Power Bank 20000mAh"},
	{"powr bank 20000", "=Power Bank 20000mAh"},
	{"power bank 10000mah", "~Power Bank 20000mAh"},
	{"laptop chargers", "=Laptop charger"},
	{"chager for laptop", "=Laptop charger"},
	{"lap top charger", "=Laptop charger"},
	{"sreen protecter", "=Screen protector"},
	{"red iphone 13", "~iPhone 13|iPhone 13 Pro (128GB)"},
	{"iphone 13 and airpods", "=iPhone 13|Air Pods"},
	{"iphone 13 & airpods & laptop charger", "=iPhone 13|Air Pods|Laptop charger"},
	{"iphone 13 and samsung", "?iPhone 13|Samsung Galaxy A14|Samsung Galaxy S21|Samsung Galaxy S21+"},
	{"iphone 13 and 14", "=iPhone 13|iPhone 14 Pro Max"},
	{"iphone 13\nairpods", "=iPhone 13|Air Pods"},
	{"2x airpods", "=Air Pods"},
	{"how much is playstation", "-"},
	{"how much is nokia 13", "-"},
	{"do you have a fridge", "-"},
	{"do u get television", "-"},
	{"fridge", "personal"},
	{"where is your shop?", "personal"},
	{"my order has not come", "personal"},
	{"my iphone 13 has not arrived", "personal"},
	{"do you deliver to Lekki", "personal"},
	{"how much is delivery to Lekki", "personal"},
	{"hi", "hello"},
	{"Good morning", "hello"},
	{"good evening sir", "hello"},
	{"how far", "hello"},
	{"bonjour", "hello"},
	{"thank you", "."},
	{"Thanks!!", "."},
	{"ok", "."},
	{"ok thanks sir", "."},
	{"\xf0\x9f\x91\x8d", "."},
	{"\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd \xe2\x9d\xa4\xef\xb8\x8f", "."},
	{"", "."},
	{"???", "."},
	{"yes", "personal"},
	{"ORDER", "order"},
	{"i want to order please", "order"},
	{"I want to order iphone 13", "=iPhone 13"},
	{"how much?", "which"},
	{"price please", "which"},
	{"2", "name"},
	{"\xff\xfeiphone\xc3 13\x80", "=iPhone 13"},
	{"\xef\xbd\x89\xef\xbd\x90honé \xef\xbc\x91\xef\xbc\x93", "=iPhone 13"},
};

static void phone_shop(void **state)
{
	(void)state;
	CHECK(phones, phone_questions);
}

static const struct row market[] = {
	{"Rice 50kg", "Mama Gold", "78000", "NGN", 12, "bag"},
	{"Rice 5kg", "", "9000", "NGN", 30, "bag"},
	{"Beans", "ewa", "1800", "NGN", 80, "kg"},
	{"Palm Oil 5 litres", "red oil", "7500", "NGN", 15, ""},
	{"Vitamin C", "", "1500", "NGN", 4, ""},
	{"Vitamin E", "", "1700", "NGN", 4, ""},
	{"Salt and Pepper 50g", "", "500", "NGN", 4, ""},
	{"School bag", "", "6500", "NGN", 4, ""},
	{"Ẹ̀wà Agoyin", "", "2500", "NGN", -1, ""},
	{"Men's shoes size 42", "", "22000", "NGN", 3, "pair"},
	{"Men's shoes size 43", "", "22000", "NGN", 3, "pair"},
	{"Crème brûlée", "", "3500", "NGN", 3, ""},
	{"Baby dress", "", "5500", "NGN", 3, ""},
	{"Toothbrushes", "", "500", "NGN", 3, ""},
	{"Soap", "", "500", "NGN", 3, ""},
	{"Рис", "", "100", "RUB", 3, ""},
	{"苹果", "", "100", "CNY", 3, ""},
	{"7 Up", "", "400", "NGN", 24, "bottle"},
};

static const struct question market_questions[] = {
	{"how much is a bag of rice", "?Rice 5kg|Rice 50kg"},
	{"bag of rice 50kg", "=Rice 50kg"},
	{"3 bags of rice 50 kg", "=Rice 50kg"},
	{"50kg rice", "=Rice 50kg"},
	{"rice 50 kilos", "=Rice 50kg"},
	{"rice 50g", "~Rice 5kg|Rice 50kg"},
	{"rice 25kg", "~Rice 5kg|Rice 50kg"},
	{"mama gold", "=Rice 50kg"},
	{"mama gold rice", "=Rice 50kg"},
	{"mama gold rice 25kg", "~Rice 50kg"},
	{"price of benas", "=Beans"},
	{"how much is jeans", "-"},
	{"palm oil 5l", "=Palm Oil 5 litres"},
	{"red oil", "=Palm Oil 5 litres"},
	{"vitamin e", "=Vitamin E"},
	{"vitamins", "?Vitamin C|Vitamin E"},
	{"vitamin c and vitamin e", "=Vitamin C|Vitamin E"},
	{"vitamin e and toothbrush", "=Vitamin E|Toothbrushes"},
	{"salt and pepper", "=Salt and Pepper 50g"},
	{"school bags", "=School bag"},
	{"ewa agoyin", "=Ẹ̀wà Agoyin"},
	{"mens shoe 42", "=Men's shoes size 42"},
	{"shoes size 44", "~Men's shoes size 42|Men's shoes size 43"},
	{"creme brulee", "=Crème brûlée"},
	{"baby dresses", "=Baby dress"},
	{"toothbrush", "=Toothbrushes"},
	{"how much is soup", "-"},
	{"рис", "=Рис"},
	{"РИС", "=Рис"},
	{"苹果", "=苹果"},
	{"7up", "=7 Up"},
	{"7 up price", "=7 Up"},
};

static void market_shop(void **state)
{
	(void)state;
	CHECK(market, market_questions);
}

static void exact_answers(void **state)
{
	struct shop *s = OPEN(phones), *m = OPEN(market);

	(void)state;
	expect(s, "How much is iPhone 13 Pro?",
		"iPhone 13 Pro (128GB)\nPrice: ₦450,000\nIn stock: 5 units\nPaul's Electronics\nReply ORDER to "
		"proceed.");
	expect(s, "iphone 14 pro max",
		"iPhone 14 Pro Max\nPrice: ₦900,000\nIn stock: 1 unit\nPaul's Electronics\nReply ORDER to proceed.");
	expect(s, "iphone 11",
		"iPhone 11 128GB\nPrice: ₦250,000\nOut of stock\nPaul's Electronics\n"
		"You are welcome to ask about another product.");
	expect(s, "s21", "Samsung Galaxy S21\nPrice: ₦300,000\nPaul's Electronics\nReply ORDER to proceed.");
	expect(s, "iphone",
		"We have these:\n1. iPhone 11 128GB - ₦250,000 (out of stock)\n2. iPhone 13 - ₦400,000\n"
		"3. iPhone 13 Pro (128GB) - ₦450,000\n4. iPhone 14 Pro Max - ₦900,000\n"
		"Which one would you like? Please reply with its name.\nPaul's Electronics");
	expect(m, "beans", "Beans\nPrice: ₦1,800\nIn stock: 80 kg\nPaul's Electronics\nReply ORDER to proceed.");
	expect(m, "rice 50kg",
		"Rice 50kg\nPrice: ₦78,000\nIn stock: 12 bags\nPaul's Electronics\nReply ORDER to proceed.");
	expect(m, "rice",
		"We have these:\n1. Rice 5kg - ₦9,000\n2. Rice 50kg - ₦78,000\n"
		"Which one would you like? Please reply with its name.\nPaul's Electronics");
	free(s);
	free(m);
}

static void near_words_stay_apart(void **state)
{
	static const struct row rows[] = {
		{"Shirt", "", "5000", "NGN", 5, ""},
		{"Short", "", "4000", "NGN", 5, ""},
		{"League premier ball", "", "9000", "NGN", 5, ""},
	};
	static const struct question questions[] = {
		{"shirt", "=Shirt"},
		{"how much is shirts", "=Shirt"},
		{"shrit", "=Shirt"},
		{"league premium ball", "~League premier ball"},
		{"leage premeir ball", "=League premier ball"},
	};

	(void)state;
	CHECK(rows, questions);
}

static void two_sizes_ask_back(void **state)
{
	static const struct row rows[] = {
		{"iPhone 13 Pro 256GB", "", "500000", "NGN", 5, ""},
		{"iPhone 13 Pro 128GB", "", "450000", "NGN", 5, ""},
		{"iPhone 13 Pro Max 128GB", "", "550000", "NGN", 5, ""},
		{"iPhone 13 Pro case", "", "5000", "NGN", 5, ""},
	};
	static const struct question questions[] = {
		{"iphone 13 pro", "?iPhone 13 Pro 128GB|iPhone 13 Pro 256GB"},
		{"iphone 13 pro 256", "=iPhone 13 Pro 256GB"},
		{"iphone 13 pro max", "=iPhone 13 Pro Max 128GB"},
		{"case for iphone 13 pro", "=iPhone 13 Pro case"},
	};

	(void)state;
	CHECK(rows, questions);
}

static void long_lists_are_cut(void **state)
{
	struct row rows[20];
	char names[20][40];
	struct shop *s;
	char *got;

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(names[i], sizeof(names[i]), "Cup %d", 20 - i);
		rows[i] = (struct row){names[i], "", "100", "KES", 1, ""};
	}
	s = OPEN(rows);
	got = ask(s, "catalogue please");
	assert_non_null(strstr(got, "1. Cup 1 - KSh 100\n2. Cup 2 - "));
	assert_non_null(strstr(got, "8. Cup 8 - KSh 100\nand 12 more\n"));
	assert_null(strstr(got, "9. "));
	free(got);
	got = ask(s, "cup");
	assert_non_null(strstr(got, "and 12 more\n"));
	free(got);
	free(s);
}

static void empty_list(void **state)
{
	struct shop *s = open_shop(NULL, 0);
	char *got = ask(s, "how much is iphone 13");

	(void)state;
	assert_non_null(strstr(got, "A person at Paul's Electronics will answer"));
	free(got);
	free(s);
}

static void prices(void **state)
{
	static const struct {
		const char *price, *currency, *want;
	} list[] = {
		{"450000", "NGN", "₦450,000"},
		{"12.5", "USD", "$12.50"},
		{"12.50", "EUR", "€12.50"},
		{"1000", "GHS", "GH₵1,000"},
		{"999", "KES", "KSh 999"},
		{"1234567", "ZAR", "R1,234,567"},
		{"5", "GBP", "£5"},
		{"100000", "INR", "₹100,000"},
		{"10.00", "BRL", "R$ 10.00"},
		{"2500", "XOF", "CFA 2,500"},
		{"1500", "JPY", "¥1,500"},
		{"1500.00", "JPY", "¥1,500"},
		{"450000", "XYZ", "XYZ 450,000"},
		{"0", "NGN", "₦0"},
		{"000450", "NGN", "₦450"},
		{"1.5", "KWD", "KD 1.500"},
		{"999999999999.99", "NGN", "₦999,999,999,999.99"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct row row = {"Thing one", "", list[i].price, list[i].currency, -1, ""};
		struct shop *s = open_shop(&row, 1);
		char want[128];

		snprintf(want, sizeof(want), "Thing one\nPrice: %s\nPaul's Electronics\nReply ORDER to proceed.",
			list[i].want);
		expect(s, "thing one", want);
		free(s);
	}
}

static void never_echoes(void **state)
{
	static const char *const asked[] = {"how much is http://evil.example/x", "evil", "price of evil iphone 13",
		"evil\r\n2026 ERROR evil", "hi evil", "where evil"};
	struct shop *s = OPEN(phones);

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		char *got = ask(s, asked[i]);

		assert_null(strstr(got, "evil"));
		free(got);
	}
	free(s);
}

static void table(void **state)
{
	struct shop *s = OPEN(phones);
	struct got g;

	(void)state;
	assert_true(reply_known("none"));
	assert_true(reply_known("catalogue"));
	assert_false(reply_known("Catalogue"));
	assert_false(reply_known(""));
	g = ask_of(&s->store, "none", "paul", "Paul", "iphone 13");
	assert_int_equal(g.outcome, REPLY_ANSWERED);
	assert_int_equal(g.len, 0);
	assert_false(g.complains);
	g = ask_of(&s->store, "other", "paul", "Paul", "iphone 13");
	assert_int_equal(g.outcome, REPLY_ANSWERED);
	assert_int_equal(g.len, 0);
	assert_true(g.complains);
	s->store.answer = STORE_FAILED;
	g = ask_of(&s->store, "catalogue", "paul", "Paul", "iphone 13");
	assert_int_equal(g.outcome, REPLY_LATER);
	assert_int_equal(g.len, 0);
	assert_true(g.complains);
	s->store.asked = 0;
	g = ask_of(&s->store, "catalogue", "paul", "Paul", "thank you");
	assert_int_equal(g.outcome, REPLY_ANSWERED);
	assert_int_equal(s->store.asked, 0);
	got_clear(&g);
	/* another shop's list is never looked at */
	s->store.answer = STORE_OK;
	g = ask_of(&s->store, "catalogue", "someone-else", "Else", "how much is iphone 13");
	assert_int_equal(g.outcome, REPLY_ANSWERED);
	assert_null(strstr(g.text, "iPhone"));
	got_clear(&g);
	free(s);
}

static void to_whom(void **state)
{
	struct shop *s = OPEN(phones);
	struct got g = ask_of(&s->store, "catalogue", "paul", "Paul", "catalogue of \"x\"?");

	(void)state;
	assert_non_null(strstr(g.message, "{\"type\":\"text\",\"text\":{\"body\":\""));
	assert_non_null(strstr(g.message, "\"preview_url\":false},\"to\":\"+15557770001\"}"));
	got_clear(&g);
	free(s);
}

/* What an answer is counted for: "p0 p2", "none" of a question about products, "" for no such question. */
static void counts(struct shop *s, const char *question, const char *expected)
{
	struct got g = ask_of(&s->store, "catalogue", "paul", "Paul's Electronics", question);
	char got[200] = "";

	for (size_t i = 0; i < g.demand.products_len; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i > 0 ? " " : "", g.demand.products[i]);
	if (g.demand.asked && g.demand.products_len == 0)
		snprintf(got, sizeof(got), "none");
	if (strcmp(got, expected) != 0)
		print_error("asked: %s\ngot:\n%s\n", question, g.text != NULL ? g.text : "");
	assert_string_equal(got, expected);
	assert_true(g.demand.asked || g.demand.products_len == 0);
	got_clear(&g);
}

static void demand(void **state)
{
	static const struct row rows[] = {
		{"iPhone 13 Pro", "", "450000", "NGN", 5, ""},
		{"iPhone 13", "", "400000", "NGN", 0, ""},
		{"AirPods Pro 2", "earbuds", "180000", "NGN", 3, ""},
		{"Samsung Galaxy S22", "", "380000", "NGN", 3, ""},
	};
	struct shop *s = OPEN(rows), *empty = open_shop(NULL, 0);

	(void)state;
	counts(s, "How much is iPhone 13 Pro?", "p0");
	counts(s, "iphone 13 pro", "p0");
	counts(s, "price of airpods and samsung s22", "p2 p3");
	/* Named twice, it is in the answer once. */
	counts(s, "airpods pro 2 and earbuds", "p2");
	/* Out of stock, or one of several that it may be. */
	counts(s, "do you have iphone 13?", "p1");
	counts(s, "how much is iphone?", "p1 p0");
	counts(s, "how much is a television?", "none");
	/* The list itself: nobody asked for what happens to stand first in it. */
	counts(s, "catalogue", "none");
	counts(s, "Good morning", "");
	counts(s, "How much?", "");
	counts(s, "ORDER", "");
	counts(s, "2", "");
	counts(s, "thank you", "");
	counts(s, "I want my money back", "");
	counts(empty, "How much is iPhone 13 Pro?", "");
	free(s);
	free(empty);
}

static void longest_answer(void **state)
{
	struct shop *s = open_shop(NULL, 0);
	struct got g;
	char shop[600];

	(void)state;
	memset(shop, 'x', sizeof(shop) - 1);
	shop[sizeof(shop) - 1] = 0;
	s->store.len = 20;
	for (size_t i = 0; i < 20; i++) {
		memset(s->product[i].name, 'a' + (int)i, STORE_PRODUCT_NAME_LEN);
		snprintf(s->product[i].price, sizeof(s->product[i].price), "999999999999.99");
		snprintf(s->product[i].currency, sizeof(s->product[i].currency), "ARS");
	}
	g = ask_of(&s->store, "catalogue", "paul", shop, "catalogue");
	assert_int_equal(g.len, 1);
	assert_true(strlen(g.text) > 1800 && strlen(g.text) <= REPLY_TEXT_MAX);
	assert_true(g.demand.asked);
	got_clear(&g);
	free(s);
}

static void any_bytes(void **state)
{
	static const char *const pieces[] = {"iphone ", "13", " and ", "how much is ", "\xf0\x9f\x91", ",", "+", "'",
		".5", "½", "\n", "s21", "\xc3", "samsung ", "é", "kg ", "order ", "|", "\xe2\x80\xae", "bag of "};
	struct shop *s = OPEN(phones);
	uint32_t seed = 20261121;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		char text[1800];
		size_t len = 0, want = fake_random(&seed) % (i % 40 == 0 ? sizeof(text) - 20 : 120);

		while (len < want) {
			if (fake_random(&seed) % 3 != 0) {
				const char *p = pieces[fake_random(&seed) % (sizeof(pieces) / sizeof(pieces[0]))];

				memcpy(text + len, p, strlen(p));
				len += strlen(p);
			} else {
				text[len++] = (char)(1 + fake_random(&seed) % 255);
			}
		}
		text[len] = 0;
		/* the list, too, may hold anything */
		memcpy(s->product[i % 11].name, text, len < 100 ? len + 1 : 100);
		s->product[i % 11].name[100] = 0;
		memcpy(s->product[(i + 5) % 11].aliases, text, len < 300 ? len + 1 : 300);
		free(ask(s, text));
	}
	free(s);
}

/* Prints how long 10,000 products take; fails only when it is hopeless. */
static void speed(void **state)
{
	static const char *const makers[] = {"Samsung Galaxy", "Tecno Spark", "Infinix Hot", "iPhone", "Redmi Note",
		"Nokia", "Itel", "Google Pixel"};
	static const char *const kinds[] = {"", "Pro", "Pro Max", "charger original", "screen protector glass",
		"silicone case", "battery replacement", "Ultra"};
	static const char *const asked[] = {"How much is iPhone 13 Pro?", "iphnoe 1300 pro mxa case",
		"Good morning, do you have samsung galaxi S 77 ultra and redmi note chargers and airpods?",
		"television"};
	const size_t n = 10000;
	struct store_product *list = calloc(n, sizeof(*list));
	struct store store = {.business_id = "paul", .products = list, .len = n};
	struct timespec a, b;

	(void)state;
	assert_non_null(list);
	for (size_t i = 0; i < n; i++) {
		snprintf(list[i].name, sizeof(list[i].name), "%s %zu %s (%dGB)", makers[i % 8], i / 64,
			kinds[i / 8 % 8], 64 << (i % 4));
		snprintf(list[i].aliases, sizeof(list[i].aliases), "phone accessory %zu", i);
		snprintf(list[i].price, sizeof(list[i].price), "%zu", i * 100);
		memcpy(list[i].currency, "NGN", 4);
	}
	for (size_t k = 0; k < sizeof(asked) / sizeof(asked[0]); k++) {
		double best = 1e9;

		for (int round = 0; round < 5; round++) {
			struct got g;
			double ms;

			clock_gettime(CLOCK_MONOTONIC, &a);
			g = ask_of(&store, "catalogue", "paul", "Paul", asked[k]);
			clock_gettime(CLOCK_MONOTONIC, &b);
			ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
			best = ms < best ? ms : best;
			got_clear(&g);
		}
		print_message("%.1f ms of 10,000 products: %s\n", best, asked[k]);
		assert_true(best < 1000);
	}
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phone_shop),
		cmocka_unit_test(market_shop),
		cmocka_unit_test(exact_answers),
		cmocka_unit_test(near_words_stay_apart),
		cmocka_unit_test(two_sizes_ask_back),
		cmocka_unit_test(long_lists_are_cut),
		cmocka_unit_test(empty_list),
		cmocka_unit_test(prices),
		cmocka_unit_test(never_echoes),
		cmocka_unit_test(table),
		cmocka_unit_test(to_whom),
		cmocka_unit_test(demand),
		cmocka_unit_test(longest_answer),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
