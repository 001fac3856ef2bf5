/*
 * The shop. See shop.h.
 */
#include "test/unit/connect/shop.h"

#include <stdio.h>
#include <string.h>

struct house *house;
struct connect with_sender, serving, without_sender;
const struct values good = {"1001", "2002", "3003", APP_SECRET, ACCESS_TOKEN};

int shop_setup(void **state)
{
	(void)state;
	house = house_open(false);
	business_new(house, "shop");
	business_new(house, "rival");
	without_sender = (struct connect){.tenants = house_tenants(house), .public_url = "https://kh.example"};
	with_sender = without_sender;
	with_sender.outbound = fake_outbound();
	serving = with_sender;
	serving.serving = true;
	return 0;
}

int shop_teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

struct store *shop_store(void)
{
	return tenants_store(house_tenants(house));
}

static enum connect_error add_meta(const struct connect *c, const char *business, const struct values *v, bool verify,
	bool take_over, struct store_connection *out, struct connect_report *report)
{
	struct secret *secret = v->secret != NULL ? secret_new(v->secret, strlen(v->secret)) : NULL;
	struct secret *token = v->token != NULL ? secret_new(v->token, strlen(v->token)) : NULL;
	const struct connect_meta in = {.business_id = business,
		.app_id = v->app_id,
		.waba_id = v->waba_id,
		.phone_number_id = v->number,
		.app_secret = secret,
		.access_token = token,
		.verify = verify,
		.take_over = take_over};
	enum connect_error err = connect_meta_add(c, &in, out, report);

	secret_free(secret);
	secret_free(token);
	return err;
}

enum connect_error add(const struct connect *c, const struct values *v, bool verify, struct store_connection *out,
	struct connect_report *report)
{
	return add_meta(c, "shop", v, verify, false, out, report);
}

enum connect_error add_over(const struct connect *c, const char *business, const struct values *v,
	struct store_connection *out, struct connect_report *report)
{
	return add_meta(c, business, v, true, true, out, report);
}

const struct keys key_plain = {0}, key_over = {.take_over = true}, key_unverified = {.skip = true};
char shown_secret[64];

enum connect_error connect_key(const struct connect *c, const char *business, const struct keys *k,
	struct store_connection *out, struct connect_report *report)
{
	const char *text = k->key != NULL ? k->key : API_KEY;
	struct secret *key = secret_new(text, strlen(text)), *webhook_secret = NULL, *platform = NULL;
	struct connect_d360 in = {.business_id = business,
		.client_id = "client-7",
		.phone_number_id = k->number,
		.waba_id = k->waba,
		.api_key = key,
		.sandbox = k->sandbox,
		.verify = !k->skip,
		.take_over = k->take_over};
	enum connect_error err;

	if (k->platform_secret != NULL)
		in.platform_secret = platform = secret_new(k->platform_secret, strlen(k->platform_secret));
	err = connect_d360_add(c, &in, out, &webhook_secret, report);
	assert_true((err == CONNECT_OK) == (webhook_secret != NULL));
	if (webhook_secret != NULL)
		(void)snprintf(shown_secret, sizeof(shown_secret), "%s", (const char *)secret_bytes(webhook_secret));
	secret_free(webhook_secret);
	secret_free(platform);
	secret_free(key);
	return err;
}

void removed(const char *id)
{
	assert_int_equal(store_connection_remove(shop_store(), "shop", id), STORE_OK);
}

static bool count_one(const struct store_connection *s, void *arg)
{
	(void)s;
	(*(unsigned *)arg)++;
	return true;
}

unsigned stored(void)
{
	const struct store_page page = {.limit = STORE_LIST_MAX};
	unsigned n = 0;

	assert_int_equal(store_connection_list(shop_store(), "shop", &page, count_one, &n), STORE_OK);
	return n;
}

enum connect_check_result result_of(const struct connect_report *report, const char *name)
{
	for (size_t i = 0; i < report->checks_len; i++)
		if (strcmp(report->checks[i].name, name) == 0)
			return report->checks[i].result;
	fail_msg("no check %s", name);
	return 0;
}

const char *detail_of(const struct connect_report *report, const char *name)
{
	for (size_t i = 0; i < report->checks_len; i++)
		if (strcmp(report->checks[i].name, name) == 0)
			return report->checks[i].detail;
	fail_msg("no check %s", name);
	return NULL;
}

static bool current_version(const struct store_credential *s, void *arg)
{
	if (s->slot == STORE_SLOT_CURRENT)
		*(uint64_t *)arg = s->version;
	return true;
}

uint64_t version_of(const char *field)
{
	uint64_t version = 0;

	assert_int_equal(store_credential_list(shop_store(), "shop", field, current_version, &version), STORE_OK);
	return version;
}
