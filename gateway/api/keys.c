/*
 * Keys, for the operator alone: how many there are under which master key, which are being
 * replaced, and having them replaced. No key is shown.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/log.h"

/* ------------------------------------------------------------ how it stands */

struct list {
	cJSON *array;
	bool failed;
};

static bool master_one(const struct store_master_count *m, void *arg)
{
	struct list *l = arg;
	struct out o;

	out_begin(&o);
	out_text(&o, "id", m->master_key_id);
	out_number(&o, "keys", m->keys);
	l->failed = !json_list_add(l->array, out_end(&o));
	return !l->failed;
}

static bool rotation_one(const struct store_rotation *r, void *arg)
{
	struct list *l = arg;
	struct out o;

	out_begin(&o);
	out_text(&o, "business_id", r->business_id);
	out_text(&o, "purpose", store_purpose_name(r->purpose));
	out_number(&o, "version", r->version);
	out_number(&o, "done", rotation_done(r));
	out_number(&o, "total", r->total);
	out_time(&o, "started_at", r->started_at);
	out_time(&o, "scanned_at", r->scanned_at);
	l->failed = !json_list_add(l->array, out_end(&o));
	return !l->failed;
}

void keys_get(struct call *c)
{
	struct list masters = {.array = cJSON_CreateArray()}, rotations = {.array = cJSON_CreateArray()};
	struct rotation_status s;
	int64_t count;
	struct out o;

	if (masters.array == NULL || rotations.array == NULL || rotation_status(c->api->rotation, &s) != ROTATION_OK ||
		store_master_counts(c->api->store, master_one, &masters) != STORE_OK ||
		store_rotation_list(c->api->store, STORE_LIST_MAX, &count, rotation_one, &rotations) != STORE_OK ||
		masters.failed || rotations.failed) {
		cJSON_Delete(masters.array);
		cJSON_Delete(rotations.array);
		problem(c->res, PROBLEM_UNAVAILABLE, NULL, NULL);
		return;
	}
	out_begin(&o);
	out_text(&o, "master_key_id", s.master_key_id);
	out_value(&o, "master_keys", masters.array);
	out_number(&o, "keys", s.keys);
	out_number(&o, "keys_under_others", s.keys_under_others);
	out_number(&o, "keys_damaged", s.keys_damaged);
	out_number(&o, "rotations_count", s.rotations);
	out_number(&o, "rotations_to_come", s.rotations_to_come);
	out_number(&o, "done", s.done);
	out_number(&o, "total", s.total);
	out_number(&o, "damaged", s.damaged);
	out_value(&o, "rotations", rotations.array);
	out_send(&o, c->res, 200);
}

/* ------------------------------------------------------------ having them replaced */

static void rotate(struct call *c, const char *what, const char *business)
{
	char why[1024] = "";
	enum rotation_error err = ROTATION_NOT_FOUND;

	if (strcmp(what, "master") == 0)
		err = rotation_master(c->api->rotation, why, sizeof(why));
	else if (strcmp(what, "all") == 0)
		err = rotation_all(c->api->rotation);
	else if (business != NULL)
		err = rotation_business(c->api->rotation, business);
	switch (err) {
	case ROTATION_OK:
		log_info("keys are being replaced what=%s business=%s", what, business != NULL ? business : "");
		keys_get(c);
		if (c->res->status == 200)
			c->res->status = 202;
		break;
	case ROTATION_NOT_FOUND:
		problem(c->res, PROBLEM_NOT_FOUND, NULL, "there is no such business");
		break;
	case ROTATION_UNDER_WAY:
		problem(c->res, PROBLEM_CONFLICT, NULL, "its keys are being replaced already");
		break;
	case ROTATION_REFUSED:
		problem(c->res, PROBLEM_CONFLICT, NULL, why);
		break;
	case ROTATION_UNAVAILABLE:
		problem(c->res, PROBLEM_UNAVAILABLE, NULL, NULL);
		break;
	}
}

void keys_rotate(struct call *c)
{
	static const struct form_field fields[] = {{"what", FORM_TEXT, true}, {"business_id", FORM_TEXT, false}};
	cJSON *body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	const char *what = json_get_string(body, "what"), *business = json_get_string(body, "business_id");

	if (body == NULL)
		return;
	if (strcmp(what, "business") == 0 && business == NULL)
		problem(c->res, PROBLEM_MISSING_FIELD, "business_id", NULL);
	else if (strcmp(what, "master") != 0 && strcmp(what, "all") != 0 && strcmp(what, "business") != 0)
		problem(c->res, PROBLEM_INVALID_FIELD, "what", "is not one of: master, all, business");
	else
		rotate(c, what, business);
	cJSON_Delete(body);
}
