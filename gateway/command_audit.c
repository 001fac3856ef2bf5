/*
 * The audit from the command line: shown or written out as JSON lines, row by row, and
 * checked against the vault's seals. Checking reads the file itself, whoever else has it
 * open, with a vault of its own.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/audit.h"
#include "gateway/console.h"
#include "gateway/datadir.h"
#include "gateway/json.h"
#include "store/store.h"
#include "vault/vault.h"

/* ------------------------------------------------------------ showing */

static const char *const columns[] = {"seq", "at", "business_id", "actor", "action", "subject", "purpose", "job"};
static const int widths[] = {6, 25, 26, 36, 22, 46, 16, 0};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static bool row_print(const struct line *l, const cJSON *row)
{
	char *text;

	if (!l->json) {
		for (size_t i = 0; i < COLUMNS; i++)
			console_value(cJSON_GetObjectItemCaseSensitive(row, columns[i]), widths[i]);
		return true;
	}
	text = cJSON_PrintUnformatted(row);
	if (text != NULL)
		(void)printf("%s\n", text);
	cJSON_free(text);
	return text != NULL;
}

static void heading_print(void)
{
	for (size_t i = 0; i < COLUMNS; i++)
		console_text(columns[i], widths[i]);
}

/* Page by page, so that it may be long. A business that is removed has its rows still. */
int command_audit(struct line *l)
{
	char page[2 * LINE_PATH_LEN], cursor[32] = "", business[LINE_PATH_LEN] = "";
	struct session *s;
	bool any = false;
	int result = EXIT_FAILED;

	/* An id as it goes into a path goes into a query, too. */
	if (l->words_len > 0 && !line_path(business, "&business=", l->words[0], NULL, NULL, NULL))
		return EXIT_FAILED;
	s = session_open(l->config, false, false);
	while (s != NULL) {
		struct session_request q = {.method = "GET", .path = page};
		cJSON *answer = NULL;
		const cJSON *row;
		const char *next;

		(void)snprintf(page, sizeof(page), "/control/audit?limit=200&order=asc%s%s%s%s",
			cursor[0] != '\0' ? "&cursor=" : "", cursor, business[0] != '\0' ? "&business=" : "",
			business[0] != '\0' ? business + strlen("&business=/") : "");
		result = line_ask_in(l, s, &q, &answer);
		cJSON_ArrayForEach (row, cJSON_GetObjectItemCaseSensitive(answer, "data")) {
			if (!any && !l->json)
				heading_print();
			any = true;
			if (!row_print(l, row))
				result = EXIT_FAILED;
		}
		next = json_get_string(answer, "next_cursor");
		(void)snprintf(cursor, sizeof(cursor), "%s", next != NULL ? next : "");
		cJSON_Delete(answer);
		if (result != EXIT_DONE || cursor[0] == '\0')
			break;
	}
	session_close(s);
	if (result == EXIT_DONE && !any && l->words_len > 0)
		return line_complain("the audit has no row of a business of that id; rows are kept for 400 days, and "
				     "`keyhouse business list` shows the ids");
	if (result == EXIT_DONE && !any)
		(void)fprintf(stderr, "none yet\n");
	return result;
}

/* ------------------------------------------------------------ what came of it */

static const char *time_text(int64_t ms, char out[static 32])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm utc;

	if (ms <= 0 || gmtime_r(&seconds, &utc) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		return "unknown";
	return out;
}

static const char *fault_text(enum store_audit_fault fault)
{
	switch (fault) {
	case STORE_AUDIT_WHOLE:
		return "";
	case STORE_AUDIT_ROW:
		return "it is not the row that was written here: it was changed, put in, or moved";
	case STORE_AUDIT_MISSING:
		return "it is missing";
	case STORE_AUDIT_REWRITTEN:
		return "the rows from here on hang together, but they are not those that the vault sealed";
	case STORE_AUDIT_SEAL:
		return "the seal over it is not the vault's";
	case STORE_AUDIT_UNSEALED:
		return "no seal covers it: it was written past the vault";
	case STORE_AUDIT_RESTARTED:
		return "rows before it were found broken at a start, and a new chain was begun here";
	}
	return "";
}

/* ------------------------------------------------------------ what it does not know of */

#define UNHEARD_SHOWN 20

struct review {
	struct audit audit;
	int64_t older_businesses, older_others;
	int64_t unheard;
	struct store_audit_unheard shown[UNHEARD_SHOWN]; /* of those, as many as there is room for */
};

static const char *thing_text(enum store_audit_thing thing)
{
	switch (thing) {
	case STORE_THING_BUSINESS:
		return "business";
	case STORE_THING_TOKEN:
		return "admin token";
	case STORE_THING_LINK:
		return "settings link";
	case STORE_THING_LINK_SESSION:
		return "session of settings link";
	case STORE_THING_OPERATOR_SESSION:
		return "operator's session";
	case STORE_THING_VIRTUAL_KEY:
		return "virtual key";
	}
	return "";
}

static const char *of_text(enum store_audit_thing thing)
{
	const bool of_business =
		thing == STORE_THING_LINK || thing == STORE_THING_LINK_SESSION || thing == STORE_THING_VIRTUAL_KEY;

	return of_business ? " of business " : thing == STORE_THING_OPERATOR_SESSION ? " by token " : " named ";
}

static bool unheard(void *ctx, const struct store_audit_unheard *u)
{
	struct review *r = ctx;

	if (u->older) {
		r->older_businesses += u->thing == STORE_THING_BUSINESS;
		r->older_others += u->thing != STORE_THING_BUSINESS;
		return true;
	}
	if (r->unheard < UNHEARD_SHOWN)
		r->shown[r->unheard] = *u;
	r->unheard++;
	return true;
}

static void thing_print(const struct store_audit_unheard *u)
{
	(void)printf("  !! %s ", thing_text(u->thing));
	console_part(u->id);
	(void)printf("%s", of_text(u->thing));
	console_part(u->name);
	(void)printf(
		": %s\n", u->ended ? "it works, though a row says that it was ended" : "no row says that it was made");
}

/* Whether there is nothing of either. */
static bool review_print(const struct review *v, const struct store_audit_report *r)
{
	char first[32];

	if (v->older_businesses + v->older_others > 0)
		(void)fprintf(stderr,
			"keyhouse: the audit begins at %s with row 1, but older than that are: businesses %lld; "
			"tokens, "
			"keys, links and sessions %lld; what was before was removed, or the version of then kept "
			"none\n",
			time_text(r->first_at, first), (long long)v->older_businesses, (long long)v->older_others);
	for (int64_t i = 0; i < v->unheard && i < UNHEARD_SHOWN; i++)
		thing_print(&v->shown[i]);
	if (v->unheard > UNHEARD_SHOWN)
		(void)printf("  !! and %lld more\n", (long long)(v->unheard - UNHEARD_SHOWN));
	if (v->unheard > 0)
		(void)fprintf(stderr,
			"keyhouse: what the audit does not know of: %lld; it was put into the database past keyhouse: "
			"end it (keyhouse token revoke ID; keyhouse link revoke BUSINESS ID; keyhouse virtual-key "
			"revoke "
			"BUSINESS ID; an operator's session ends with its token), and look who can write the file\n",
			(long long)v->unheard);
	return v->older_businesses + v->older_others + v->unheard == 0;
}

static int report_print(const struct store_audit_report *r, const struct review *v)
{
	bool known;

	char first[32], last[32], sealed[32], at[32];

	(void)printf("rows      %lld", (long long)r->rows);
	if (r->rows > 0)
		(void)printf(", %s to %s", time_text(r->first_at, first), time_text(r->last_at, last));
	(void)printf("\nseals     %lld", (long long)r->heads);
	if (r->newest.seq > 0)
		(void)printf(", the newest over row %lld, made %s", (long long)r->newest.seq,
			time_text(r->newest.at, sealed));
	(void)printf("\nrefused   %llu   (questions to the vault by a role that may not ask them)\n",
		(unsigned long long)r->newest.refused);
	(void)printf("undone    %llu   (seals made anew: after a full disk; else somebody took rows back)\n",
		(unsigned long long)r->newest.undone);
	/* Whoever empties both tables leaves this; so does an installation in which nothing was done yet. */
	if (r->rows == 0 && r->heads == 0)
		return line_complain(
			"there is no audit: no row and no seal; unless nothing was ever done here, it was removed");
	known = review_print(v, r);
	if (r->fault == STORE_AUDIT_WHOLE) {
		if (known)
			(void)printf("The audit is whole.\n");
		return known ? EXIT_DONE : EXIT_FAILED;
	}
	(void)fprintf(stderr, "keyhouse: the audit is broken: row %lld", (long long)r->seq);
	if (r->at > 0)
		(void)fprintf(stderr, " of %s", time_text(r->at, at));
	(void)fprintf(stderr, ": %s", fault_text(r->fault));
	if (r->after > 0)
		(void)fprintf(stderr, "; up to row %lld all is as it was sealed", (long long)r->after);
	if (r->before > 0)
		(void)fprintf(stderr, "; the next seal is over row %lld", (long long)r->before);
	(void)fprintf(stderr, "\n");
	return EXIT_FAILED;
}

static enum store_error head_check(void *ctx, const struct store_audit_head *head)
{
	struct review *r = ctx;

	return audit_head_check(&r->audit, head);
}

int command_verify_audit(struct line *l)
{
	char path[DATADIR_PATH_MAX];
	struct review review = {.unheard = 0};
	const struct store_audit_check check = {
		.now = store_now_ms(), .hash = vault_hash, .head = head_check, .unheard = unheard, .ctx = &review};
	struct store_audit_report report;
	struct session *s;
	enum store_error err;
	int result;

	datadir_database(l->config, path);
	s = session_open_copy(l->config, l->words_len > 0 ? l->words[0] : path, false);
	if (s == NULL)
		return EXIT_FAILED;
	review.audit.vault = session_vault(s);
	review.audit.tenants = session_tenants(s);
	err = store_audit_check(tenants_store(review.audit.tenants), &check, &report);
	result = err == STORE_OK ? report_print(&report, &review) : line_complain(store_error_text(err));
	session_close(s);
	return result;
}
