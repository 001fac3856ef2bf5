/*
 * Settings: one table of keys, read from flags, environment and file, in that order.
 *
 * A value that breaks its rule is refused with one sentence that names the key and
 * where it came from. No setting holds a secret. Called by main and supervisor; the
 * roles get the checked values from the supervisor.
 */
#ifndef KEYHOUSE_CONFIG_H
#define KEYHOUSE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_key {
	CONFIG_DATA_DIR,
	CONFIG_LISTEN,
	CONFIG_LISTEN_TLS,
	CONFIG_PUBLIC_URL,
	CONFIG_TLS_CERT,
	CONFIG_TLS_KEY,
	CONFIG_MASTER_KEY_FILE,
	CONFIG_META_API_URL,
	CONFIG_META_API_VERSION,
	CONFIG_META_MEDIA_URL,
	CONFIG_D360_API_URL,
	CONFIG_D360_SANDBOX_URL,
	CONFIG_RESPONDER_ALLOW,
	CONFIG_RESPONDER_TIMEOUT,
	CONFIG_FRAME_ANCESTORS,
	CONFIG_CHECK_INTERVAL,
	CONFIG_RETENTION_DAYS,
	CONFIG_KEYS /* how many */
};

#define CONFIG_VALUE_MAX 1023u

struct config {
	char values[CONFIG_KEYS][CONFIG_VALUE_MAX + 1]; /* "" where unset */
	const char *sources[CONFIG_KEYS]; /* "default", "file", "environment", "flag" */
	bool unreadable; /* after config_load failed: the file is, and nobody said anything wrong */
};

/* Takes the settings out of argv: "--data-dir X" or "--data-dir=X" for every key, and
 * "--config FILE". What is left stays in *argc / argv in order. argv[0] is passed over; "--" ends.
 * Returns false with one sentence in why. */
bool config_load(struct config *c, int *argc, char **argv, char *why, size_t why_len);

const char *config_name(enum config_key key);
const char *config_get(const struct config *c, enum config_key key);
unsigned config_number(const struct config *c, enum config_key key); /* of a key whose rule is a number */

/* Puts a value in from elsewhere (the supervisor's message), under the same rule. */
bool config_set(
	struct config *c, enum config_key key, const char *value, const char *source, char *why, size_t why_len);

/* Prints the table for --help to standard output: key, default, what it is. */
void config_print_help(void);
/* Prints what is in force, a line a key: value and source. */
void config_print(const struct config *c);

/* One listening address. */
struct config_address {
	bool ipv6;
	uint8_t bytes[16]; /* 4 or 16, network order */
	uint16_t port;
};
#define CONFIG_ADDRESSES_MAX 8u
/* Splits a value of listen or listen_tls; returns how many, 0 for "". */
size_t config_addresses(const char *value, struct config_address out[static CONFIG_ADDRESSES_MAX]);

/* Whether a URL's host is a loopback address or "localhost". */
bool config_url_is_loopback(const char *url);

#endif
