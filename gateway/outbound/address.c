/*
 * Private and reserved ranges as a table (the IANA special-purpose registries). Judges the very
 * address that is connected to, so that no name can hide one. Called by transfer.c.
 */
#include "gateway/outbound/address.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct range {
	uint8_t head[16];
	unsigned bits;
};

static const struct range private_v4[] = {
	{{0}, 8},
	{{10}, 8},
	{{100, 64}, 10},
	{{127}, 8},
	{{169, 254}, 16},
	{{172, 16}, 12},
	{{192, 0, 0}, 24},
	{{192, 0, 2}, 24},
	{{192, 88, 99}, 24},
	{{192, 168}, 16},
	{{198, 18}, 15},
	{{198, 51, 100}, 24},
	{{203, 0, 113}, 24},
	{{224}, 4},
	{{240}, 4},
};

/* Of 2000::/3, outside of which nothing is public. */
static const struct range global_v6 = {{0x20}, 3};
static const struct range private_v6[] = {
	{{0x20, 0x01}, 23},
	{{0x20, 0x01, 0x0d, 0xb8}, 32},
	{{0x20, 0x02}, 16},
};

/* IPv6 addresses that are IPv4 ones: mapped, and through NAT64. */
static const struct range carries_v4[] = {
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},
	{{0x00, 0x64, 0xff, 0x9b}, 96},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool in_range(const uint8_t *bytes, const struct range *r)
{
	const size_t whole = r->bits / 8;
	const unsigned rest = r->bits % 8;
	const uint8_t mask = (uint8_t)(0xff << (8 - rest));

	if (memcmp(bytes, r->head, whole) != 0)
		return false;
	return rest == 0 || (bytes[whole] & mask) == (r->head[whole] & mask);
}

static bool in_any(const uint8_t *bytes, const struct range *ranges, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (in_range(bytes, &ranges[i]))
			return true;
	return false;
}

bool address_is_public(const struct sockaddr *a, size_t len)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (a->sa_family == AF_INET && len >= sizeof(v4)) {
		memcpy(&v4, a, sizeof(v4));
		return !in_any((const uint8_t *)&v4.sin_addr, private_v4, COUNT(private_v4));
	}
	if (a->sa_family != AF_INET6 || len < sizeof(v6))
		return false;
	memcpy(&v6, a, sizeof(v6));
	if (in_any(v6.sin6_addr.s6_addr, carries_v4, COUNT(carries_v4)))
		return !in_any(v6.sin6_addr.s6_addr + 12, private_v4, COUNT(private_v4));
	return in_range(v6.sin6_addr.s6_addr, &global_v6) &&
		!in_any(v6.sin6_addr.s6_addr, private_v6, COUNT(private_v6));
}
