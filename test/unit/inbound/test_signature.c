/* The headers that carry a signature: what is taken for one, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/signature.h"

#define H16 "00112233445566778899aabbccddeeff"
#define HEX H16 H16

static void accepts(void **state)
{
	static const char *const good[] = {
		"sha256=" HEX,
		"sha256=00112233445566778899AABBCCDDEEFF" H16,
		"sha256=00112233445566778899aAbBcCdDeEfF" H16,
	};
	uint8_t out[VAULT_SIGNATURE_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(out, 0x5a, sizeof(out));
		assert_true(signature_parse(good[i], out));
		for (size_t k = 0; k < sizeof(out); k++)
			assert_int_equal(out[k], 0x11 * (k % 16));
		/* 360dialog's with and without the prefix. */
		for (size_t skip = 0; skip <= 7; skip += 7) {
			memset(out, 0x5a, sizeof(out));
			assert_true(signature_parse_platform(good[i] + skip, out));
			for (size_t k = 0; k < sizeof(out); k++)
				assert_int_equal(out[k], 0x11 * (k % 16));
		}
	}
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		NULL,
		"",
		"sha256",
		"sha256=",
		HEX,
		"sha1=" HEX,
		"SHA256=" HEX,
		"sha256:" HEX,
		" sha256=" HEX,
		"sha256= " HEX,
		"sha256=" HEX " ",
		"sha256=" HEX "0",
		"sha256=" HEX "00",
		"sha256=" HEX ",sha256=" HEX,
		"sha256=" H16 "00112233445566778899aabbccddeef",
		"sha256=" H16 "00112233445566778899aabbccddee",
		"sha256=" H16,
		"sha256=" H16 "00112233445566778899aabbccddeefg",
		"sha256=" H16 "0011223344556677-899aabbccddeeff",
		"sha256=0x112233445566778899aabbccddeeff" H16,
		"sha256=" H16 "00112233445566778899aabbccddee\xff\xff",
		"sha256=\xef\xbc\x90" HEX,
	};
	uint8_t out[VAULT_SIGNATURE_LEN];

	(void)state;
	memset(out, 0x5a, sizeof(out));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool bare = bad[i] != NULL && strcmp(bad[i], HEX) == 0;

		assert_false(signature_parse(bad[i], out));
		assert_true(bare || !signature_parse_platform(bad[i], out));
	}
	for (size_t k = 0; k < sizeof(out); k++)
		assert_int_equal(out[k], 0x5a);
}

static void refuses_bare(void **state)
{
	static const char *const bad[] = {HEX "0", HEX " ", " " HEX, H16, "sha256=sha256=" HEX, "0x" HEX};
	uint8_t out[VAULT_SIGNATURE_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(signature_parse_platform(bad[i], out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts), cmocka_unit_test(refuses), cmocka_unit_test(refuses_bare)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
