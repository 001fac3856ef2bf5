/*
 * The fake sender. It checks what a caller must get right: kinds, order and slot of
 * the sealed credentials. See fake_outbound.h.
 */
#include "test/unit/api/fake_outbound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fake_says debug_token, number;
static unsigned checks, wakes;
static int there;

struct outbound *fake_outbound(void)
{
	return (struct outbound *)(void *)&there;
}

void fake_reset(void)
{
	debug_token = (struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = FAKE_TOKEN_FIELDS};
	number = (struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = FAKE_NUMBER_FIELDS};
	checks = wakes = 0;
}

void fake_debug_token(const struct fake_says *says)
{
	debug_token = *says;
}

void fake_number(const struct fake_says *says)
{
	number = *says;
}

unsigned fake_checks(void)
{
	return checks;
}

unsigned fake_wakes(void)
{
	return wakes;
}

static void credential_ok(const struct outbound_check *check, size_t i, const char *field)
{
	assert_true(i < check->credentials_len);
	assert_string_equal(check->credentials[i].field, field);
	assert_string_equal(check->credentials[i].connection_id, check->connection_id);
	assert_int_equal(check->credentials[i].slot, STORE_SLOT_CURRENT);
	assert_true(check->credentials[i].version >= 1);
	assert_non_null(check->credentials[i].blob);
	assert_true(check->credentials[i].blob_len > 0);
}

enum outbound_error outbound_check(
	struct outbound *o, const struct outbound_check *check, unsigned timeout_ms, struct outbound_result *result)
{
	const struct fake_says *says = check->kind == OUTBOUND_META_NUMBER ? &number : &debug_token;

	assert_ptr_equal(o, fake_outbound());
	assert_true(timeout_ms > 0 && timeout_ms <= 10000);
	credential_ok(check, 0, "access_token");
	if (check->kind == OUTBOUND_META_NUMBER) {
		assert_non_null(check->phone_number_id);
	} else {
		assert_int_equal(check->kind, OUTBOUND_META_DEBUG_TOKEN);
		assert_non_null(check->app_id);
		credential_ok(check, 1, "app_secret");
	}
	checks++;
	*result = (struct outbound_result){.class = says->class, .code = says->code};
	(void)snprintf(result->reason, sizeof(result->reason), "%s", says->reason != NULL ? says->reason : "");
	if (says->fields != NULL && says->err == OUTBOUND_OK) {
		result->fields = strdup(says->fields);
		assert_non_null(result->fields);
	}
	return says->err;
}

void outbound_result_clear(struct outbound_result *r)
{
	free(r->fields);
	*r = (struct outbound_result){0};
}

void outbound_wake(struct outbound *o)
{
	assert_ptr_equal(o, fake_outbound());
	wakes++;
}
