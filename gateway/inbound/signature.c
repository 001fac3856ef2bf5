/*
 * Parsing of signature headers. The value comes from a stranger; it is no secret,
 * so that parsing it need not take constant time. Called by accept.c.
 */
#include "gateway/inbound/signature.h"

#include <stddef.h>
#include <string.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Exactly the hex digits of a signature. */
static bool parse_hex(const char *hex, uint8_t out[static VAULT_SIGNATURE_LEN])
{
	uint8_t parsed[VAULT_SIGNATURE_LEN];

	for (size_t i = 0; i < VAULT_SIGNATURE_LEN; i++) {
		int high = hex_value(hex[2 * i]);
		int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);

		if (low < 0)
			return false;
		parsed[i] = (uint8_t)(high << 4 | low);
	}
	if (hex[2 * VAULT_SIGNATURE_LEN] != '\0')
		return false;
	memcpy(out, parsed, sizeof(parsed));
	return true;
}

static const char prefix[] = "sha256=";
#define PREFIX_LEN (sizeof(prefix) - 1)

static bool has_prefix(const char *header)
{
	return strncmp(header, prefix, PREFIX_LEN) == 0;
}

bool signature_parse(const char *header, uint8_t out[static VAULT_SIGNATURE_LEN])
{
	return header != NULL && has_prefix(header) && parse_hex(header + PREFIX_LEN, out);
}

bool signature_parse_platform(const char *header, uint8_t out[static VAULT_SIGNATURE_LEN])
{
	return header != NULL && parse_hex(has_prefix(header) ? header + PREFIX_LEN : header, out);
}
