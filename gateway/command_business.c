/*
 * Commands about a shop: the business, who answers for it, and its products.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/console.h"
#include "gateway/json.h"

int command_business_add(struct line *l)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	int result = EXIT_USAGE;

	if (l->name == NULL) {
		(void)line_complain("business add needs --name NAME");
	} else {
		if (l->words_len > 0)
			(void)cJSON_AddStringToObject(body, "id", l->words[0]);
		(void)cJSON_AddStringToObject(body, "name", l->name);
		result = line_ask_json(l, "POST", "/v1/businesses", false, body, &answer);
		if (result == EXIT_DONE)
			console_object(answer, l->json);
	}
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

int command_business_list(struct line *l)
{
	static const char *const columns[] = {"id", "status", "responder", "name", NULL};
	static const int widths[] = {30, 10, 10, 0};

	return line_list(l, "/v1/businesses", columns, widths);
}

int command_business_show(struct line *l)
{
	cJSON *answer = NULL;
	char path[LINE_PATH_LEN];
	int result = EXIT_FAILED;

	if (line_path(path, "/v1/businesses", l->words[0], NULL, NULL, NULL))
		result = line_ask_json(l, "GET", path, false, NULL, &answer);
	if (result == EXIT_DONE)
		console_object(answer, l->json);
	cJSON_Delete(answer);
	return result;
}

static int business_status(struct line *l, const char *status)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	char path[LINE_PATH_LEN];
	int result = EXIT_FAILED;

	(void)cJSON_AddStringToObject(body, "status", status);
	if (line_path(path, "/v1/businesses", l->words[0], NULL, NULL, NULL))
		result = line_ask_json(l, "PATCH", path, false, body, &answer);
	if (result == EXIT_DONE)
		(void)printf("%s is %s\n", l->words[0], status);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

int command_business_suspend(struct line *l)
{
	return business_status(l, "suspended");
}

int command_business_resume(struct line *l)
{
	return business_status(l, "active");
}

int command_business_responder(struct line *l)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	char path[LINE_PATH_LEN];
	int result = EXIT_FAILED;

	(void)cJSON_AddStringToObject(body, "kind", l->words[1]);
	if (l->url != NULL)
		(void)cJSON_AddStringToObject(body, "url", l->url);
	if (l->rotate_secret)
		(void)cJSON_AddTrueToObject(body, "rotate_secret");
	if (line_path(path, "/v1/businesses", l->words[0], "responder", NULL, NULL))
		result = line_ask_json(l, "PUT", path, false, body, &answer);
	if (result == EXIT_DONE) {
		const char *url = json_get_string(answer, "url"), *secret = json_get_string(answer, "signing_secret");

		(void)printf("%s is answered by: %s%s", l->words[0], l->words[1], url != NULL ? " at " : "");
		console_text(url != NULL ? url : "", 0);
		if (secret != NULL)
			(void)printf("signing_secret    %s   (shown this once)\n", secret);
	}
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

static void receipt_show(const cJSON *receipt)
{
	const cJSON *key, *audit = json_get(receipt, "audit");

	(void)printf("%s is removed; this is its receipt\n", json_get_string(receipt, "business_id"));
	(void)printf("receipt    %s\nname       ", json_get_string(receipt, "id"));
	console_text(json_get_string(receipt, "name"), 0);
	(void)printf("removed    %s\n", json_get_string(receipt, "removed_at"));
	cJSON_ArrayForEach (key, json_get(receipt, "keys_destroyed"))
		(void)printf("destroyed  %s key, version %d, id %s\n", json_get_string(key, "purpose"),
			json_get(key, "version")->valueint, json_get_string(key, "id"));
	(void)printf(
		"audit      row %.0f, hash %s\n", json_get(audit, "seq")->valuedouble, json_get_string(audit, "hash"));
	(void)printf("%s\n",
		cJSON_IsTrue(json_get(receipt, "flushed"))
			? "Nothing in the database can be read of it any more, nor in a copy made from now on."
			: "Nothing of it can be read here any more; the write-ahead log holds its wrapped keys until "
			  "whoever reads an older state (a backup?) has ended.");
	(void)printf("A backup made before still opens with its own copy of these keys, until it is deleted.\n");
}

int command_business_remove(struct line *l)
{
	char path[LINE_PATH_LEN], *text;
	cJSON *receipt = NULL;
	int result;

	if (!l->yes) {
		(void)line_complain(
			"this destroys the business's keys and everything it owns for ever; say --yes to do it");
		return EXIT_USAGE;
	}
	if (!line_path(path, "/v1/businesses", l->words[0], NULL, NULL, NULL))
		return EXIT_FAILED;
	result = line_ask_json(l, "DELETE", path, false, NULL, &receipt);
	if (result == EXIT_DONE && l->json) {
		text = cJSON_Print(receipt);
		(void)printf("%s\n", text != NULL ? text : "");
		cJSON_free(text);
	} else if (result == EXIT_DONE) {
		receipt_show(receipt);
	}
	cJSON_Delete(receipt);
	return result;
}

int command_product_list(struct line *l)
{
	static const char *const columns[] = {"id", "price", "currency", "stock", "name", NULL};
	static const int widths[] = {26, 12, 8, 8, 0};
	char path[LINE_PATH_LEN];

	return line_path(path, "/v1/businesses", l->words[0], "products", NULL, NULL)
		? line_list(l, path, columns, widths)
		: EXIT_FAILED;
}

int command_product_import(struct line *l)
{
	struct session_request q = {.method = "POST"};
	cJSON *answer = NULL;
	char path[LINE_PATH_LEN], *data = NULL;
	const char *p;
	int result = EXIT_FAILED;

	if (!line_path(path, "/v1/businesses", l->words[0], "products", NULL, NULL) ||
		!console_file(l->words[1], &data, &q.body_len))
		return EXIT_FAILED;
	p = data + strspn(data, " \t\r\n");
	q.path = path;
	q.body = data;
	q.content_type = *p == '[' || *p == '{' ? "application/json" : "text/csv";
	result = line_ask(l, false, &q, &answer);
	if (result == EXIT_DONE) {
		const cJSON *added = cJSON_GetObjectItemCaseSensitive(answer, "added");
		const cJSON *changed = cJSON_GetObjectItemCaseSensitive(answer, "changed");

		(void)printf("%d added, %d changed\n", cJSON_IsNumber(added) ? added->valueint : 0,
			cJSON_IsNumber(changed) ? changed->valueint : 0);
	}
	free(data);
	cJSON_Delete(answer);
	return result;
}
