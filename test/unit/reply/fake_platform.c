/* The fake of fake_platform.h. */
#include "test/unit/reply/fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fake_platform fake_platform;

void fake_platform_reset(void)
{
	memset(&fake_platform, 0, sizeof(fake_platform));
	fake_platform.result.class = OUTBOUND_ACCEPTED;
}

/* ------------------------------------------------------------ tenants */

static int place_text(char *out, size_t room, const char *table, const char *id, const char *field)
{
	return snprintf(out, room, "paul/%s/%s/%s/1\n", table, id, field);
}

enum tenant_error tenant_open(struct tenants *t, const struct tenant_place *where, const uint8_t *blob, size_t blob_len,
	uint8_t **plain, size_t *len)
{
	char place[256];
	size_t place_len = (size_t)place_text(place, sizeof(place), where->table, where->record_id, where->field);
	enum tenant_error err;

	(void)t;
	assert_string_equal(where->business_id, "paul");
	assert_int_equal(where->record_version, 1);
	err = strcmp(where->table, "messages") == 0 ? fake_platform.message_open : fake_platform.open;
	if (err != TENANT_OK)
		return err;
	if (blob_len < place_len || memcmp(blob, place, place_len) != 0)
		return TENANT_BAD_DATA;
	*len = blob_len - place_len;
	*plain = calloc(1, *len + 1);
	memcpy(*plain, blob + place_len, *len);
	return TENANT_OK;
}

enum tenant_error tenant_seal(struct tenants *t, const struct tenant_place *where, const void *plain, size_t len,
	uint8_t **blob, size_t *blob_len)
{
	(void)t;
	(void)where;
	(void)plain;
	(void)len;
	(void)blob;
	(void)blob_len;
	return TENANT_VAULT;
}

enum tenant_error tenant_conversation(struct tenants *t, const char *business_id, const char *number,
	const char *customer, uint8_t out[static STORE_INDEX_LEN])
{
	(void)t;
	(void)business_id;
	(void)number;
	(void)customer;
	memset(out, 0, STORE_INDEX_LEN);
	return TENANT_OK;
}

/* ------------------------------------------------------------ the store */

void store_id_new(char out[static STORE_ID_LEN + 1])
{
	memset(out, '0', STORE_ID_LEN);
	out[STORE_ID_LEN] = '\0';
}

int64_t store_now_ms(void)
{
	return 1790000000000;
}

enum store_error store_connection_get(
	struct store *s, const char *business_id, const char *id, struct store_connection *out)
{
	(void)s;
	assert_string_equal(business_id, "paul");
	assert_string_equal(id, "01CONNECTION");
	if (fake_platform.connection != STORE_OK)
		return fake_platform.connection;
	memset(out, 0, sizeof(*out));
	memcpy(out->waba_id, "100000000000001", 16);
	return STORE_OK;
}

enum store_error store_responder_get(
	struct store *s, const char *business_id, bool (*each)(const struct store_responder *r, void *arg), void *arg)
{
	struct store_responder r = {.version = 7, .secret = (const uint8_t *)"sealed secret", .secret_len = 13};
	char url[128];
	int len = place_text(url, sizeof(url), "responders", "paul", "url");

	(void)s;
	assert_string_equal(business_id, "paul");
	if (fake_platform.responder != STORE_OK)
		return fake_platform.responder;
	len += snprintf(url + len, sizeof(url) - (size_t)len, "https://bot.example/hook");
	r.url = (const uint8_t *)url;
	r.url_len = (size_t)len;
	(void)each(&r, arg);
	memset(url, 0xdd, sizeof(url)); /* it lives until each returns */
	return STORE_OK;
}

enum store_error store_message_get(struct store *s, const char *business_id, const char *id,
	bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct store_message m = {.direction = strcmp(id, FAKE_OURS) == 0 ? STORE_OUTBOUND : STORE_INBOUND};
	char blob[512];
	int len = place_text(blob, sizeof(blob), "messages", id, "content");

	(void)s;
	assert_string_equal(business_id, "paul");
	if (fake_platform.message != STORE_OK)
		return fake_platform.message;
	if (strcmp(id, FAKE_OURS) != 0 && strcmp(id, FAKE_INBOUND) != 0)
		return STORE_NOT_FOUND;
	memcpy(m.business_id, "paul", 5);
	memcpy(m.id, id, sizeof(m.id));
	if (fake_platform.content != NULL) {
		len += snprintf(blob + len, sizeof(blob) - (size_t)len, "%s", fake_platform.content);
		m.content = (const uint8_t *)blob;
		m.content_len = (size_t)len;
	}
	(void)each(&m, arg);
	return STORE_OK;
}

/* ------------------------------------------------------------ the sender */

struct reached {
	void (*done)(void *arg, const struct outbound_result *r);
	void *arg;
};

static void *reach(void *arg)
{
	struct reached *r = arg;

	r->done(r->arg, &fake_platform.result);
	free(r);
	return NULL;
}

enum outbound_error outbound_ask(struct outbound *o, const struct outbound_ask *ask,
	void (*done)(void *arg, const struct outbound_result *r), void *arg)
{
	struct reached *r = calloc(1, sizeof(*r));

	(void)o;
	fake_platform.asks++;
	assert_int_equal(strlen(ask->body), ask->body_len);
	assert_true(ask->body_len < sizeof(fake_platform.body));
	memcpy(fake_platform.body, ask->body, ask->body_len + 1);
	snprintf(fake_platform.url, sizeof(fake_platform.url), "%s", ask->url);
	snprintf(fake_platform.id, sizeof(fake_platform.id), "%s", ask->id);
	snprintf(fake_platform.business_id, sizeof(fake_platform.business_id), "%s", ask->business_id);
	snprintf(fake_platform.message_id, sizeof(fake_platform.message_id), "%s",
		ask->message_id != NULL ? ask->message_id : "");
	fake_platform.secret = *ask->secret;
	assert_memory_equal(ask->secret->blob, "sealed secret", ask->secret->blob_len);
	if (fake_platform.ask != OUTBOUND_OK) {
		free(r);
		return fake_platform.ask;
	}
	*r = (struct reached){done, arg};
	assert_int_equal(pthread_create(&fake_platform.thread, NULL, reach, r), 0);
	return OUTBOUND_OK;
}
