/*
 * Commands about settings links.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/json.h"

int command_link(struct line *l)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	const char *url, *expires;
	char path[LINE_PATH_LEN];
	int result = EXIT_FAILED;

	if (l->expires_in != NULL)
		(void)cJSON_AddNumberToObject(body, "expires_in", strtod(l->expires_in, NULL));
	if (line_path(path, "/v1/businesses", l->words[0], "settings-links", NULL, NULL))
		result = line_ask_json(l, "POST", path, false, body, &answer);
	url = json_get_string(answer, "url");
	expires = json_get_string(answer, "expires_at");
	if (result == EXIT_DONE && url != NULL) {
		(void)printf("%s\n", url);
		(void)fflush(stdout);
		(void)fprintf(stderr, "It opens the settings of %s once, until %s.\n", l->words[0],
			expires != NULL ? expires : "soon");
	}
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

int command_link_list(struct line *l)
{
	static const char *const columns[] = {"id", "state", "created_at", "expires_at", "last_seen_at", NULL};
	static const int widths[] = {28, 10, 26, 26, 0};
	char path[LINE_PATH_LEN];

	return line_path(path, "/v1/businesses", l->words[0], "settings-links", NULL, NULL)
		? line_list(l, path, columns, widths)
		: EXIT_FAILED;
}

int command_link_revoke(struct line *l)
{
	char path[LINE_PATH_LEN];

	return line_path(path, "/v1/businesses", l->words[0], "settings-links", l->words[1], NULL)
		? line_delete(l, path, l->words[1], "revoked")
		: EXIT_FAILED;
}
