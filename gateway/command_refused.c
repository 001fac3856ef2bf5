/*
 * keyhouse refused: which calls with virtual keys were refused lately, why, and what to do. They are
 * in the memory of the service that runs.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include "gateway/console.h"
#include "gateway/json.h"

static const char *text_of(const cJSON *call, const char *name)
{
	const char *text = json_get_string(call, name);

	return text != NULL ? text : "";
}

/* Address and path are a stranger's. */
static void show(const cJSON *call)
{
	const cJSON *count = json_get(call, "count");

	(void)printf("%s  ", text_of(call, "at"));
	console_part(text_of(call, "method"));
	(void)printf(" ");
	console_part(text_of(call, "path"));
	(void)printf("  [%s]", text_of(call, "why"));
	if (cJSON_IsNumber(count) && count->valuedouble > 1)
		(void)printf("  %.0f times since %s", count->valuedouble, text_of(call, "first_at"));
	(void)printf("\n   by ");
	console_part(text_of(call, "business_id")[0] != '\0' ? text_of(call, "business_id") : "nobody known");
	if (text_of(call, "last4")[0] != '\0') {
		(void)printf(", with a key that ends in ");
		console_part(text_of(call, "last4"));
	}
	(void)printf(", from ");
	console_text(text_of(call, "peer"), 0);
	(void)printf("   To do: %s\n", text_of(call, "remedy"));
}

int command_refused(struct line *l)
{
	cJSON *answer = NULL;
	const cJSON *calls, *call;
	int result = line_ask_json(l, "GET", "/control/refusals", false, NULL, &answer);

	calls = json_get(answer, "data");
	if (result == EXIT_DONE && l->json) {
		char *text = cJSON_Print(calls);

		(void)printf("%s\n", text != NULL ? text : "[]");
		cJSON_free(text);
	} else if (result == EXIT_DONE) {
		cJSON_ArrayForEach (call, calls)
			show(call);
		if (cJSON_GetArraySize(calls) == 0)
			(void)fprintf(stderr, "none since the service was started\n");
	}
	cJSON_Delete(answer);
	return result;
}
