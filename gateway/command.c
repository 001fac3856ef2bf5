/*
 * The table of commands, and the command line taken apart.
 */
#include "gateway/command.h"

#include <stdio.h>
#include <string.h>

#include "gateway/command_line.h"
#include "gateway/json.h"
#include "gateway/version.h"

struct command {
	const char *first, *second; /* second NULL: a command of one word */
	int words; /* how many plain words it takes, at least */
	int words_max;
	const char *usage;
	const char *help;
	int (*run)(struct line *l);
};

static const struct command commands[] = {
	{"init", NULL, 0, 0, "", "make data directory, master key and database", command_init},
	{"token", "new", 0, 0, "--name NAME", "make an admin token and print it, once", command_token_new},
	{"token", "list", 0, 0, "[--json]", "", command_token_list},
	{"token", "revoke", 1, 1, "ID", "", command_token_revoke},
	{"business", "add", 0, 1, "[ID] --name NAME [--json]", "add a shop", command_business_add},
	{"business", "list", 0, 0, "[--json]", "", command_business_list},
	{"business", "show", 1, 1, "ID [--json]", "", command_business_show},
	{"business", "suspend", 1, 1, "ID", "refuse its webhooks, hold its sends", command_business_suspend},
	{"business", "resume", 1, 1, "ID", "", command_business_resume},
	{"business", "responder", 2, 2, "ID none|catalogue|platform [--url URL] [--rotate-secret]",
		"who answers its customers; platform's signing secret is shown once", command_business_responder},
	{"business", "remove", 1, 1, "ID --yes [--json]", "destroy its keys and all it owns; prints a receipt",
		command_business_remove},
	{"connection", "add", 1, 1,
		"BUSINESS --app-id N [--waba-id N] [--phone-number-id N]\n"
		"      [--app-secret-file F] [--access-token-file F] [--take-over] [--no-verify] [--json]",
		"secrets: prompt, or two lines on standard input", command_connection_add},
	{"connection", "add", 1, 1,
		"BUSINESS --provider 360dialog [--sandbox] [--client-id X] [--phone-number-id N]\n"
		"      [--api-key-file F] [--platform-secret] [--take-over] [--no-verify] [--json]",
		"the API key: prompt, or a line on standard input", command_connection_add},
	{"connection", "test", 2, 2, "BUSINESS ID [--json]", "ask the provider whether its keys work; changes nothing",
		command_connection_test},
	{"connection", "register", 2, 2, "BUSINESS ID [--take-over] [--json]",
		"set our webhook at the provider; --take-over: also where another system gets it now",
		command_connection_register},
	{"connection", "rotate", 3, 3, "BUSINESS ID FIELD [--take-over] [--json]",
		"replace access_token, app_secret, api_key, webhook_secret or platform_secret: prompt, or a line on "
		"standard input; or verify_token, which is made and shown",
		command_connection_rotate},
	{"connection", "rotate", 3, 3, "BUSINESS ID FIELD --end-previous [--json]",
		"the one that was replaced is not accepted from now on", command_connection_rotate},
	{"connection", "remove", 2, 2, "BUSINESS ID --yes", "", command_connection_remove},
	{"connection", "list", 1, 1, "BUSINESS [--json]", "", command_connection_list},
	{"product", "import", 2, 2, "BUSINESS FILE", "CSV or JSON; - is standard input", command_product_import},
	{"product", "list", 1, 1, "BUSINESS [--json]", "", command_product_list},
	{"link", "list", 1, 1, "BUSINESS [--json]", "settings links and the sessions they opened", command_link_list},
	{"link", "revoke", 2, 2, "BUSINESS ID", "end a link, and the session that it opened", command_link_revoke},
	{"link", NULL, 1, 1, "BUSINESS [--expires-in SECONDS]", "make a settings link for the shop owner and print it",
		command_link},
	{"virtual-key", "add", 1, 1,
		"BUSINESS --name NAME [--scopes send,media,templates,read] [--numbers N,N]\n"
		"      [--rate-per-minute N] [--messages-per-day N] [--expires-in-days N | --expires-at TIME] [--json]",
		"make a key that stands for the shop's own towards one client and print it, once",
		command_virtual_key_add},
	{"virtual-key", "list", 1, 1, "BUSINESS [--json]", "", command_virtual_key_list},
	{"virtual-key", "revoke", 2, 2, "BUSINESS ID", "calls with it are refused from then on",
		command_virtual_key_revoke},
	{"audit", NULL, 0, 1, "[BUSINESS] [--json]",
		"who used or changed which key, oldest first; --json: all of it as JSON lines", command_audit},
	{"doctor", NULL, 0, 1, "[BUSINESS] [--json]",
		"what is amiss, why, and what to do; a business's providers are asked now", command_doctor},
	{"refused", NULL, 0, 0, "[--json]", "which calls with virtual keys were refused lately, why, and what to do",
		command_refused},
	{"key", "rotate", 0, 1, "BUSINESS | --all", "new keys for one shop or for all: what they sealed is sealed anew",
		command_key_rotate},
	{"key", "rotate", 0, 1, "--master [--to FILE]",
		"a new master key; FILE: write the new key file there and change nothing", command_key_rotate},
	{"key", "retire", 0, 0, "", "take out of the key file the master keys that only older backups need",
		command_key_retire},
	{"key", "status", 0, 0, "[--json]", "which keys there are, and how far their replacing is", command_key_status},
	{"key", "kit", 0, 0, "[--passphrase-file F] [--no-qr]",
		"print the recovery kit: the master key, sealed to a passphrase, for paper", command_key_kit},
	{"restore-key", NULL, 0, 1, "[FILE] [--out FILE] [--passphrase-file F]",
		"make the key file again from a recovery kit, typed or from a file; - is standard input",
		command_restore_key},
	{"backup", NULL, 1, 1, "FILE", "copy the database, while the service runs or not", command_backup},
	{"verify", NULL, 0, 1, "[--backup FILE] [--json]",
		"open every sealed value of a backup, or of the database, and count", command_verify},
	{"verify", NULL, 0, 1, "--audit [FILE]",
		"whether the audit, or that of a copy, is whole and as the vault sealed it; names the first broken "
		"row, and tokens, keys, links and sessions that it does not know of",
		command_verify},
	{"restore", NULL, 1, 1, "FILE [--yes]", "a backup takes the database's place, which is kept aside",
		command_restore},
	{"config", "check", 0, 0, "", "check the settings and print them", command_config_check},
	{"version", NULL, 0, 0, "", "", command_version},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The rows of a command, or of all that begin with that word: second NULL; of all: first NULL. Returns how many. */
static unsigned rows(FILE *out, const char *first, const char *second)
{
	unsigned n = 0;

	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];

		if ((first != NULL && strcmp(c->first, first) != 0) ||
			(second != NULL && (c->second == NULL || strcmp(c->second, second) != 0)))
			continue;
		n++;
		(void)fprintf(out, "  %s%s%s %s%s%s\n", c->first, c->second != NULL ? " " : "",
			c->second != NULL ? c->second : "", c->usage, c->help[0] != '\0' ? "   " : "", c->help);
	}
	return n;
}

static void help(FILE *out)
{
	(void)fprintf(out,
		"keyhouse %s: a shop's WhatsApp keys, kept and used, never given back\n\n"
		"  serve   run the gateway until interrupted\n",
		KEYHOUSE_VERSION);
	(void)rows(out, NULL, NULL);
	(void)fprintf(out, "\n");
	(void)fflush(out);
	if (out == stdout)
		config_print_help();
}

/* Of what stands before --help; where that is no command's first word, of everything. */
static int help_asked(int argc, char **argv)
{
	const char *first = argc > 2 ? argv[1] : NULL, *second = argc > 3 ? argv[2] : NULL;

	if (first == NULL || ((second == NULL || rows(stdout, first, second) == 0) && rows(stdout, first, NULL) == 0))
		help(stdout);
	else
		(void)printf("\nAll commands, and the settings that each of them takes: keyhouse --help\n");
	return EXIT_DONE;
}

/* The rows of commands that say of what kind: for key, those of virtual-key. */
static void rows_akin(FILE *out, const char *first)
{
	const size_t len = strlen(first);

	for (size_t i = 0; i < COMMANDS; i++) {
		const char *name = commands[i].first;
		const size_t name_len = strlen(name);

		if (name_len > len && name[name_len - len - 1] == '-' && strcmp(name + name_len - len, first) == 0 &&
			(i == 0 || strcmp(commands[i - 1].first, name) != 0))
			(void)rows(out, name, NULL);
	}
}

/* Its first word may be one; then the second is not. */
static int unknown(int argc, char **argv)
{
	bool begun = false;

	for (size_t i = 0; i < COMMANDS && argc > 1; i++)
		begun = begun || strcmp(commands[i].first, argv[1]) == 0;
	if (begun && argc == 2)
		(void)fprintf(stderr, "keyhouse: `%s` is not a command by itself; these are:\n\n", argv[1]);
	else if (begun)
		(void)fprintf(stderr, "keyhouse: there is no command `%s %s`; these are:\n\n", argv[1], argv[2]);
	else if (argc > 1)
		(void)fprintf(stderr, "keyhouse: there is no command `%s%s%s`\n\n", argv[1], argc > 2 ? " " : "",
			argc > 2 ? argv[2] : "");
	if (begun) {
		(void)rows(stderr, argv[1], NULL);
		rows_akin(stderr, argv[1]);
	} else {
		help(stderr);
	}
	return EXIT_USAGE;
}

/* Every way to say this command. */
static void usage(const struct command *c)
{
	for (size_t i = (size_t)(c - commands); i < COMMANDS && commands[i].run == c->run; i++)
		(void)fprintf(stderr, "usage: keyhouse %s%s%s %s\n", c->first, c->second != NULL ? " " : "",
			c->second != NULL ? c->second : "", commands[i].usage);
}

/* Options with a value, and where it goes. */
static const char **option_place(struct line *l, const char *name)
{
	struct {
		const char *name;
		const char **place;
	} options[] = {{"--name", &l->name}, {"--app-id", &l->app_id}, {"--waba-id", &l->waba_id},
		{"--phone-number-id", &l->phone_number_id}, {"--provider", &l->provider},
		{"--client-id", &l->client_id}, {"--url", &l->url}, {"--expires-in", &l->expires_in}, {"--to", &l->to},
		{"--backup", &l->backup}, {"--out", &l->out}, {"--passphrase-file", &l->passphrase_file},
		{"--api-key-file", &l->api_key_file}, {"--app-secret-file", &l->app_secret_file},
		{"--access-token-file", &l->access_token_file}, {"--scopes", &l->scopes}, {"--numbers", &l->numbers},
		{"--rate-per-minute", &l->rate_per_minute}, {"--messages-per-day", &l->messages_per_day},
		{"--expires-in-days", &l->expires_in_days}, {"--expires-at", &l->expires_at}};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].name, name) == 0)
			return options[i].place;
	return NULL;
}

/* Options without a value. */
static bool *flag_place(struct line *l, const char *name)
{
	struct {
		const char *name;
		bool *place;
	} flags[] = {{"--json", &l->json}, {"--no-verify", &l->no_verify}, {"--yes", &l->yes},
		{"--take-over", &l->take_over}, {"--platform-secret", &l->platform_secret}, {"--sandbox", &l->sandbox},
		{"--rotate-secret", &l->rotate_secret}, {"--master", &l->master}, {"--all", &l->all},
		{"--no-qr", &l->no_qr}, {"--end-previous", &l->end_previous}, {"--audit", &l->audit}};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(flags[i].name, name) == 0)
			return flags[i].place;
	return NULL;
}

static bool line_parse(struct line *l, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char **place = option_place(l, argv[i]);
		bool *flag = flag_place(l, argv[i]);

		if (place != NULL && i + 1 < argc)
			*place = argv[++i];
		else if (flag != NULL)
			*flag = true;
		else if ((argv[i][0] == '-' && argv[i][1] != '\0') || l->words_len == LINE_WORDS_MAX)
			return false;
		else
			l->words[l->words_len++] = argv[i];
	}
	return true;
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int command_run(const struct config *config, int argc, char **argv)
{
	struct line line = {.config = config};
	const struct command *c = NULL;

	if (argc > 1 && is_help(argv[argc - 1]))
		return help_asked(argc, argv);
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return command_version(&line);
	for (size_t i = 0; i < COMMANDS && argc > 1 && c == NULL; i++)
		if (strcmp(commands[i].first, argv[1]) == 0 &&
			(commands[i].second == NULL || (argc > 2 && strcmp(commands[i].second, argv[2]) == 0)))
			c = &commands[i];
	if (c == NULL)
		return unknown(argc, argv);
	argv += c->second != NULL ? 3 : 2;
	argc -= c->second != NULL ? 3 : 2;
	if (!line_parse(&line, argc, argv) || line.words_len < c->words || line.words_len > c->words_max) {
		usage(c);
		return EXIT_USAGE;
	}
	json_init();
	return c->run(&line);
}
