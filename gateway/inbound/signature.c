/*
 * Parsing of X-Hub-Signature-256. The value comes from a stranger; it is no secret,
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

bool signature_parse(const char *header, uint8_t out[static VAULT_SIGNATURE_LEN])
{
	static const char prefix[] = "sha256=";
	const size_t prefix_len = sizeof(prefix) - 1;
	uint8_t parsed[VAULT_SIGNATURE_LEN];

	if (header == NULL || strncmp(header, prefix, prefix_len) != 0)
		return false;
	header += prefix_len;
	for (size_t i = 0; i < VAULT_SIGNATURE_LEN; i++) {
		int high = hex_value(header[2 * i]);
		int low = high < 0 ? -1 : hex_value(header[2 * i + 1]);

		if (low < 0)
			return false;
		parsed[i] = (uint8_t)(high << 4 | low);
	}
	if (header[2 * VAULT_SIGNATURE_LEN] != '\0')
		return false;
	memcpy(out, parsed, sizeof(parsed));
	return true;
}
