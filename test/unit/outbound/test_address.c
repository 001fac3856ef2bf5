/*
 * Goal of this test: private addresses are known to their last one, a responder's URL is read in one
 * way only, a foreign webhook's address is cut down to its owner, and signatures are what others compute.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cmocka.h>

#include "gateway/outbound/address.h"
#include "gateway/outbound/callback.h"
#include "gateway/outbound/destination.h"
#include "gateway/outbound/outbound.h"
#include "gateway/outbound/signed.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ------------------------------------------------------------ addresses */

static bool is_public(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return address_is_public((struct sockaddr *)&v4, sizeof(v4));
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
		fail_msg("%s is no address", text);
	return address_is_public((struct sockaddr *)&v6, sizeof(v6));
}

/* The first and last of each range, and their neighbours outside; NULL where another range begins. */
static void ranges_are_known_to_their_borders(void **state)
{
	static const struct {
		const char *before, *first, *last, *after;
	} rows[] = {
		{NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
		{"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
		{"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
		{"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
		{"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
		{"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
		{"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
		{"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
		{"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
		{"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
		{"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
		{"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
		{"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
		{"223.255.255.255", "224.0.0.0", "255.255.255.255", NULL},
		{NULL, "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"},
		{"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
			"2001:200::"},
		{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
			"2001:db9::"},
		{"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"2003::"},
		{"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
		/* IPv4 inside of IPv6. */
		{NULL, "::ffff:0.0.0.0", "::ffff:0.255.255.255", "::ffff:1.0.0.0"},
		{"::ffff:126.255.255.255", "::ffff:127.0.0.1", "::ffff:127.255.255.255", "::ffff:128.0.0.0"},
		{"64:ff9b::9.255.255.255", "64:ff9b::10.0.0.0", "64:ff9b::10.255.255.255", "64:ff9b::11.0.0.0"},
		{NULL, "64:ff9b:1::8.8.8.8", "64:ff9b:0:0:0:1:808:808", NULL},
	};
	static const char *const also_private[] = {"::1", "fe80::1", "fc00::1", "fdff::1", "ff02::1", "::127.0.0.1",
		"::8.8.8.8", "169.254.169.254", "240.0.0.1"};
	static const char *const also_public[] = {"8.8.8.8", "2606:4700::1111", "2a00::1", "::ffff:8.8.8.8"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (is_public(rows[i].first) || is_public(rows[i].last))
			fail_msg("%s to %s must be private", rows[i].first, rows[i].last);
		if (rows[i].before != NULL && !is_public(rows[i].before))
			fail_msg("%s must be public", rows[i].before);
		if (rows[i].after != NULL && !is_public(rows[i].after))
			fail_msg("%s must be public", rows[i].after);
	}
	for (size_t i = 0; i < COUNT(also_private); i++)
		if (is_public(also_private[i]))
			fail_msg("%s must be private", also_private[i]);
	for (size_t i = 0; i < COUNT(also_public); i++)
		if (!is_public(also_public[i]))
			fail_msg("%s must be public", also_public[i]);
}

static void other_families_are_private(void **state)
{
	const struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	(void)state;
	assert_false(address_is_public((const struct sockaddr *)&local, sizeof(local)));
	assert_int_equal(inet_pton(AF_INET, "8.8.8.8", &v4.sin_addr), 1);
	assert_false(address_is_public((struct sockaddr *)&v4, sizeof(v4) - 1));
}

/* ------------------------------------------------------------ a responder's URL */

#define ALLOW "127.0.0.1:8080, Shop.Internal:80,[::1]:9000 edge.example:443"

static void urls_are_judged_by_their_text(void **state)
{
	static const struct {
		const char *url, *why; /* NULL: fine */
	} rows[] = {
		{"https://shop.example", NULL},
		{"https://shop.example/hook?a=b@c", NULL},
		{"https://shop.example:8443/", NULL},
		{"https://xn--bcher-kva.example?x", NULL},
		{"https://93.184.216.34/", NULL},
		{"https://localhost.example/", NULL},
		{"https://mylocalhost/", NULL},
		{"https://[::ffff:93.184.216.34]/", NULL},
		{"https://127.0.0.1:8080/x", NULL},
		{"https://[::1]:9000/x", NULL},
		{"https://10.0.0.1/x?y",
			"private addresses are refused; the operator can name 10.0.0.1:443 in responder"},
		{"https://127.0.0.1:8443/", "can name 127.0.0.1:8443 in responder_allow"},
		{"https://[::1]/", "can name [::1]:443 in responder_allow"},
		{"https://[::ffff:10.0.0.1]/", "private"},
		{"https://[fe80::1]/", "private"},
		{"https://127.1/", "private"},
		{"https://2130706433/", "private"},
		{"https://0x7f.0.0.1/", "private"},
		{"https://0/", "private"},
		{"https://localhost/", "private"},
		{"https://LocalHost:8443/", "private"},
		{"https://shop.localhost/", "private"},
		{"https://[2606:4700::1111]:8443/x", NULL},
		{"http://127.0.0.1:8080/x", NULL},
		{"http://shop.internal/x", NULL},
		{"http://SHOP.internal:80/x", NULL},
		{"http://[::1]:9000/", NULL},
		{"http://shop.example/",
			"must begin with https://; the operator can name shop.example:80 in responder_"},
		{"http://127.0.0.1:8081/", "https"},
		{"http://127.0.0.1/", "https"},
		{"http://127.0.0.11:8080/", "https"},
		{"http://7.0.0.1:8080/", "https"},
		{"http://edge.example/", "https"}, /* port 80, not 443 */
		{"ftp://shop.example/", "https"},
		{"HTTPS://shop.example/", "https"},
		{"shop.example", "https"},
		{"", "https"},
		{"https://shop.example/a b", "spaces"},
		{"https://shop.example/\xc3\xa4", "ASCII"},
		{"https://shop.example/\r\nX: y", "spaces"},
		{"https://", "host"},
		{"https:///x", "host"},
		{"https://:443/", "host"},
		{"https://shop.example:/", "host"},
		{"https://shop.example:0/", "host"},
		{"https://shop.example:65536/", "host"},
		{"https://shop.example:99999999999999999999/", "host"},
		{"https://shop.example:80x/", "host"},
		{"https://shop.example./", "host"},
		{"https://.example/", "host"},
		{"https://sh%6fp.example/", "host"},
		{"https://[::1/", "host"},
		{"https://[]/", "host"},
		{"https://[::1]x/", "host"},
		{"https://shop.example\\@evil.example/", "user"},
		{"https://shop.example\\x/", "host"},
		{"https://user:pass@shop.example/", "user"},
		{"https://shop.example@evil.example/", "user"},
		{"https://shop.example/#x", "#"},
		{"https://shop.example#@evil.example/", "user"},
		{"https://shop.example/\\x", "backslash"},
	};
	static char longest[1100] = "https://shop.example/";
	char why[200];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		why[0] = '\0';
		if (outbound_responder_url_ok(rows[i].url, ALLOW, why, sizeof(why)) != (rows[i].why == NULL) ||
			(rows[i].why != NULL && strstr(why, rows[i].why) == NULL))
			fail_msg("%s: %s", rows[i].url, why);
	}
	assert_false(outbound_responder_url_ok("http://127.0.0.1:8080/", "", why, sizeof(why)));
	memset(longest + strlen(longest), 'x', 1023 - strlen(longest));
	assert_true(outbound_responder_url_ok(longest, "", why, sizeof(why)));
	longest[1023] = 'x';
	assert_false(outbound_responder_url_ok(longest, "", why, sizeof(why)));
	assert_non_null(strstr(why, "1023"));
}

/* ------------------------------------------------------------ the owner of a foreign webhook */

static void owners_are_scheme_and_host(void **state)
{
	static const struct {
		const char *url, *owner;
	} rows[] = {
		{"https://Chat.Example/webhooks/whatsapp?secret=s3cr3t#x", "https://chat.example"},
		{"HTTP://chat.example:8080/x", "http://chat.example:8080"},
		{"https://user:s3cr3t@chat.example/x", "https://chat.example"},
		{"https://a@b:s3cr3t@chat.example", "https://chat.example"},
		{"https://chat.example?secret=a@b", "https://chat.example"},
		{"https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443"},
		{"https://chat.example:s3cr3t/x@y", "https://chat.example"},
		{"https://[::1:s3cr3t/", "https://[::1:s3cr3t"},
		{"https://chat.example:123s3cr3t/", "https://chat.example"},
		{"https://name:secret/x@chat.example/", "https://name"},
		{"https://chat\x01\x7f\xc3\xa4.exa<b>mple\"/", "https://chat.exabmple"},
		{"https:///s3cr3t", "https://"},
		{"s3cr3t", ""},
		{"ftp://s3cr3t", ""},
		{"javascript:s3cr3t", ""},
		{"", ""},
	};
	char out[CALLBACK_OWNER_MAX + 1];
	static char long_one[10240] = "https://";

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		callback_owner(rows[i].url, out);
		assert_string_equal(out, rows[i].owner);
	}
	memset(long_one + 8, 'a', sizeof(long_one) - 9);
	callback_owner(long_one, out);
	assert_int_equal(strlen(out), CALLBACK_OWNER_MAX);
	long_one[5000] = '@';
	callback_owner(long_one, out);
	assert_int_equal(strlen(out), CALLBACK_OWNER_MAX);
	long_one[10230] = '@';
	callback_owner(long_one, out);
	assert_string_equal(out, "https://aaaaaaaa");
}

/* ------------------------------------------------------------ signatures */

#define BODY "{\"object\":\"whatsapp_business_account\"}"

static void expect_hmac(const void *key, size_t key_len, const char *text, uint8_t out[32])
{
	unsigned len = 0;

	assert_non_null(HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), out, &len));
	assert_int_equal(len, 32);
}

static void check_signatures(const uint8_t *key, size_t key_len)
{
	const struct signed_what what = {"01message", 1800000000, BODY, strlen(BODY)};
	char text[128] = "whsec_", expected[128];
	struct signed_headers h;
	struct secret *s;
	uint8_t mac[32];

	(void)EVP_EncodeBlock((uint8_t *)text + 6, key, (int)key_len);
	s = secret_new(text, strlen(text));
	assert_true(signed_make(s, &what, &h));
	assert_string_equal(h.timestamp, "1800000000");
	expect_hmac(key, key_len, "01message.1800000000." BODY, mac);
	memcpy(expected, "v1,", 3);
	(void)EVP_EncodeBlock((uint8_t *)expected + 3, mac, 32);
	assert_string_equal(h.standard, expected);
	expect_hmac(text, strlen(text), BODY, mac);
	memcpy(expected, "sha256=", 7);
	for (int i = 0; i < 32; i++)
		(void)snprintf(expected + 7 + 2 * i, 3, "%02x", mac[i]);
	assert_string_equal(h.hub, expected);
	secret_free(s);
}

static void signatures_are_what_others_compute(void **state)
{
	uint8_t key[64];

	(void)state;
	for (size_t len = 24; len <= 64; len++) {
		vault_random(key, sizeof(key));
		check_signatures(key, len);
	}
}

static void other_secrets_sign_nothing(void **state)
{
	static const char *const bad[] = {"whsec_", "whsec_AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"WHSEC_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-_", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA =",
		"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAA===", "whsec_=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	const struct signed_what what = {"01message", 1800000000, BODY, strlen(BODY)};
	struct signed_headers h;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct secret *s = secret_new(bad[i], strlen(bad[i]));

		if (signed_make(s, &what, &h))
			fail_msg("%s", bad[i]);
		secret_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_known_to_their_borders),
		cmocka_unit_test(other_families_are_private),
		cmocka_unit_test(urls_are_judged_by_their_text),
		cmocka_unit_test(owners_are_scheme_and_host),
		cmocka_unit_test(signatures_are_what_others_compute),
		cmocka_unit_test(other_secrets_sign_nothing),
	};

	if (vault_init() != VAULT_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
