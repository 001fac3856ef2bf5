/* Fuzzing the signature headers: what is accepted has exactly one form, or for 360dialog's two. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t out[VAULT_SIGNATURE_LEN];
	char *header = malloc(len + 1);

	if (header == NULL)
		return 0;
	if (len > 0)
		memcpy(header, data, len);
	header[len] = '\0';
	if (signature_parse(header, out) && (strlen(header) != 71 || strncmp(header, "sha256=", 7) != 0))
		abort();
	if (signature_parse_platform(header, out) && strlen(header) != 64 && !signature_parse(header, out))
		abort();
	free(header);
	return 0;
}
