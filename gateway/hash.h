/*
 * Hashes of texts, for tables in memory (FNV-1a, 32 bits). No secret, and no shield where others choose the texts.
 */
#ifndef KEYHOUSE_HASH_H
#define KEYHOUSE_HASH_H

#include <stdint.h>

static inline uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

#endif
