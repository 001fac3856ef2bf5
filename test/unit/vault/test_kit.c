/*
 * Goal of this test: a recovery kit gives back exactly the keys it was made of, to
 * its passphrase alone; every slip in typing it is named by its line; a crafted one
 * costs nothing. What was printed once opens for ever.
 */
#include <ctype.h>
#include <sodium.h>

#include "test/unit/vault/house.h"
#include "vault/kit.h"

#define GOLDEN "test/data/kit-golden-1.txt"
#define CHEAP ((struct kit_cost){1, 8})
#define TEXT_MAX 8192

static struct secret *words(const char *text)
{
	struct secret *s = secret_new(text, strlen(text));

	assert_non_null(s);
	return s;
}

static void ring_make(struct key_ring *ring, size_t len)
{
	ring->len = len;
	for (size_t i = 0; i < len; i++) {
		memset(ring->keys[i].key, (int)i + 7, VAULT_KEY_LEN);
		vault_key_id(ring->keys[i].key, ring->keys[i].id);
	}
}

static struct vault_kit kit_make(size_t keys, const char *passphrase)
{
	struct key_ring ring;
	struct secret *p = words(passphrase);
	struct vault_kit kit;

	ring_make(&ring, keys);
	assert_int_equal(kit_seal(&ring, p, CHEAP, &kit), VAULT_OK);
	secret_free(p);
	return kit;
}

static enum vault_error opens(const struct vault_kit *kit, const char *passphrase, size_t keys)
{
	struct key_ring *ring = NULL, expected;
	struct secret *p = words(passphrase);
	const enum vault_error err = kit_open(kit, p, &ring);

	secret_free(p);
	if (err != VAULT_OK) {
		assert_null(ring);
		return err;
	}
	ring_make(&expected, keys);
	assert_int_equal(ring->len, keys);
	for (size_t i = 0; i < keys; i++)
		assert_memory_equal(&ring->keys[i], &expected.keys[i], sizeof(ring->keys[i]));
	vault_key_ring_free(ring);
	return VAULT_OK;
}

/* All lines, each ended by end. */
static void text_of(const struct vault_kit *kit, char end, char *out)
{
	for (unsigned i = 1; i <= vault_kit_lines(kit); i++) {
		vault_kit_line(kit, i, out);
		out += strlen(out);
		*out++ = end;
	}
	*out = '\0';
}

static void assert_reads(const char *text, const struct vault_kit *expected)
{
	struct vault_kit kit;
	unsigned line;

	assert_int_equal(vault_kit_read(text, &kit, &line), VAULT_KIT_FINE);
	assert_int_equal(kit.len, expected->len);
	assert_memory_equal(kit.bytes, expected->bytes, kit.len);
}

static void assert_fault(const char *text, enum vault_kit_fault fault, unsigned line)
{
	struct vault_kit kit;
	unsigned at;

	if (vault_kit_read(text, &kit, &at) != fault || at != line)
		fail_msg("fault %d at line %u, not %d at %u, in:\n%s", (int)vault_kit_read(text, &kit, &at), at,
			(int)fault, line, text);
}

/* Puts more at the end of a text of TEXT_MAX. */
static void append(char *text, const char *more)
{
	const size_t len = strlen(text);

	assert_true(len + strlen(more) < TEXT_MAX);
	memcpy(text + len, more, strlen(more) + 1);
}

static void append_line(char *text, const char *line)
{
	append(text, line);
	append(text, "\n");
}

/* ------------------------------------------------------------ opening */

static void test_gives_back_every_key(void **state)
{
	char text[TEXT_MAX], id[VAULT_KEY_ID_LEN + 1];
	struct key_ring ring;

	(void)state;
	ring_make(&ring, 1);
	for (size_t keys = 1; keys <= KEY_RING_MAX; keys++) {
		const struct vault_kit kit = kit_make(keys, "four and twenty blackbirds");

		text_of(&kit, '\n', text);
		assert_reads(text, &kit);
		text_of(&kit, '+', text);
		assert_reads(text, &kit);
		assert_int_equal(vault_kit_keys(&kit), keys);
		vault_kit_key_id(&kit, id);
		assert_string_equal(id, ring.keys[0].id);
		assert_int_equal(opens(&kit, "four and twenty blackbirds", keys), VAULT_OK);
		assert_int_equal(opens(&kit, "four and twenty blackbirdS", keys), VAULT_WRONG_KEY);
		assert_int_equal(opens(&kit, "four and twenty blackbirds ", keys), VAULT_WRONG_KEY);
	}
}

static void test_two_kits_of_a_key_differ(void **state)
{
	const struct vault_kit a = kit_make(1, "four and twenty blackbirds"),
			       b = kit_make(1, "four and twenty blackbirds");

	(void)state;
	assert_int_equal(a.len, b.len);
	assert_memory_not_equal(a.bytes + 20, b.bytes + 20, 16);
	assert_memory_not_equal(a.bytes + 36, b.bytes + 36, 24);
}

static void test_passphrases_made_here(void **state)
{
	char made[VAULT_PASSPHRASE_MADE_LEN + 1], second[VAULT_PASSPHRASE_MADE_LEN + 1], typed[64], *t = typed;
	struct vault_kit kit;

	(void)state;
	vault_passphrase_make(made);
	vault_passphrase_make(second);
	assert_string_not_equal(made, second);
	assert_int_equal(strlen(made), VAULT_PASSPHRASE_MADE_LEN);
	kit = kit_make(1, made);
	for (const char *c = made; *c != '\0'; c++) {
		*t++ = *c == '0' ? 'o' : *c == '1' ? 'L' : *c == '-' ? ' ' : (char)tolower((unsigned char)*c);
		if (*c == '-')
			*t++ = ' ';
	}
	*t = '\0';
	assert_int_equal(opens(&kit, typed, 1), VAULT_OK);
	made[0] = made[0] == 'A' ? 'B' : 'A';
	assert_int_equal(opens(&kit, made, 1), VAULT_WRONG_KEY);
}

static void test_every_bit_counts(void **state)
{
	const struct vault_kit kit = kit_make(1, "four and twenty blackbirds");

	(void)state;
	for (size_t bit = 0; bit < kit.len * 8; bit++) {
		struct vault_kit flipped = kit;

		/* More work than the cheapest, and bounded: some seconds in all, and that it is bounded is tested below. */
		if (bit / 8 >= 7 && bit / 8 < 11)
			continue;
		flipped.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (opens(&flipped, "four and twenty blackbirds", 1) == VAULT_OK)
			fail_msg("bit %zu", bit);
	}
	for (size_t len = 0; len < kit.len; len++) {
		struct vault_kit cut = kit;

		cut.len = len;
		assert_int_not_equal(opens(&cut, "four and twenty blackbirds", 1), VAULT_OK);
	}
}

static void test_crafted_cost(void **state)
{
	static const struct kit_cost costs[] = {
		{0, 8}, {9, 8}, {65535, 8}, {1, 0}, {1, 7}, {1, 512 * 1024 + 1}, {1, UINT32_MAX}, {65535, UINT32_MAX}};
	char text[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		struct vault_kit kit = kit_make(1, "four and twenty blackbirds");

		kit.bytes[6] = (uint8_t)(costs[i].passes >> 8);
		kit.bytes[7] = (uint8_t)costs[i].passes;
		for (int b = 0; b < 4; b++)
			kit.bytes[8 + b] = (uint8_t)(costs[i].memory_kib >> (24 - 8 * b));
		text_of(&kit, '\n', text);
		assert_fault(text, VAULT_KIT_COSTLY, 0);
		assert_int_equal(opens(&kit, "four and twenty blackbirds", 1), VAULT_BAD_BLOB);
	}
}

static void test_other_formats(void **state)
{
	char text[TEXT_MAX];

	(void)state;
	for (size_t at = 0; at < 6; at++) {
		struct vault_kit kit = kit_make(1, "four and twenty blackbirds");

		kit.bytes[at]++;
		text_of(&kit, '\n', text);
		assert_fault(text, at < 4 ? VAULT_KIT_NO_KIT : VAULT_KIT_NEWER, 0);
		assert_int_equal(opens(&kit, "four and twenty blackbirds", 1), VAULT_BAD_BLOB);
	}
}

/* ------------------------------------------------------------ typing */

static void test_however_it_is_typed(void **state)
{
	const struct vault_kit kit = kit_make(1, "four and twenty blackbirds");
	char text[TEXT_MAX],
		typed[TEXT_MAX] = "Keyhouse recovery kit\r\n\xe2\x96\x88\xe2\x96\x80 \n 12 words and 1 / x\n\n";

	(void)state;
	text_of(&kit, '\n', text);
	for (const char *c = text; *c != '\0'; c++) {
		const char one[2] = {(char)tolower((unsigned char)*c), '\0'};

		if (*c == ' ' && c[1] != ' ')
			append(typed, "-");
		else if (*c == '/')
			append(typed, " / ");
		else if (*c == '\n')
			append(typed, " \r\n\n\t");
		else
			append(typed, *c == '0' ? "o" : one);
	}
	assert_reads(typed, &kit);
}

/* Always the same letters: each line's check is of 20 bits, so that one slip in a million passes it (and then the seal
 * refuses), which a test of many slips would meet now and then. */
static struct vault_kit kit_of_the_slips(void)
{
	struct vault_kit kit = kit_make(1, "four and twenty blackbirds");

	for (size_t i = 12; i < kit.len; i++) /* from the key's id on */
		kit.bytes[i] = (uint8_t)(i * i * 7 + i * 29 + 3);
	return kit;
}

/* Each letter of each line, by another one. */
static void test_each_slip_is_named_by_its_line(void **state)
{
	const struct vault_kit kit = kit_of_the_slips();
	char text[TEXT_MAX], slipped[TEXT_MAX];
	unsigned line = 1, slips = 0;

	(void)state;
	text_of(&kit, '\n', text);
	for (char *c = text; *c != '\0'; c++) {
		const bool is_place = c > text && (c[1] == '/' || c[0] == '/' || c[-1] == '/');

		if (*c == '\n') {
			line++;
			continue;
		}
		if (*c == ' ' || is_place || (c == text))
			continue;
		memcpy(slipped, text, sizeof(text));
		slipped[c - text] = *c == '7' ? 'X' : '7';
		assert_fault(slipped, VAULT_KIT_MISTYPED, line);
		slipped[c - text] = 'U'; /* no letter of a kit */
		assert_fault(slipped, VAULT_KIT_MISTYPED, line);
		memmove(slipped + (c - text), slipped + (c - text) + 1, strlen(slipped + (c - text)));
		assert_fault(slipped, VAULT_KIT_MISTYPED, line); /* left out */
		slips++;
	}
	assert_true(slips > 200);
}

static void test_two_letters_exchanged(void **state)
{
	const struct vault_kit kit = kit_of_the_slips();
	char text[TEXT_MAX];
	unsigned line = 1, swaps = 0;

	(void)state;
	text_of(&kit, '\n', text);
	for (char *c = text; c[1] != '\0'; c++) {
		const char first = c[0], second = c[1];

		line += first == '\n';
		if (strchr(" /\n", first) != NULL || strchr(" /\n", second) != NULL || first == second || c < text + 4)
			continue;
		c[0] = second;
		c[1] = first;
		assert_fault(text, VAULT_KIT_MISTYPED, line);
		c[0] = first;
		c[1] = second;
		swaps++;
	}
	assert_true(swaps > 100);
}

static void test_lines_that_are_not_right(void **state)
{
	const struct vault_kit kit = kit_make(1, "four and twenty blackbirds"), longer = kit_make(3, "whatever it was");
	char line[16][VAULT_KIT_LINE_MAX + 1], text[TEXT_MAX];
	const unsigned lines = vault_kit_lines(&kit);

	(void)state;
	assert_int_equal(lines, 8);
	for (unsigned i = 1; i <= lines; i++)
		vault_kit_line(&kit, i, line[i]);
	assert_fault("", VAULT_KIT_NO_KIT, 0);
	assert_fault("Keyhouse recovery kit\nno line of it\n", VAULT_KIT_NO_KIT, 0);
	assert_fault("0/0 ABCD\n", VAULT_KIT_NO_KIT, 0);
	for (unsigned gone = 1; gone <= lines; gone++) { /* cut off, or out of the middle */
		text[0] = '\0';
		for (unsigned i = 1; i <= lines; i++)
			if (i != gone)
				append_line(text, line[i]);
		assert_fault(text, VAULT_KIT_MISSING, gone);
	}
	text[0] = '\0';
	for (unsigned i = 1; i <= lines; i++) /* two exchanged */
		append_line(text, line[i == 3 ? 4 : i == 4 ? 3 : i]);
	assert_fault(text, VAULT_KIT_ORDER, 3);
	text_of(&kit, '\n', text);
	append(text, line[8]);
	assert_fault(text, VAULT_KIT_ORDER, 9);
	text_of(&kit, '\n', text);
	vault_kit_line(&longer, 2, line[0]);
	*strstr(text, "2/8") = '\0';
	append_line(text, line[0]);
	append_line(text, line[3]);
	assert_fault(text, VAULT_KIT_MIXED, 2);
	text_of(&kit, '\n', text);
	memcpy(strstr(text, "3/8"), "2", 1); /* a wrong number on a line */
	assert_fault(text, VAULT_KIT_MISSING, 3);
}

/* A line of another kit of the same length passes its own check; the seal tells. */
static void test_a_line_of_another_kit(void **state)
{
	const struct vault_kit kit = kit_make(1, "four and twenty blackbirds"),
			       other = kit_make(1, "four and twenty blackbirds");
	char text[TEXT_MAX], line[VAULT_KIT_LINE_MAX + 1];
	struct vault_kit mixed;
	unsigned at;

	(void)state;
	text_of(&kit, '\n', text);
	vault_kit_line(&other, 6, line);
	memcpy(strstr(text, "6/8"), line, strlen(line));
	assert_int_equal(vault_kit_read(text, &mixed, &at), VAULT_KIT_FINE);
	assert_int_equal(opens(&mixed, "four and twenty blackbirds", 1), VAULT_WRONG_KEY);
}

static void test_anything_as_a_kit(void **state)
{
	struct vault_kit kit = kit_make(1, "four and twenty blackbirds");
	char text[TEXT_MAX];
	unsigned line;

	(void)state;
	text_of(&kit, '\n', text);
	for (unsigned round = 0; round < 20000; round++) {
		char odd[TEXT_MAX];

		memcpy(odd, text, sizeof(text));
		for (unsigned i = 0; i <= round % 5; i++)
			odd[randombytes_uniform((uint32_t)strlen(text))] = (char)(1 + randombytes_uniform(255));
		(void)vault_kit_read(odd, &kit, &line);
		assert_true(kit.len <= VAULT_KIT_MAX);
	}
	memset(text, '1', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_fault(text, VAULT_KIT_NO_KIT, 0);
	for (size_t i = 0; i + 8 < sizeof(text); i += 4)
		memcpy(text + i, "1/1\n", 4);
	(void)vault_kit_read(text, &kit, &line);
	assert_int_equal(kit.len, 0);
}

/* ------------------------------------------------------------ with files */

static void test_from_file_to_file(void **state)
{
	char path[64], copy_path[64], before[4096] = "", after[4096] = "";
	char ids[2][VAULT_KEY_ID_LEN + 1] = {"0123456789abcdef", ""};
	int fd = text_file("", path), copy = text_file("", copy_path);
	struct secret *p = words("four and twenty blackbirds"), *wrong = words("five and twenty blackbirds");
	struct vault_kit kit;

	(void)state;
	assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	assert_int_equal(vault_kit_seal(fd, p, &kit), VAULT_OK);
	assert_int_equal(kit.bytes[7], 3);
	assert_int_equal(kit.bytes[9], 4); /* 256 MiB */
	vault_kit_key_id(&kit, ids[1]);
	assert_int_equal(vault_kit_restore(&kit, wrong, NULL, 0, copy), VAULT_WRONG_KEY);
	assert_int_equal(vault_kit_restore(&kit, wrong, ids, 1, copy), VAULT_WRONG_KEY);
	assert_int_equal(vault_kit_restore(&kit, p, ids, 1, copy), VAULT_BAD_REQUEST);
	assert_int_equal(lseek(copy, 0, SEEK_END), 0);
	assert_int_equal(vault_kit_restore(&kit, p, ids, 2, copy), VAULT_OK);
	assert_true(pread(fd, before, sizeof(before) - 1, 0) > 0);
	assert_true(pread(copy, after, sizeof(after) - 1, 0) > 0);
	assert_string_equal(before, after);
	assert_int_equal(vault_kit_restore(&kit, p, NULL, 0, copy), VAULT_KEY_FILE); /* never over one that is there */
	secret_free(p);
	secret_free(wrong);
	unlink(path);
	unlink(copy_path);
	close(fd);
	close(copy);
}

static void test_golden(void **state)
{
	FILE *f = fopen(GOLDEN, "r");
	char text[TEXT_MAX] = "", id[VAULT_KEY_ID_LEN + 1];
	struct secret *p = words("correct horse battery staple");
	struct key_ring *ring = NULL;
	struct vault_kit kit;
	unsigned line;

	(void)state;
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	assert_int_equal(vault_kit_read(text, &kit, &line), VAULT_KIT_FINE);
	vault_kit_key_id(&kit, id);
	assert_non_null(strstr(text, id));
	assert_int_equal(kit_open(&kit, p, &ring), VAULT_OK);
	assert_int_equal(ring->len, 2);
	for (uint8_t b = 0; b < VAULT_KEY_LEN; b++) {
		assert_int_equal(ring->keys[0].key[b], b);
		assert_int_equal(ring->keys[1].key[b], b + 32);
	}
	vault_key_ring_free(ring);
	secret_free(p);
	/* Written anew, it is the same page. */
	for (unsigned i = 1; i <= vault_kit_lines(&kit); i++) {
		char one[VAULT_KIT_LINE_MAX + 1];

		vault_kit_line(&kit, i, one);
		if (strstr(text, one) == NULL)
			fail_msg("not on the page: %s", one);
	}
}

static int begin(void **state)
{
	(void)state;
	return vault_init() == VAULT_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gives_back_every_key),
		cmocka_unit_test(test_two_kits_of_a_key_differ),
		cmocka_unit_test(test_passphrases_made_here),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_crafted_cost),
		cmocka_unit_test(test_other_formats),
		cmocka_unit_test(test_however_it_is_typed),
		cmocka_unit_test(test_each_slip_is_named_by_its_line),
		cmocka_unit_test(test_two_letters_exchanged),
		cmocka_unit_test(test_lines_that_are_not_right),
		cmocka_unit_test(test_a_line_of_another_kit),
		cmocka_unit_test(test_anything_as_a_kit),
		cmocka_unit_test(test_from_file_to_file),
		cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
