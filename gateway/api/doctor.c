/*
 * What is amiss with a business: from what is remembered, or by asking the providers.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/problem.h"

/* NULL: memory was short. */
static cJSON *fields_json(const char *fields)
{
	cJSON *array = cJSON_CreateArray();

	while (*fields != '\0' && array != NULL) {
		const int len = (int)strcspn(fields, ",");
		char name[33];

		(void)snprintf(name, sizeof(name), "%.*s", len, fields);
		cJSON_AddItemToArray(array, cJSON_CreateString(name));
		fields += len;
		fields += strspn(fields, ", ");
	}
	return array;
}

/* NULL: memory was short. */
static cJSON *finding_json(const struct doctor_finding *f)
{
	const struct finding_words *words = finding_words(f->finding);
	struct out o;

	out_begin(&o);
	out_text(&o, "finding", words->name);
	out_text(&o, "connection_id", f->connection_id);
	out_text(&o, "number", f->number);
	out_value(&o, "stops_messages", cJSON_CreateBool(words->stops));
	out_text(&o, "title", words->title);
	out_text(&o, "cause", words->cause);
	out_text(&o, "remedy", finding_remedy(f->finding, f->provider));
	out_text(&o, "action", finding_action_name(finding_action(f->finding)));
	out_value(&o, "fields", fields_json(doctor_fields(f)));
	out_text(&o, "detail", f->detail);
	out_number(&o, "messages", f->messages);
	out_time(&o, "seen_at", f->at);
	return out_end(&o);
}

static cJSON *findings_json(const struct doctor_report *report)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < report->len && array != NULL; i++) {
		cJSON *row = finding_json(&report->findings[i]);

		if (row != NULL && cJSON_AddItemToArray(array, row))
			continue;
		cJSON_Delete(row);
		cJSON_Delete(array);
		array = NULL;
	}
	return array;
}

typedef enum store_error doctor_of(const struct doctor *d, const char *business_id, struct doctor_report *out);

static void answer(struct call *c, doctor_of *of)
{
	struct doctor_report *report = malloc(sizeof(*report));
	enum store_error err = report != NULL ? of(&c->api->doctor, c->business.id, report) : STORE_NO_MEMORY;
	struct out o;

	if (err != STORE_OK) {
		problem_store(c, err);
	} else {
		out_begin(&o);
		out_number(&o, "connections", (int64_t)report->connections);
		out_value(&o, "findings", findings_json(report));
		out_send(&o, c->res, 200);
	}
	free(report);
}

void doctor_get(struct call *c)
{
	answer(c, doctor_recall);
}

void doctor_post(struct call *c)
{
	/* A good key works at once for what waits for it. */
	answer(c, doctor_look);
	if (c->api->outbound != NULL)
		outbound_changed(c->api->outbound, c->business.id);
}
