/*
 * The recovery kit: printing it (keyhouse key kit), and making a key file of it again
 * (keyhouse restore-key). The keys are touched in a process of their own; what passes
 * here is the passphrase, in guarded memory, and the kit, which is sealed.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/console.h"
#include "gateway/datadir.h"
#include "gateway/json.h"
#include "store/store.h"
#include "vault/vault.h"

#define PASSPHRASE_MIN 12u /* characters */
#define PASSPHRASE_MAX 1024u /* bytes */
#define LINES_TEXT_MAX (32u * (VAULT_KIT_LINE_MAX + 1u))

/* ------------------------------------------------------------ passphrases */

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* The first line of a file. */
static bool line_of_file(const char *file, char *out, size_t room)
{
	char *data = NULL;
	size_t len = 0;
	bool ok;

	if (!console_file(file, &data, &len))
		return false;
	ok = strcspn(data, "\r\n") < room;
	if (ok)
		(void)snprintf(out, room, "%.*s", (int)strcspn(data, "\r\n"), data);
	else
		(void)line_complain("the passphrase is longer than 1024 bytes");
	explicit_bzero(data, len);
	free(data);
	return ok;
}

/* Asks, or takes it from its file. "" where nothing was entered. */
static bool passphrase_ask(const char *file, const char *prompt, char *out, size_t room)
{
	out[0] = '\0';
	if (file != NULL)
		return line_of_file(file, out, room);
	(void)console_line(prompt, out, room);
	if (strlen(out) + 1 < room)
		return true;
	(void)line_complain("the passphrase is longer than 1024 bytes");
	return false;
}

/* For a new kit: twice, or by Enter one that is made here. *made is then true, and out is to be shown. */
static bool passphrase_choose(const struct line *l, char *out, size_t room, bool *made)
{
	char again[PASSPHRASE_MAX + 2];
	bool same;

	*made = false;
	if (!passphrase_ask(l->passphrase_file, "A passphrase for the kit, or Enter for one made here", out, room))
		return false;
	if (out[0] == '\0' && l->passphrase_file == NULL && isatty(STDIN_FILENO) == 1) {
		vault_passphrase_make(out);
		*made = true;
		return true;
	}
	if (characters(out) < PASSPHRASE_MIN) {
		(void)line_complain(
			"a passphrase has at least 12 characters: take four or five words that have nothing "
			"to do with each other");
		return false;
	}
	if (l->passphrase_file != NULL || isatty(STDIN_FILENO) != 1)
		return true;
	same = passphrase_ask(NULL, "The same again", again, sizeof(again)) && strcmp(out, again) == 0;
	explicit_bzero(again, sizeof(again));
	return same || line_complain("the two are not the same; nothing was made") == EXIT_DONE;
}

/* ------------------------------------------------------------ the page */

/* Whether the module at x, y is dark; all around the code is light. */
static bool is_dark(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width && (code->data[y * code->width + x] & 1) != 0;
}

/* Two modules a character. A terminal is told black on white, whatever its colours; in a file dark is ink, as it is when
 * that is printed. */
static void print_code(const QRcode *code)
{
	static const char *const halves[] = {" ", "\xe2\x96\x84", "\xe2\x96\x80", "\xe2\x96\x88"};
	const bool terminal = isatty(STDOUT_FILENO) == 1;
	const int quiet = 4; /* ISO/IEC 18004 */

	for (int y = -quiet; y < code->width + quiet; y += 2) {
		(void)printf("%s", terminal ? "\033[38;5;16;48;5;231m" : "");
		for (int x = -quiet; x < code->width + quiet; x++)
			(void)printf("%s", halves[is_dark(code, x, y) * 2 + is_dark(code, x, y + 1)]);
		(void)printf("%s\n", terminal ? "\033[0m" : "");
	}
}

/* A line for the code: its place, a blank, its letters; behind the first with "+" before. */
static size_t line_pack(const char *line, bool first, char *out)
{
	const char *letters = strchr(line, ' ');
	size_t len =
		(size_t)snprintf(out, VAULT_KIT_LINE_MAX + 2, "%s%.*s ", first ? "" : "+", (int)(letters - line), line);

	for (; *letters != '\0'; letters++)
		if (*letters != ' ')
			out[len++] = *letters;
	out[len] = '\0';
	return len;
}

static void print_lines(const struct vault_kit *kit, bool with_code)
{
	char text[LINES_TEXT_MAX], line[VAULT_KIT_LINE_MAX + 1];
	size_t len = 0;
	QRcode *code;

	for (unsigned i = 1; i <= vault_kit_lines(kit); i++) {
		vault_kit_line(kit, i, line);
		(void)printf("    %s\n", line);
		len += line_pack(line, i == 1, text + len);
	}
	code = with_code ? QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1) : NULL;
	if (code == NULL)
		return;
	(void)printf("\nThe same as a code to scan:\n\n");
	print_code(code);
	QRcode_free(code);
}

static void print_page(const struct vault_kit *kit, const char *deployment, bool with_code)
{
	char id[VAULT_KEY_ID_LEN + 1], day[16] = "";
	const time_t now = time(NULL);
	const unsigned previous = vault_kit_keys(kit) - 1;
	struct tm tm;

	vault_kit_key_id(kit, id);
	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	(void)printf(
		"Keyhouse recovery kit\n\n"
		"This page holds the master key of a Keyhouse, sealed to a passphrase. Without it, losing the key\n"
		"file loses every shop's key. The page is worth nothing without the passphrase; whoever has both\n"
		"and a copy of the database has every shop's key.\n\n");
	(void)printf("    master key    %s", id);
	if (previous > 0)
		(void)printf(" (and %u previous one%s)", previous, previous > 1 ? "s" : "");
	(void)printf("\n    installation  %s\n    made          %s\n\n", deployment, day);
	(void)printf(
		"Keep it on paper, apart from the passphrase and from copies of the database. After the master key\n"
		"was replaced (keyhouse key rotate --master), print a new one.\n\n"
		"To make the key file again: keyhouse restore-key, and type these lines as they stand. Capitals,\n"
		"blanks and dashes do not matter; there is no letter I, L, O or U, so 1 and 0 are digits. The last\n"
		"four of a line check it: a slip is named.\n\n");
	print_lines(kit, with_code);
}

/* ------------------------------------------------------------ key kit */

static int noted(struct line *l, struct session *s, const char *id)
{
	char body[64];
	const struct session_request q = {.method = "POST",
		.path = "/control/kit",
		.content_type = "application/json",
		.body = body,
		.body_len = (size_t)snprintf(body, sizeof(body), "{\"key_id\":\"%s\"}", id)};
	cJSON *answer = NULL;
	int result = line_ask_in(l, s, &q, &answer);

	cJSON_Delete(answer);
	return result;
}

static int kit_print(struct line *l, struct session *s, const char *deployment, const struct secret *passphrase)
{
	char why[1024] = "", id[VAULT_KEY_ID_LEN + 1];
	struct vault_kit kit;

	if (!datadir_kit_make(l->config, passphrase, &kit, why, sizeof(why)))
		return line_complain(why);
	print_page(&kit, deployment, !l->no_qr);
	if (fflush(stdout) != 0 || ferror(stdout) != 0)
		return line_complain("the page could not be written whole, so it does not count as a kit");
	vault_kit_key_id(&kit, id);
	return noted(l, s, id);
}

static int kit_with(struct line *l, struct session *s, const char *deployment)
{
	char text[PASSPHRASE_MAX + 2];
	struct secret *passphrase = NULL;
	int result = EXIT_FAILED;
	bool made;
	const bool chosen = passphrase_choose(l, text, sizeof(text), &made);

	if (chosen)
		passphrase = secret_new(text, strlen(text));
	explicit_bzero(text, sizeof(text));
	if (chosen)
		result = passphrase != NULL ? kit_print(l, s, deployment, passphrase) : line_complain("out of memory");
	/* Not on the page: the two belong apart. */
	if (result == EXIT_DONE && made)
		(void)fprintf(stderr,
			"\nThe passphrase, shown this once:\n\n    %s\n\nWrite it down now, and keep it apart from the "
			"page.\n",
			(const char *)secret_bytes(passphrase));
	secret_free(passphrase);
	return result;
}

int command_key_kit(struct line *l)
{
	const struct session_request look = {.method = "GET", .path = "/control/kit"};
	struct session *s = session_open(l->config, false, false);
	cJSON *answer = NULL;
	int result;

	if (s == NULL)
		return EXIT_FAILED;
	if (vault_init() != VAULT_OK)
		result = line_complain("the cryptography library cannot be used");
	else
		result = line_ask_in(l, s, &look, &answer);
	if (result == EXIT_DONE)
		result = kit_with(l, s, json_get_string(answer, "deployment_id"));
	cJSON_Delete(answer);
	session_close(s);
	return result;
}

/* ------------------------------------------------------------ restore-key */

static void fault_say(enum vault_kit_fault fault, unsigned line)
{
	char text[256];

	switch (fault) {
	case VAULT_KIT_FINE:
		return;
	case VAULT_KIT_NO_KIT:
		(void)line_complain("there is no recovery kit in it: its lines begin with 1/8, 2/8 and so on");
		return;
	case VAULT_KIT_MISTYPED:
		(void)snprintf(text, sizeof(text),
			"line %u is not as it stands on the page: compare it letter by letter", line);
		break;
	case VAULT_KIT_MISSING:
		(void)snprintf(text, sizeof(text), "line %u is missing: all lines are needed", line);
		break;
	case VAULT_KIT_ORDER:
		(void)snprintf(
			text, sizeof(text), "line %u is not where it belongs: each line once, in their order", line);
		break;
	case VAULT_KIT_MIXED:
		(void)snprintf(text, sizeof(text), "line %u is of another kit: all lines must be of one page", line);
		break;
	case VAULT_KIT_NEWER:
		(void)line_complain("a newer version of keyhouse made this kit; use that version");
		return;
	case VAULT_KIT_COSTLY:
		(void)line_complain("this is no kit that keyhouse made: it asks for more work than any of ours");
		return;
	}
	(void)line_complain(text);
}

/* Reads typed lines until an empty one. */
static bool lines_typed(char *out, size_t room)
{
	char line[512];
	size_t len = 0;

	(void)fprintf(stderr, "Type the lines of the kit as they stand on the page, then an empty line:\n");
	out[0] = '\0';
	while (fgets(line, sizeof(line), stdin) != NULL && line[strspn(line, " \r\n")] != '\0') {
		if (len + strlen(line) >= room)
			return line_complain("that is longer than any kit") == EXIT_DONE;
		memcpy(out + len, line, strlen(line) + 1);
		len += strlen(line);
	}
	return true;
}

static bool kit_read(struct line *l, struct vault_kit *kit)
{
	const char *file = l->words_len > 0 ? l->words[0] : "-";
	const bool typed = strcmp(file, "-") == 0 && isatty(STDIN_FILENO) == 1;
	enum vault_kit_fault fault;
	char text[8192], *data = NULL;
	unsigned line;
	size_t len;

	if (typed ? !lines_typed(text, sizeof(text)) : !console_file(file, &data, &len))
		return false;
	fault = vault_kit_read(typed ? text : data, kit, &line);
	free(data);
	fault_say(fault, line);
	return fault == VAULT_KIT_FINE;
}

/* The master keys that the database here needs. */
#define NEEDED_MAX 64u
struct needed {
	char ids[NEEDED_MAX][VAULT_KEY_ID_LEN + 1];
	size_t len; /* 0: there is no database, or it cannot be told */
};

static void need(struct needed *n, const char *id)
{
	for (size_t i = 0; i < n->len; i++)
		if (strcmp(n->ids[i], id) == 0)
			return;
	if (n->len < NEEDED_MAX)
		(void)snprintf(n->ids[n->len++], sizeof(n->ids[0]), "%s", id);
}

static bool need_for_key(const struct store_tenant_key *key, void *arg)
{
	need(arg, key->master_key_id);
	return true;
}

static bool need_for_count(const struct store_master_count *c, void *arg)
{
	need(arg, c->master_key_id);
	return true;
}

/* Without the installation's own keys nothing starts, so theirs count; where they are gone, anybody's. */
static void needed_find(const struct line *l, struct needed *n)
{
	char path[DATADIR_PATH_MAX];
	const struct store_options options = {.path = path, .read_only = true, .readers = 1};
	struct store *store = NULL;
	enum store_error err;

	n->len = 0;
	datadir_database(l->config, path);
	if (store_open(&store, &options) != STORE_OK)
		return;
	err = store_tenant_key_list(store, "", need_for_key, n);
	if (err == STORE_OK && n->len == 0)
		err = store_master_counts(store, need_for_count, n);
	store_close(store);
	if (err != STORE_OK)
		n->len = 0;
}

/* Whether the database that is there was sealed under this key; nothing where that is not known. */
static void say_fits(const struct line *l, const struct needed *n, const char *id, unsigned keys)
{
	const char *where = config_get(l->config, CONFIG_DATA_DIR);
	bool current = false;

	for (size_t i = 0; i < n->len; i++)
		current = current || strcmp(n->ids[i], id) == 0;
	if (current)
		(void)printf("It is the key of the database in %s.\n", where);
	else if (n->len > 0 && l->out == NULL)
		(void)printf("The key of the database in %s is one of the previous ones.\n", where);
	else if (n->len > 0)
		(void)fprintf(stderr, "keyhouse: the database in %s is under another master key%s\n", where,
			keys > 1 ? "; it may be one of the previous ones: keyhouse verify --master-key-file FILE"
				 : ", so this one does not open it");
}

int command_restore_key(struct line *l)
{
	char path[DATADIR_PATH_MAX], why[1024] = "", id[VAULT_KEY_ID_LEN + 1], text[PASSPHRASE_MAX + 2] = "";
	struct secret *passphrase = NULL;
	struct needed needed;
	struct vault_kit kit;
	bool ok;

	if (vault_init() != VAULT_OK)
		return line_complain("the cryptography library cannot be used");
	if ((l->words_len == 0 || strcmp(l->words[0], "-") == 0) && l->passphrase_file == NULL &&
		isatty(STDIN_FILENO) != 1)
		return line_complain("the kit comes from standard input, so say where the passphrase is: "
				     "--passphrase-file F");
	if (!kit_read(l, &kit))
		return EXIT_FAILED;
	vault_kit_key_id(&kit, id);
	ok = passphrase_ask(l->passphrase_file, "The kit's passphrase", text, sizeof(text)) &&
		(text[0] != '\0' || line_complain("no passphrase was given") == EXIT_DONE);
	if (ok)
		passphrase = secret_new(text, strlen(text));
	explicit_bzero(text, sizeof(text));
	needed_find(l, &needed);
	ok = passphrase != NULL &&
		datadir_key_restore(
			l->config, l->out, &kit, passphrase, needed.ids, needed.len, path, why, sizeof(why));
	secret_free(passphrase);
	if (!ok)
		return why[0] != '\0' ? line_complain(why) : EXIT_FAILED;
	(void)printf("wrote %s: master key %s", path, id);
	if (vault_kit_keys(&kit) > 1)
		(void)printf(", and %u previous", vault_kit_keys(&kit) - 1);
	(void)printf("\n");
	say_fits(l, &needed, id, vault_kit_keys(&kit));
	return EXIT_DONE;
}
