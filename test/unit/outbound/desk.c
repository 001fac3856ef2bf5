/*
 * What the tests of the listener's half begin with: a vault and a sender in processes of their own, the
 * store's fake, a provider on loopback.
 */
#include "test/unit/outbound/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uint16_t port;
static char url[64];

void desk_listen(void)
{
	port = server_start();
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
}

const char *desk_url(void)
{
	return url;
}

uint16_t desk_port(void)
{
	return port;
}

static void count_gone(void *ctx)
{
	atomic_fetch_add((atomic_int *)ctx, 1);
}

void desk_open(struct desk *d, const struct house_world *world)
{
	const struct house_world plain = {.meta_api_url = url};

	house_open_in(&d->h, world != NULL ? world : &plain);
	house_business(&d->h, BUSINESS);
	server_reset();
	atomic_init(&d->gone, 0);
}

void desk_start(struct desk *d, const struct outbound_options *opt)
{
	struct outbound_options o = opt != NULL ? *opt : (struct outbound_options){0};

	o.tenants = d->h.tenants;
	o.sender_fd = d->h.jobs;
	o.gone = count_gone;
	o.ctx = &d->gone;
	d->h.jobs = -1;
	assert_int_equal(outbound_open(&d->o, &o), OUTBOUND_OK);
}

void desk_close(struct desk *d)
{
	outbound_close(d->o);
	assert_int_equal(house_close(&d->h), 0);
	fake_reset();
}

static void add_credential(struct desk *d, const char *id, const char *field, const char *value)
{
	struct store_credential credential;
	uint8_t *blob;

	if (value == NULL)
		return;
	house_credential(&d->h, BUSINESS, id, field, value, &credential, &blob);
	fake_credential(&credential);
	free(blob);
}

static void add_connection(struct store_connection c, const char *id, const char *number)
{
	c.status = STORE_CONNECTION_PENDING;
	(void)snprintf(c.id, sizeof(c.id), "%s", id);
	(void)snprintf(c.business_id, sizeof(c.business_id), "%s", BUSINESS);
	(void)snprintf(c.phone_number_id, sizeof(c.phone_number_id), "%s", number);
	fake_connection(&c);
}

void desk_connection_sandbox(struct desk *d, const char *id, const char *number, const char *key)
{
	add_connection((struct store_connection){.provider = STORE_360DIALOG, .sandbox = true}, id, number);
	add_credential(d, id, "api_key", key);
}

void desk_connection(struct desk *d, enum store_provider provider, const char *id, const char *number, const char *key,
	const char *app_secret)
{
	add_connection((struct store_connection){.provider = provider, .app_id = "4242", .waba_id = "102"}, id, number);
	add_credential(d, id, provider == STORE_META ? "access_token" : "api_key", key);
	add_credential(d, id, "app_secret", app_secret);
}

void desk_queue(struct desk *d, const char *connection, const char *number, const char *json, char *id, int64_t age_ms)
{
	struct store_message m = {0};
	uint8_t *content;

	(void)snprintf(m.business_id, sizeof(m.business_id), "%s", BUSINESS);
	(void)snprintf(m.connection_id, sizeof(m.connection_id), "%s", connection);
	(void)snprintf(m.number, sizeof(m.number), "%s", number);
	assert_int_equal(outbound_message_seal(d->h.tenants, json, strlen(json), &m, &content), OUTBOUND_OK);
	m.created_at -= age_ms;
	fake_message(&m);
	memcpy(id, m.id, sizeof(m.id));
	free(content);
	if (d->o != NULL)
		outbound_wake(d->o, m.connection_id);
}

struct fake_row desk_await_state(const char *id, enum store_message_state state)
{
	struct fake_row r = {0};

	for (int i = 0; i < 1000; i++) {
		assert_true(fake_row(id, &r));
		if (r.m.state == state)
			return r;
		(void)usleep(5000);
	}
	fail_msg("state is %d, not %d: %s", (int)r.m.state, (int)state, r.m.reason);
	return r;
}

void desk_await_status(const char *connection, enum store_connection_status status)
{
	for (int i = 0; i < 1000 && fake_connection_status(connection) != status; i++)
		(void)usleep(5000);
	assert_int_equal(fake_connection_status(connection), status);
}
