/*
 * The table of settings, and reading it. Everything a setting is stands in its row:
 * name, default, rule, one line for people. --help and the checks come from there.
 */
#include "gateway/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LINE_MAX 2048

struct setting {
	const char *name;
	const char *initial;
	bool (*valid)(const char *value);
	const char *rule; /* said after "must be" */
	const char *help;
};

/* ------------------------------------------------------------ rules */

static bool digits_to(const char *text, size_t len, unsigned max, unsigned *out)
{
	unsigned n = 0;

	if (len == 0 || len > 9)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (unsigned)(text[i] - '0');
	}
	*out = n;
	return n <= max;
}

static bool address_parse(const char *text, size_t len, struct config_address *out)
{
	char host[64];
	const char *colon = NULL;
	size_t host_len;
	unsigned port;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < len; i++)
		if (text[i] == ':')
			colon = text + i;
	if (colon == NULL || !digits_to(colon + 1, (size_t)(text + len - colon - 1), 65535, &port) || port == 0)
		return false;
	host_len = (size_t)(colon - text);
	out->ipv6 = host_len > 2 && text[0] == '[' && text[host_len - 1] == ']';
	if (out->ipv6) {
		text++;
		host_len -= 2;
	}
	if (host_len == 0 || host_len >= sizeof(host))
		return false;
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	out->port = (uint16_t)port;
	return inet_pton(out->ipv6 ? AF_INET6 : AF_INET, host, out->bytes) == 1;
}

/* Walks "a:1, b:2": returns false on a bad one or too many. */
static bool addresses_parse(const char *value, struct config_address *out, size_t *len)
{
	*len = 0;
	while (*(value += strspn(value, ", ")) != '\0') {
		size_t n = strcspn(value, ", ");

		if (*len == CONFIG_ADDRESSES_MAX || !address_parse(value, n, &out[*len]))
			return false;
		(*len)++;
		value += n;
	}
	return true;
}

static bool rule_addresses(const char *value)
{
	struct config_address list[CONFIG_ADDRESSES_MAX];
	size_t len;

	return addresses_parse(value, list, &len);
}

static bool rule_addresses_needed(const char *value)
{
	struct config_address list[CONFIG_ADDRESSES_MAX];
	size_t len;

	return addresses_parse(value, list, &len) && len > 0;
}

static bool rule_path(const char *value)
{
	return value[0] != '\0';
}

static bool rule_any(const char *value)
{
	(void)value;
	return true;
}

/* scheme://host[:port][/path], no user, no query, no trailing slash. */
static bool url_form(const char *value)
{
	const char *rest = strncmp(value, "https://", 8) == 0 ? value + 8
		: strncmp(value, "http://", 7) == 0	      ? value + 7
							      : NULL;

	if (rest == NULL || *rest == '\0' || *rest == '/' || value[strlen(value) - 1] == '/')
		return false;
	for (; *rest != '\0'; rest++)
		if ((unsigned char)*rest <= ' ' || (unsigned char)*rest >= 0x7f || strchr("@?#\\\"<>", *rest) != NULL)
			return false;
	return true;
}

bool config_url_is_loopback(const char *url)
{
	const char *host = strstr(url, "://");
	char name[64];
	uint8_t v4[4];
	size_t len;

	if (host == NULL)
		return false;
	host += 3;
	if (strncmp(host, "[::1]", 5) == 0)
		return host[5] == '\0' || host[5] == ':' || host[5] == '/';
	len = strcspn(host, ":/");
	if (len == 0 || len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return strcmp(name, "localhost") == 0 || (inet_pton(AF_INET, name, v4) == 1 && v4[0] == 127);
}

static bool rule_provider_url(const char *value)
{
	return url_form(value) && (strncmp(value, "https://", 8) == 0 || config_url_is_loopback(value));
}

static bool rule_public_url(const char *value)
{
	return value[0] == '\0' || url_form(value);
}

/* "https://host, https://host:port": they go into a header, where a quote, a semicolon or a star would say more. */
static bool rule_origins(const char *value)
{
	char one[CONFIG_VALUE_MAX + 1];

	while (*(value += strspn(value, ", ")) != '\0') {
		size_t len = strcspn(value, ", ");

		memcpy(one, value, len);
		one[len] = '\0';
		if (!rule_provider_url(one) || strchr(strstr(one, "://") + 3, '/') != NULL ||
			strpbrk(one, "';*") != NULL)
			return false;
		value += len;
	}
	return true;
}

static bool rule_version(const char *value)
{
	size_t major = strspn(value + (value[0] == 'v'), "0123456789");
	const char *dot = value + 1 + major;

	return value[0] == 'v' && major > 0 && major <= 3 && *dot == '.' && strlen(dot + 1) >= 1 &&
		strlen(dot + 1) <= 2 && dot[1 + strspn(dot + 1, "0123456789")] == '\0';
}

/* "host:port, host:port": names are not looked up here. */
static bool rule_destinations(const char *value)
{
	unsigned port;

	while (*(value += strspn(value, ", ")) != '\0') {
		size_t len = strcspn(value, ", "), host = len;

		while (host > 0 && value[host - 1] != ':')
			host--;
		if (host < 2 || !digits_to(value + host, len - host, 65535, &port) || port == 0 ||
			strcspn(value, "/@?#\\\"<>") < len)
			return false;
		value += len;
	}
	return true;
}

static bool rule_seconds(const char *value)
{
	unsigned n;

	return digits_to(value, strlen(value), 60, &n) && n > 0;
}

static bool rule_interval(const char *value)
{
	unsigned n;

	return digits_to(value, strlen(value), 604800, &n) && n > 0;
}

static bool rule_days(const char *value)
{
	unsigned n;

	return digits_to(value, strlen(value), 3650, &n) && n > 0;
}

static const struct setting settings[CONFIG_KEYS] = {
	[CONFIG_DATA_DIR] = {"data_dir", "./keyhouse-data", rule_path, "a directory",
		"database, lock, generated master key"},
	[CONFIG_LISTEN] = {"listen", "127.0.0.1:8080", rule_addresses_needed,
		"ADDRESS:PORT or [IPv6]:PORT, up to 8, separated by commas",
		"plain HTTP; put TLS in front of it, or use listen_tls"},
	[CONFIG_LISTEN_TLS] = {"listen_tls", "", rule_addresses,
		"ADDRESS:PORT or [IPv6]:PORT, up to 8, separated by commas", "HTTPS; needs tls_cert and tls_key"},
	[CONFIG_PUBLIC_URL] = {"public_url", "", rule_public_url,
		"http://HOST or https://HOST, without a slash at the end",
		"what webhook URLs are built from (default http://<first listen>)"},
	[CONFIG_TLS_CERT] = {"tls_cert", "", rule_any, "a file", "certificate chain, PEM"},
	[CONFIG_TLS_KEY] = {"tls_key", "", rule_any, "a file", "its private key, PEM"},
	[CONFIG_MASTER_KEY_FILE] = {"master_key_file", "", rule_any, "a file",
		"owner-only (default <data_dir>/master.key)"},
	[CONFIG_META_API_URL] = {"meta_api_url", "https://graph.facebook.com", rule_provider_url,
		"https://HOST (http only to loopback)", "Meta's Graph API"},
	[CONFIG_META_API_VERSION] = {"meta_api_version", "v26.0", rule_version, "like v26.0", "its version"},
	[CONFIG_META_MEDIA_URL] = {"meta_media_url", "https://lookaside.fbsbx.com", rule_provider_url,
		"https://HOST (http only to loopback)", "where Meta serves media"},
	[CONFIG_D360_API_URL] = {"d360_api_url", "https://waba-v2.360dialog.io", rule_provider_url,
		"https://HOST (http only to loopback)", "360dialog's messaging API"},
	[CONFIG_D360_SANDBOX_URL] = {"d360_sandbox_url", "https://waba-sandbox.360dialog.io", rule_provider_url,
		"https://HOST (http only to loopback)", "its sandbox, for trying out"},
	[CONFIG_RESPONDER_ALLOW] = {"responder_allow", "", rule_destinations,
		"HOST:PORT or [IPv6]:PORT, separated by commas",
		"responders that may have a private address or plain http (127.0.0.1:9000)"},
	[CONFIG_RESPONDER_TIMEOUT] = {"responder_timeout", "15", rule_seconds, "a number of seconds, 1 to 60",
		"seconds that a responder may take to answer"},
	[CONFIG_FRAME_ANCESTORS] = {"frame_ancestors", "", rule_origins, "https://HOST, separated by commas",
		"sites that may show the settings pages in a frame"},
	[CONFIG_CHECK_INTERVAL] = {"check_interval", "21600", rule_interval, "a number of seconds, 1 to 604800",
		"between two looks at whether a connection's key, number and webhook are well"},
	[CONFIG_RETENTION_DAYS] = {"retention_days", "30", rule_days, "a number of days, 1 to 3650",
		"message bodies; the log without content stays 400 days"},
};

/* ------------------------------------------------------------ reading */

const char *config_name(enum config_key key)
{
	return settings[key].name;
}

const char *config_get(const struct config *c, enum config_key key)
{
	return c->values[key];
}

unsigned config_number(const struct config *c, enum config_key key)
{
	unsigned n = 0;

	(void)digits_to(c->values[key], strlen(c->values[key]), 999999999u, &n);
	return n;
}

size_t config_addresses(const char *value, struct config_address out[static CONFIG_ADDRESSES_MAX])
{
	size_t len = 0;

	return addresses_parse(value, out, &len) ? len : 0;
}

bool config_set(struct config *c, enum config_key key, const char *value, const char *source, char *why, size_t why_len)
{
	size_t len = strlen(value);

	if (len > CONFIG_VALUE_MAX || strpbrk(value, "\r\n") != NULL || !settings[key].valid(value)) {
		(void)snprintf(why, why_len, "%s (from %s) must be %s", settings[key].name, source, settings[key].rule);
		return false;
	}
	memcpy(c->values[key], value, len + 1);
	c->sources[key] = source;
	return true;
}

/* The key that name spells with '_' or, as a flag, with '-'; CONFIG_KEYS if none. */
static enum config_key key_named(const char *name, size_t len, bool flag)
{
	for (int k = 0; k < CONFIG_KEYS; k++) {
		const char *have = settings[k].name;
		size_t i = 0;

		if (strlen(have) != len)
			continue;
		while (i < len && name[i] == (flag && have[i] == '_' ? '-' : have[i]))
			i++;
		if (i == len)
			return (enum config_key)k;
	}
	return CONFIG_KEYS;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		text[--len] = '\0';
	return text;
}

static bool file_line(struct config *c, char *line, const char *path, unsigned number, char *why, size_t why_len)
{
	char *comment = strstr(line, " #");
	char *name, *equals;
	enum config_key key;

	/* `config check` prints where a value came from in this way. */
	if (comment != NULL)
		*comment = '\0';
	name = trim(line);
	equals = strchr(name, '=');

	if (*name == '\0' || *name == '#')
		return true;
	if (equals == NULL) {
		(void)snprintf(why, why_len, "%s line %u: expected key = value", path, number);
		return false;
	}
	*equals = '\0';
	name = trim(name);
	key = key_named(name, strlen(name), false);
	if (key == CONFIG_KEYS) {
		/* Only what a name is made of: it is a stranger to us, and may have been pasted there by mistake. */
		(void)snprintf(why, why_len, "%s line %u: no such setting%s%.*s; `keyhouse --help` lists them", path,
			number, name[0] != '\0' ? ": " : "", (int)strspn(name, "abcdefghijklmnopqrstuvwxyz_"), name);
		return false;
	}
	return config_set(c, key, trim(equals + 1), "file", why, why_len);
}

/* needed: the file was named by the user, so it must be there. */
static bool file_read(struct config *c, const char *path, bool needed, char *why, size_t why_len)
{
	char line[FILE_LINE_MAX];
	bool ok = true;
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		if (errno == ENOENT && !needed)
			return true;
		(void)snprintf(why, why_len, "cannot read %s: %s", path, strerror(errno));
		c->unreadable = true;
		return false;
	}
	for (unsigned number = 1; ok && fgets(line, sizeof(line), f) != NULL; number++) {
		if (strchr(line, '\n') == NULL && !feof(f)) {
			(void)snprintf(why, why_len, "%s line %u: too long", path, number);
			ok = false;
			break;
		}
		ok = file_line(c, line, path, number, why, why_len);
	}
	if (ok && ferror(f) != 0) { /* as of a directory */
		(void)snprintf(why, why_len, "cannot read %s: %s", path, strerror(errno));
		c->unreadable = true;
		ok = false;
	}
	(void)fclose(f);
	return ok;
}

static bool environment_read(struct config *c, char *why, size_t why_len)
{
	for (int k = 0; k < CONFIG_KEYS; k++) {
		char name[64];
		const char *value;
		int len = snprintf(name, sizeof(name), "KEYHOUSE_%s", settings[k].name);

		for (int i = 0; i < len; i++)
			if (name[i] >= 'a' && name[i] <= 'z')
				name[i] = (char)(name[i] - 'a' + 'A');
		value = getenv(name);
		if (value != NULL && !config_set(c, (enum config_key)k, value, "environment", why, why_len))
			return false;
	}
	return true;
}

/* The value of the flag at argv[*i] ("--name=V" or "--name V"); NULL when there is none. */
static const char *flag_value(int argc, char **argv, int *i, size_t name_len)
{
	const char *after = argv[*i] + 2 + name_len;

	if (*after == '=')
		return after + 1;
	if (*i + 1 >= argc)
		return NULL;
	(*i)++;
	return argv[*i];
}

struct flags {
	const char *values[CONFIG_KEYS];
	const char *config_file;
};

/* Takes the settings out of argv; the rest moves down. */
static bool flags_read(struct flags *flags, int *argc, char **argv, char *why, size_t why_len)
{
	int kept = 1, i;

	for (i = 1; i < *argc; i++) {
		size_t len = strncmp(argv[i], "--", 2) == 0 ? strcspn(argv[i] + 2, "=") : 0;
		bool is_file = len == 6 && strncmp(argv[i] + 2, "config", 6) == 0;
		enum config_key key = len > 0 ? key_named(argv[i] + 2, len, true) : CONFIG_KEYS;
		const char *value;

		if (strcmp(argv[i], "--") == 0)
			break;
		if (key == CONFIG_KEYS && !is_file) {
			argv[kept++] = argv[i];
			continue;
		}
		value = flag_value(*argc, argv, &i, len);
		if (value == NULL) {
			(void)snprintf(why, why_len, "--%s needs a value", is_file ? "config" : settings[key].name);
			return false;
		}
		if (is_file)
			flags->config_file = value;
		else
			flags->values[key] = value;
	}
	for (; i < *argc; i++)
		argv[kept++] = argv[i];
	*argc = kept;
	return true;
}

static void fill_derived(struct config *c)
{
	if (c->values[CONFIG_MASTER_KEY_FILE][0] == '\0')
		(void)snprintf(c->values[CONFIG_MASTER_KEY_FILE], CONFIG_VALUE_MAX + 1, "%.1000s/master.key",
			c->values[CONFIG_DATA_DIR]);
	if (c->values[CONFIG_PUBLIC_URL][0] == '\0')
		(void)snprintf(c->values[CONFIG_PUBLIC_URL], CONFIG_VALUE_MAX + 1, "http://%.*s",
			(int)strcspn(c->values[CONFIG_LISTEN] + strspn(c->values[CONFIG_LISTEN], ", "), ", "),
			c->values[CONFIG_LISTEN] + strspn(c->values[CONFIG_LISTEN], ", "));
}

bool config_load(struct config *c, int *argc, char **argv, char *why, size_t why_len)
{
	struct flags flags = {0};
	char path[CONFIG_VALUE_MAX + 32];

	memset(c, 0, sizeof(*c));
	for (int k = 0; k < CONFIG_KEYS; k++)
		if (!config_set(c, (enum config_key)k, settings[k].initial, "default", why, why_len))
			return false;
	if (!flags_read(&flags, argc, argv, why, why_len))
		return false;
	/* The data directory may come from the environment or a flag, and says where the file is. */
	if (!environment_read(c, why, why_len))
		return false;
	if (flags.values[CONFIG_DATA_DIR] != NULL &&
		!config_set(c, CONFIG_DATA_DIR, flags.values[CONFIG_DATA_DIR], "flag", why, why_len))
		return false;
	(void)snprintf(path, sizeof(path), "%s/keyhouse.conf", c->values[CONFIG_DATA_DIR]);
	if (!file_read(
		    c, flags.config_file != NULL ? flags.config_file : path, flags.config_file != NULL, why, why_len) ||
		!environment_read(c, why, why_len))
		return false;
	for (int k = 0; k < CONFIG_KEYS; k++)
		if (flags.values[k] != NULL &&
			!config_set(c, (enum config_key)k, flags.values[k], "flag", why, why_len))
			return false;
	if (c->values[CONFIG_LISTEN_TLS][0] != '\0' &&
		(c->values[CONFIG_TLS_CERT][0] == '\0' || c->values[CONFIG_TLS_KEY][0] == '\0')) {
		(void)snprintf(why, why_len, "listen_tls needs tls_cert and tls_key");
		return false;
	}
	fill_derived(c);
	return true;
}

/* ------------------------------------------------------------ printing */

void config_print_help(void)
{
	(void)printf("Settings, as flags (--data-dir DIR), environment (KEYHOUSE_DATA_DIR) or in the file\n"
		     "named by --config, else <data_dir>/keyhouse.conf (data_dir = DIR):\n");
	for (int k = 0; k < CONFIG_KEYS; k++)
		(void)printf("  %-17s %-33s %s\n", settings[k].name,
			settings[k].initial[0] != '\0' ? settings[k].initial : "-", settings[k].help);
}

void config_print(const struct config *c)
{
	for (int k = 0; k < CONFIG_KEYS; k++)
		(void)printf("%s = %s  # %s\n", settings[k].name, c->values[k], c->sources[k]);
}
