/*
 * The form of a connection's values: ids are digits, secrets are printable and of a
 * plausible length. Trusts nothing. Called by connect.c, meta.c and d360.c.
 */
#include "gateway/connect/form.h"

#include <stdio.h>
#include <string.h>

#include "gateway/connect/internal.h"

#define HEX_SECRET_LEN 32u

struct secret_rule {
	enum store_provider provider;
	const char *field;
	size_t min, max;
	const char *detail;
};

static const struct secret_rule secret_rules[] = {
	{STORE_META, "access_token", 20, 4096,
		"must be 20 to 4096 printable characters without spaces: the token alone"},
	{STORE_META, "app_secret", 8, 256, "must be 8 to 256 printable characters without spaces"},
	{STORE_360DIALOG, "api_key", 8, 512, "must be 8 to 512 printable characters without spaces: the key alone"},
	/* Up to 64 it is compared in constant time (vault_verifier_is_of). */
	{STORE_360DIALOG, "webhook_secret", 16, 64, "must be 16 to 64 printable characters without spaces"},
	{STORE_360DIALOG, "platform_secret", 8, 256, "must be 8 to 256 printable characters without spaces"},
};

void form_fault(struct connect_report *report, const char *field, const char *detail)
{
	(void)snprintf(report->field, sizeof(report->field), "%s", field);
	(void)snprintf(report->detail, sizeof(report->detail), "%s", detail);
}

static bool is_printable(const struct secret *value)
{
	const uint8_t *bytes = secret_bytes(value);

	for (size_t i = 0; i < secret_len(value); i++)
		if (bytes[i] <= 0x20 || bytes[i] >= 0x7f)
			return false;
	return true;
}

bool form_secret_ok(
	enum store_provider provider, const char *field, const struct secret *value, struct connect_report *report)
{
	for (size_t i = 0; i < sizeof(secret_rules) / sizeof(secret_rules[0]); i++) {
		const struct secret_rule *rule = &secret_rules[i];

		if (rule->provider != provider || strcmp(field, rule->field) != 0)
			continue;
		if (value != NULL && secret_len(value) >= rule->min && secret_len(value) <= rule->max &&
			is_printable(value))
			return true;
		form_fault(report, field, value == NULL ? "is missing" : rule->detail);
		return false;
	}
	form_fault(report, field, "is not a secret of this connection's provider");
	return false;
}

static bool id_ok(const char *field, const char *value, struct connect_report *report)
{
	if (connect_is_id(value))
		return true;
	form_fault(report, field, value == NULL ? "is missing" : "must be 1 to 32 digits");
	return false;
}

static bool is_hex_secret(const struct secret *value)
{
	const char *text = (const char *)secret_bytes(value);

	return secret_len(value) == HEX_SECRET_LEN && strspn(text, "0123456789abcdefABCDEF") == HEX_SECRET_LEN;
}

static bool begins_as_token(const struct secret *value)
{
	return secret_len(value) > 3 && memcmp(secret_bytes(value), "EAA", 3) == 0;
}

static bool ids_differ(const char *waba_id, const char *phone_number_id, struct connect_report *report)
{
	if (waba_id == NULL || phone_number_id == NULL || strcmp(waba_id, phone_number_id) != 0)
		return true;
	form_fault(report, "phone_number_id", "is the same as waba_id; Meta shows the two next to each other");
	return false;
}

/* An id that Meta may be asked for. */
static bool id_or_asked(const char *field, const char *value, bool live, struct connect_report *report)
{
	if (value != NULL)
		return id_ok(field, value, report);
	if (!live)
		form_fault(
			report, field, "is missing: it can be left out only while the service runs, and with verify");
	return live;
}

bool form_meta_ok(const struct connect_meta *in, bool live, struct connect_report *report)
{
	if (!id_ok("app_id", in->app_id, report) || !id_or_asked("waba_id", in->waba_id, live, report) ||
		!id_or_asked("phone_number_id", in->phone_number_id, live, report))
		return false;
	/* Asked before the lengths: a swapped token breaks the secret's rule and would get the lesser hint. */
	if (in->access_token != NULL && in->app_secret != NULL && is_hex_secret(in->access_token) &&
		begins_as_token(in->app_secret)) {
		form_fault(report, "access_token", "access_token and app_secret seem to be swapped");
		return false;
	}
	if (!form_secret_ok(STORE_META, "app_secret", in->app_secret, report) ||
		!form_secret_ok(STORE_META, "access_token", in->access_token, report))
		return false;
	return ids_differ(in->waba_id, in->phone_number_id, report);
}

static bool client_id_ok(const char *value, struct connect_report *report)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t len = value != NULL ? strlen(value) : 1;

	if (value == NULL || (len > 0 && len <= STORE_CLIENT_ID_LEN && strspn(value, letters) == len))
		return true;
	form_fault(report, "client_id", "must be 1 to 64 letters, digits, - or _");
	return false;
}

bool form_d360_ok(const struct connect_d360 *in, struct connect_report *report)
{
	return client_id_ok(in->client_id, report) &&
		(in->phone_number_id == NULL || id_ok("phone_number_id", in->phone_number_id, report)) &&
		(in->waba_id == NULL || id_ok("waba_id", in->waba_id, report)) &&
		ids_differ(in->waba_id, in->phone_number_id, report) &&
		form_secret_ok(STORE_360DIALOG, "api_key", in->api_key, report) &&
		(in->platform_secret == NULL ||
			form_secret_ok(STORE_360DIALOG, "platform_secret", in->platform_secret, report));
}
