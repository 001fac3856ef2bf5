/*
 * keyhouse doctor: what is amiss, with cause and remedy. One business is looked at now, by
 * asking its providers; of all of them it is said what is remembered.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/console.h"
#include "gateway/finding.h"
#include "gateway/json.h"

#define PAGE 200

static const char *text_of(const cJSON *object, const char *name)
{
	const char *text = json_get_string(object, name);

	return text != NULL ? text : "";
}

/* ------------------------------------------------------------ showing */

/* A line of words that may be a stranger's. */
static void show_line(const char *before, const char *text)
{
	(void)printf("%s", before);
	console_text(text, 0);
}

/* The commands that do what the finding asks for. */
static void show_commands(const char *business, const cJSON *f)
{
	const char *action = text_of(f, "action"), *id = text_of(f, "connection_id");
	const char *connection = id[0] != '\0' ? id : "CONNECTION";
	const cJSON *field;

	if (strcmp(action, "register") == 0 || strcmp(action, "take_over") == 0)
		(void)printf("   keyhouse connection register %s %s%s\n", business, connection,
			strcmp(action, "take_over") == 0 ? " --take-over" : "");
	/* Our own secret nobody enters: a new one goes to the provider together with our address. */
	cJSON_ArrayForEach (field, json_get(f, "fields")) {
		const char *name = cJSON_IsString(field) ? field->valuestring : "";

		if (strcmp(name, "webhook_secret") == 0)
			(void)printf("   keyhouse connection register %s %s\n", business, connection);
		else
			(void)printf("   keyhouse connection rotate %s %s %s\n", business, connection, name);
	}
}

/* The words are the page's. Who types commands is whom it sends the owner to. */
static const char *remedy_of(const cJSON *f)
{
	const char *remedy = text_of(f, "remedy");
	const size_t len = strlen(FINDING_TO_OPERATOR);

	return strncmp(remedy, FINDING_TO_OPERATOR, len) == 0 ? remedy + len : remedy;
}

static void show_finding(const char *business, const cJSON *f)
{
	const char *number = text_of(f, "number"), *detail = text_of(f, "detail"), *id = text_of(f, "connection_id");
	const cJSON *messages = json_get(f, "messages");

	(void)printf("%s %s [%s]%s%s", cJSON_IsTrue(json_get(f, "stops_messages")) ? "!!" : "--", text_of(f, "title"),
		text_of(f, "finding"), id[0] != '\0' ? " " : "", id);
	show_line(number[0] != '\0' ? " " : "", number);
	show_line("   ", text_of(f, "cause"));
	if (cJSON_IsNumber(messages) && messages->valuedouble > 0)
		(void)printf("   %.0f message%s in the last 24 hours.\n", messages->valuedouble,
			messages->valuedouble > 1 ? "s" : "");
	if (detail[0] != '\0')
		show_line("   ", detail);
	show_line("   To do: ", remedy_of(f));
	show_commands(business, f);
}

/* Whether one of them stops messages. */
static bool stops(const cJSON *findings)
{
	const cJSON *f;

	cJSON_ArrayForEach (f, findings)
		if (cJSON_IsTrue(json_get(f, "stops_messages")))
			return true;
	return false;
}

/* ------------------------------------------------------------ one business */

static int look(struct line *l)
{
	cJSON *answer = NULL;
	const cJSON *findings, *f;
	char path[LINE_PATH_LEN];
	int result = EXIT_FAILED;

	if (!line_path(path, "/v1/businesses", l->words[0], "doctor", NULL, NULL))
		return EXIT_FAILED;
	if (isatty(STDERR_FILENO) == 1)
		(void)fprintf(stderr, "asking the providers, up to a minute for each number ...\n");
	result = line_ask_json(l, "POST", path, true, NULL, &answer);
	if (result != EXIT_DONE)
		return result;
	findings = json_get(answer, "findings");
	if (l->json) {
		console_object(answer, true);
	} else if (cJSON_GetArraySize(findings) == 0) {
		const cJSON *connections = json_get(answer, "connections");

		(void)printf(cJSON_IsNumber(connections) && connections->valuedouble > 0
				? "All is well: nothing was found.\n"
				: "It has no connection yet; add one with `keyhouse connection add`.\n");
	} else {
		cJSON_ArrayForEach (f, findings)
			show_finding(l->words[0], f);
	}
	result = stops(findings) ? EXIT_FAILED : EXIT_DONE;
	cJSON_Delete(answer);
	return result;
}

/* ------------------------------------------------------------ all of them */

struct round {
	struct line *l;
	struct session *session;
	cJSON *all; /* with --json: an array of {"business", "findings"} */
	unsigned looked, found;
	bool stops, failed; /* failed: one could not be looked at */
	char shown[8][32]; /* findings about the whole house, said once */
	size_t shown_len;
};

/* Address and clock are the house's, not a business's: said once. */
static bool is_said(struct round *r, const cJSON *f)
{
	static const char *const of_the_house[] = {"url_unusable", "clock_wrong", "not_serving"};
	const char *name = text_of(f, "finding");
	bool house = false;

	for (size_t i = 0; i < sizeof(of_the_house) / sizeof(of_the_house[0]); i++)
		house = house || strcmp(name, of_the_house[i]) == 0;
	if (!house || text_of(f, "connection_id")[0] != '\0')
		return false;
	for (size_t i = 0; i < r->shown_len; i++)
		if (strcmp(r->shown[i], name) == 0)
			return true;
	if (r->shown_len < sizeof(r->shown) / sizeof(r->shown[0]))
		(void)snprintf(r->shown[r->shown_len++], sizeof(r->shown[0]), "%s", name);
	return false;
}

static void progress(const struct round *r)
{
	if (isatty(STDERR_FILENO) == 1 && r->looked % 50 == 0)
		(void)fprintf(stderr, "%u businesses looked at, %u with findings\n", r->looked, r->found);
}

static void show_business(struct round *r, const cJSON *business, const cJSON *findings)
{
	bool headed = false;
	const cJSON *f;

	cJSON_ArrayForEach (f, findings) {
		if (is_said(r, f))
			continue;
		if (!headed) {
			(void)printf("%s%s  ", r->found > 0 ? "\n" : "", text_of(business, "id"));
			console_text(text_of(business, "name"), 0);
		}
		headed = true;
		show_finding(text_of(business, "id"), f);
	}
	r->found += headed ? 1 : 0;
}

static int look_at_business(struct round *r, const cJSON *business)
{
	char path[LINE_PATH_LEN];
	const struct session_request q = {.method = "GET", .path = path};
	cJSON *answer = NULL, *row;
	int result;

	/* Such an id was written past the program: that hides no other business. */
	if (!line_path(path, "/v1/businesses", text_of(business, "id"), "doctor", NULL, NULL)) {
		r->failed = true;
		return EXIT_DONE;
	}
	(void)snprintf(r->l->not_found, sizeof(r->l->not_found), "it was removed meanwhile");
	result = line_ask_in(r->l, r->session, &q, &answer);
	if (result != EXIT_DONE)
		return result;
	r->looked++;
	r->stops = r->stops || stops(json_get(answer, "findings"));
	if (r->all != NULL) {
		row = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(row, "business", text_of(business, "id"));
		cJSON_AddItemToObject(row, "findings", cJSON_DetachItemFromObjectCaseSensitive(answer, "findings"));
		cJSON_AddItemToArray(r->all, row);
	} else {
		show_business(r, business, json_get(answer, "findings"));
	}
	progress(r);
	cJSON_Delete(answer);
	return EXIT_DONE;
}

static int recall(struct round *r)
{
	char cursor[128] = "", path[LINE_PATH_LEN];
	const struct session_request q = {.method = "GET", .path = path};
	int result = EXIT_DONE;

	do {
		cJSON *answer = NULL;
		const cJSON *business;

		(void)snprintf(path, sizeof(path), "/v1/businesses?order=asc&limit=%d%s%s", PAGE,
			cursor[0] != '\0' ? "&cursor=" : "", cursor);
		result = line_ask_in(r->l, r->session, &q, &answer);
		if (result != EXIT_DONE)
			return result;
		cJSON_ArrayForEach (business, json_get(answer, "data")) {
			if (result == EXIT_DONE)
				result = look_at_business(r, business);
		}
		(void)snprintf(cursor, sizeof(cursor), "%s", text_of(answer, "next_cursor"));
		cJSON_Delete(answer);
	} while (result == EXIT_DONE && cursor[0] != '\0');
	return result;
}

/* What is about the whole house and no business: said first, or a row without a business. */
static int recall_house(struct round *r)
{
	const struct session_request q = {.method = "GET", .path = "/control/kit"};
	cJSON *answer = NULL, *row, *finding = NULL;
	int result = line_ask_in(r->l, r->session, &q, &answer);

	if (result != EXIT_DONE || !cJSON_IsTrue(json_get(answer, "due"))) {
		cJSON_Delete(answer);
		return result;
	}
	finding = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(finding, "finding", "kit_missing");
	(void)cJSON_AddStringToObject(finding, "title", "No recovery kit of the master key");
	(void)cJSON_AddBoolToObject(finding, "stops_messages", false);
	(void)cJSON_AddStringToObject(finding, "cause", text_of(answer, "cause"));
	(void)cJSON_AddStringToObject(finding, "remedy", text_of(answer, "remedy"));
	if (r->all != NULL) {
		row = cJSON_CreateObject();
		(void)cJSON_AddNullToObject(row, "business");
		cJSON_AddItemToArray(cJSON_AddArrayToObject(row, "findings"), finding);
		cJSON_AddItemToArray(r->all, row);
	} else {
		(void)printf("This installation\n");
		show_finding("", finding);
		(void)printf("\n");
		cJSON_Delete(finding);
	}
	cJSON_Delete(answer);
	return EXIT_DONE;
}

int command_doctor(struct line *l)
{
	struct round r = {.l = l};
	int result;

	if (l->words_len > 0)
		return look(l);
	r.session = session_open(l->config, false, false);
	if (r.session == NULL)
		return EXIT_FAILED;
	r.all = l->json ? cJSON_CreateArray() : NULL;
	result = recall_house(&r);
	if (result == EXIT_DONE)
		result = recall(&r);
	session_close(r.session);
	if (result == EXIT_DONE && r.all != NULL)
		console_object(r.all, true);
	else if (result == EXIT_DONE)
		(void)printf("%s%u of %u businesses with findings%s\n", r.found > 0 ? "\n" : "", r.found, r.looked,
			r.found > 0
				? ", as they were looked at last; to ask the providers now: keyhouse doctor BUSINESS"
				: "");
	cJSON_Delete(r.all);
	return result == EXIT_DONE && (r.stops || r.failed) ? EXIT_FAILED : result;
}
