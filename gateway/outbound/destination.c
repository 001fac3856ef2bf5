/*
 * Reading a responder's address. Trusts nothing in it. Called by the sender before it connects, and
 * by the platform API through outbound_responder_url_ok before it is stored.
 */
#include "gateway/outbound/destination.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/outbound/address.h"
#include "gateway/outbound/outbound.h"

#define PORT_MAX 65535u
#define HOST_MAX 255u

bool destination_text_ok(const char *url)
{
	const size_t len = strnlen(url, DESTINATION_URL_MAX + 1);

	if (len > DESTINATION_URL_MAX || (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0))
		return false;
	for (size_t i = 0; i < len; i++)
		if (url[i] <= 0x20 || url[i] >= 0x7f)
			return false;
	return true;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* How much of text is a host: a name, an IPv4 address, or an IPv6 address in brackets. 0: none. A dot at the
 * end is refused, or one host would have two names. */
static size_t host_len(const char *text)
{
	size_t n = 0;

	if (text[0] == '[') {
		n = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
		return n > 2 && text[n] == ']' ? n + 1 : 0;
	}
	while (is_alnum(text[n]) || text[n] == '-' || text[n] == '.' || text[n] == '_')
		n++;
	return n > 0 && n <= HOST_MAX && text[0] != '.' && text[n - 1] != '.' ? n : 0;
}

/* Digits up to a port's range; *used of them. 0: none. */
static unsigned port_read(const char *text, size_t *used)
{
	unsigned port = 0;
	size_t n = 0;

	for (; text[n] >= '0' && text[n] <= '9' && port <= PORT_MAX; n++)
		port = port * 10 + (unsigned)(text[n] - '0');
	*used = n;
	return port <= PORT_MAX ? port : 0;
}

const char *destination_read(const char *url, struct destination *out)
{
	const bool https = strncmp(url, "https://", 8) == 0;
	struct destination d = {.https = https, .port = https ? 443 : 80};
	const char *p;
	size_t used;

	if (strnlen(url, DESTINATION_URL_MAX + 1) > DESTINATION_URL_MAX)
		return "must be at most 1023 characters";
	if (!destination_text_ok(url))
		return "must begin with https:// and hold neither spaces nor other than ASCII characters";
	d.host = url + (https ? 8 : 7);
	if (memchr(d.host, '@', strcspn(d.host, "/?")) != NULL)
		return "must not hold a user or password";
	d.host_len = host_len(d.host);
	p = d.host + d.host_len;
	if (d.host_len > 0 && *p == ':') {
		d.port = port_read(p + 1, &used);
		p += 1 + used;
	}
	if (d.host_len == 0 || d.port == 0 || strchr("/?", *p) == NULL)
		return "must name a host, and after a colon its port if that is another than usual";
	if (strchr(p, '#') != NULL || strchr(p, '\\') != NULL)
		return "must not hold # or a backslash";
	*out = d;
	return NULL;
}

bool destination_allowed(const struct destination *d, const char *allow)
{
	while (*(allow += strspn(allow, ", ")) != '\0') {
		const size_t len = strcspn(allow, ", ");
		size_t used;

		if (len > d->host_len + 1 && allow[d->host_len] == ':' &&
			strncasecmp(allow, d->host, d->host_len) == 0 &&
			port_read(allow + d->host_len + 1, &used) == d->port && used == len - d->host_len - 1)
			return true;
		allow += len;
	}
	return false;
}

/* Whether the host is a private address as it is written, in any spelling that libcurl reads as one. A name may
 * still lead to one: that is seen when it is connected to. */
static bool is_private(const struct destination *d)
{
	static const char local[] = "localhost";
	const size_t local_len = sizeof(local) - 1, brackets = d->host[0] == '[';
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	char host[HOST_MAX + 1];

	if (d->host_len > HOST_MAX)
		return false;
	memcpy(host, d->host + brackets, d->host_len - 2 * brackets);
	host[d->host_len - 2 * brackets] = '\0';
	if (brackets)
		return inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 &&
			!address_is_public((const struct sockaddr *)&v6, sizeof(v6));
	if (inet_aton(host, &v4.sin_addr) != 0)
		return !address_is_public((const struct sockaddr *)&v4, sizeof(v4));
	return d->host_len >= local_len && strcasecmp(host + d->host_len - local_len, local) == 0 &&
		(d->host_len == local_len || host[d->host_len - local_len - 1] == '.');
}

bool outbound_responder_url_ok(const char *url, const char *allow, char *why, size_t why_len)
{
	struct destination d;
	const char *fault = destination_read(url, &d);
	bool refused = fault == NULL && !destination_allowed(&d, allow) && (!d.https || is_private(&d));

	if (why == NULL || why_len == 0)
		return fault == NULL && !refused;
	if (refused)
		(void)snprintf(why, why_len, "%s; the operator can name %.*s:%u in responder_allow",
			d.https ? "private addresses are refused" : "must begin with https://", (int)d.host_len, d.host,
			d.port);
	else if (fault != NULL)
		(void)snprintf(why, why_len, "%s", fault);
	return fault == NULL && !refused;
}
