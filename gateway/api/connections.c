/*
 * Connections: a shop's pasted keys come in here and are never shown again; what is
 * shown of a secret is its last four characters and a fingerprint.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/connect/connect.h"
#include "gateway/delivery.h"
#include "gateway/json.h"
#include "gateway/log.h"

static const struct listing_name providers[] = {{"meta", STORE_META}, {"360dialog", STORE_360DIALOG}, {NULL, 0}};

static const struct listing_name results[] = {{"ok", CONNECT_CHECK_OK}, {"failed", CONNECT_CHECK_FAILED},
	{"waiting", CONNECT_CHECK_WAITING}, {"skipped", CONNECT_CHECK_SKIPPED}, {NULL, 0}};

/* ------------------------------------------------------------ showing */

static cJSON *checks_json(const struct connect_report *report)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < report->checks_len && array != NULL; i++) {
		const struct connect_check *check = &report->checks[i];
		struct out o;

		out_begin(&o);
		out_text(&o, "name", check->name);
		out_text(&o, "result", listing_name(results, (int)check->result));
		out_text(&o, "detail", check->detail);
		if (!json_list_add(array, out_end(&o))) {
			cJSON_Delete(array);
			array = NULL;
		}
	}
	return array;
}

/* NULL: memory was short. */
static cJSON *delivery_json(const struct store_delivery *d)
{
	struct out o;

	out_begin(&o);
	out_time(&o, "accepted_at", d->accepted_at);
	out_time(&o, "refused_at", d->refused_at);
	out_text(&o, "refused_reason", d->refused_why);
	out_text(&o, "refused_detail", delivery_words(delivery_why(d->refused_why)));
	out_number(&o, "refused_count", d->refused_count);
	return out_end(&o);
}

static void delivery_add_to(struct out *o, const struct api *a, const struct store_connection *s)
{
	struct store_delivery d;

	if (doctor_delivery(&a->doctor, s->business_id, s->id, &d) == STORE_OK)
		out_value(o, "last_delivery", delivery_json(&d));
	else
		out_null(o, "last_delivery");
}

/* Without its secrets, which secrets_add finds for many connections at once. report may be NULL. */
static cJSON *connection_json(
	const struct api *a, const struct store_connection *s, const struct connect_report *report)
{
	char url[2048];
	struct out o;

	(void)snprintf(url, sizeof(url), "%s/webhooks/%s", a->public_url, s->business_id);
	out_begin(&o);
	out_text(&o, "id", s->id);
	out_text(&o, "provider", listing_name(providers, (int)s->provider));
	if (s->provider == STORE_360DIALOG)
		out_value(&o, "sandbox", cJSON_CreateBool(s->sandbox));
	out_text(&o, "status", connect_state_of(s->status)->name);
	out_text(&o, "phone_number_id", s->phone_number_id);
	out_text(&o, "waba_id", s->waba_id);
	out_text(&o, "app_id", s->app_id);
	out_text(&o, "client_id", s->client_id);
	out_text(&o, "display_phone", s->display_phone);
	out_text(&o, "verified_name", s->verified_name);
	out_text(&o, "webhook_url", url);
	out_text(&o, "verify_token", s->verify_token);
	out_time(&o, "previous_verify_token_until", s->previous_verify_token_ends_at);
	delivery_add_to(&o, a, s);
	if (report != NULL)
		out_value(&o, "checks", checks_json(report));
	out_value(&o, "secrets", cJSON_CreateObject());
	out_time(&o, "created_at", s->created_at);
	out_time(&o, "updated_at", s->updated_at);
	return out_end(&o);
}

struct secrets {
	struct call *call;
	cJSON *rows;
	bool failed;
};

static cJSON *secret_json(struct call *c, const struct store_credential *s)
{
	struct out o;

	out_begin(&o);
	out_number(&o, "version", (int64_t)s->version);
	out_text(&o, "last4", s->last4);
	out_text(&o, "fingerprint", s->fingerprint);
	out_bool(&o, "damaged", tenant_is_damaged(tenant_credential_check(c->api->tenants, c->business.id, s)));
	out_time(&o, "created_at", s->created_at);
	out_time(&o, "proven_at", s->proven_at);
	out_time(&o, "last_used_at", s->last_used_at);
	if (s->slot == STORE_SLOT_PREVIOUS) {
		out_time(&o, "accepted_until", s->ends_at);
	} else {
		out_time(&o, "newer_refused_at", s->refused_at);
		out_null(&o, "previous");
	}
	return out_end(&o);
}

/* A current one under its field, a previous one into that. Takes shown, unless it fails. */
static bool secret_put(cJSON *at, const struct store_credential *s, cJSON *shown)
{
	return s->slot == STORE_SLOT_CURRENT ? cJSON_AddItemToObject(at, s->field, shown)
					     : cJSON_ReplaceItemInObjectCaseSensitive(at, "previous", shown);
}

static bool secret_add(const struct store_credential *s, void *arg)
{
	struct secrets *secrets = arg;
	cJSON *row;

	cJSON_ArrayForEach (row, secrets->rows) {
		const char *id = json_get_string(row, "id");
		cJSON *at = json_get(row, "secrets"), *shown;

		if (id == NULL || strcmp(id, s->connection_id) != 0)
			continue;
		/* The current one comes first. */
		if (s->slot == STORE_SLOT_PREVIOUS)
			at = json_get(at, s->field);
		shown = at != NULL ? secret_json(secrets->call, s) : NULL;
		if (shown == NULL || !secret_put(at, s, shown)) {
			cJSON_Delete(shown);
			secrets->failed = true;
		}
		break;
	}
	return !secrets->failed;
}

/* Fills the secrets of an array of connections. False after the problem was answered. */
static bool secrets_add(struct call *c, cJSON *rows)
{
	struct secrets secrets = {.call = c, .rows = rows};
	enum store_error err = store_credential_list(c->api->store, c->business.id, "", secret_add, &secrets);

	if (err == STORE_OK && secrets.failed)
		err = STORE_NO_MEMORY;
	if (err != STORE_OK)
		problem_store(c, err);
	return err == STORE_OK;
}

/* The header that 360dialog sends along, as it is entered there by hand. */
static cJSON *webhook_headers(const struct secret *webhook_secret)
{
	struct out o;

	out_begin(&o);
	out_text(&o, OUTBOUND_D360_HEADER, (const char *)secret_bytes(webhook_secret));
	return out_end(&o);
}

/* The connection as an answer; NULL after the problem was answered. */
static cJSON *tree(struct call *c, const struct store_connection *s, const struct connect_report *report)
{
	cJSON *rows = cJSON_CreateArray(), *found = NULL;
	cJSON *row = connection_json(c->api, s, report);

	if (rows == NULL || row == NULL || !cJSON_AddItemToArray(rows, row)) {
		cJSON_Delete(row);
		problem_store(c, STORE_NO_MEMORY);
	} else if (secrets_add(c, rows)) {
		found = cJSON_DetachItemFromArray(rows, 0);
	}
	cJSON_Delete(rows);
	return found;
}

static void answer(struct call *c, const struct store_connection *s, const struct connect_report *report, int status)
{
	cJSON *connection = tree(c, s, report);

	if (connection != NULL)
		out_send_tree(connection, c->res, status);
}

/* With the webhook secret, which is shown this once. */
static void answer_secret(struct call *c, const struct store_connection *s, const struct connect_report *report,
	const struct secret *webhook_secret)
{
	cJSON *connection = tree(c, s, report), *headers;

	if (connection == NULL)
		return;
	idempotency_keep(c, connection);
	headers = webhook_headers(webhook_secret);
	if (headers == NULL || !cJSON_AddItemToObject(connection, "webhook_headers", headers)) {
		cJSON_Delete(headers);
		cJSON_Delete(connection);
		problem_store(c, STORE_NO_MEMORY);
		return;
	}
	out_send_tree(connection, c->res, 201);
}

/* ------------------------------------------------------------ adding, testing, rotating */

#define CHOICE_LEN (sizeof(struct connect_choice) + sizeof(", : , ()"))

/* Lists the numbers, so that one of them can be named. */
static void choice_problem(struct call *c, const struct connect_report *report)
{
	char detail[128 + CONNECT_CHOICES_MAX * CHOICE_LEN];
	size_t len = (size_t)snprintf(
		detail, sizeof(detail), "the account has several numbers: name one in phone_number_id:");

	for (size_t i = 0; i < report->choices_len; i++) {
		const struct connect_choice *choice = &report->choices[i];

		len += (size_t)snprintf(detail + len, sizeof(detail) - len, "%s %s (%s, %s)", i > 0 ? "," : "",
			choice->id, choice->display_phone, choice->verified_name);
	}
	problem(c->res, PROBLEM_NUMBER_REQUIRED, report->field, detail);
}

static void connect_problem(struct call *c, enum connect_error err, const struct connect_report *report)
{
	const char *field = report->field[0] != '\0' ? report->field : NULL;

	switch (err) {
	case CONNECT_OK:
		return;
	case CONNECT_NOT_FOUND:
		problem(c->res, PROBLEM_NOT_FOUND, NULL, NULL);
		return;
	case CONNECT_INVALID:
		problem(c->res, PROBLEM_INVALID_FIELD, field, report->detail);
		return;
	case CONNECT_NUMBER_TAKEN:
		problem(c->res, PROBLEM_NUMBER_TAKEN, "phone_number_id", report->detail);
		return;
	case CONNECT_WEBHOOK_TAKEN:
		problem(c->res, PROBLEM_WEBHOOK_TAKEN, NULL, report->detail);
		return;
	case CONNECT_CREDENTIAL_REFUSED:
		problem(c->res, PROBLEM_CREDENTIAL_REFUSED, field, report->detail);
		return;
	case CONNECT_CHOICE:
		choice_problem(c, report);
		return;
	case CONNECT_STALE:
		problem(c->res, PROBLEM_CONFLICT, NULL, NULL);
		return;
	case CONNECT_UNAVAILABLE:
		problem(c->res, PROBLEM_UNAVAILABLE, field, report->detail[0] != '\0' ? report->detail : NULL);
		if (report->detail[0] == '\0')
			log_error("api: a connection cannot be made or changed business=%s", c->business.id);
		return;
	}
}

/* What a body must and must not name, once its provider is known. */
struct provider_fields {
	const char *provider;
	const char *required[6];
	const char *others[5]; /* the other provider's */
	const char *detail;
};

static const struct provider_fields meta_fields = {"meta", {"app_id", "app_secret", "access_token", NULL},
	{"api_key", "client_id", "platform_secret", "sandbox", NULL},
	"api_key, client_id, platform_secret and sandbox are not provider meta's"};
static const struct provider_fields d360_fields = {"360dialog", {"api_key", NULL},
	{"app_id", "app_secret", "access_token", NULL},
	"app_id, app_secret and access_token are not provider 360dialog's"};

static bool fields_there(struct call *c, const cJSON *body, const struct provider_fields *f)
{
	for (size_t i = 0; f->others[i] != NULL; i++) {
		if (json_get(body, f->others[i]) != NULL) {
			problem(c->res, PROBLEM_UNKNOWN_FIELD, NULL, f->detail);
			return false;
		}
	}
	for (size_t i = 0; f->required[i] != NULL; i++) {
		if (json_get(body, f->required[i]) == NULL) {
			problem(c->res, PROBLEM_MISSING_FIELD, f->required[i], "is missing");
			return false;
		}
	}
	return true;
}

static void log_added(const struct call *c, const struct store_connection *s)
{
	log_info("connection added business=%s connection=%s provider=%s sandbox=%d status=%s", c->business.id, s->id,
		listing_name(providers, (int)s->provider), s->sandbox, connect_state_of(s->status)->name);
}

static void add_meta(struct call *c, cJSON *body)
{
	const struct connect *connect = &c->api->doctor.connect;
	struct secret *app_secret = form_secret(body, "app_secret");
	struct secret *access_token = form_secret(body, "access_token");
	struct connect_meta meta = {.business_id = c->business.id,
		.app_id = json_get_string(body, "app_id"),
		.waba_id = json_get_string(body, "waba_id"),
		.phone_number_id = json_get_string(body, "phone_number_id"),
		.app_secret = app_secret,
		.access_token = access_token,
		.verify = !cJSON_IsFalse(json_get(body, "verify")),
		.take_over = cJSON_IsTrue(json_get(body, "take_over"))};
	struct store_connection s;
	struct connect_report report;
	enum connect_error err = connect_meta_add(connect, &meta, &s, &report);

	secret_free(app_secret);
	secret_free(access_token);
	if (err != CONNECT_OK) {
		connect_problem(c, err, &report);
		return;
	}
	log_added(c, &s);
	answer(c, &s, &report, 201);
}

static void add_d360(struct call *c, cJSON *body)
{
	const struct connect *connect = &c->api->doctor.connect;
	struct secret *api_key = form_secret(body, "api_key"), *webhook_secret = NULL;
	struct secret *platform_secret = form_secret(body, "platform_secret");
	const bool sandbox = cJSON_IsTrue(json_get(body, "sandbox"));
	struct connect_d360 d360 = {.business_id = c->business.id,
		.client_id = json_get_string(body, "client_id"),
		.phone_number_id = json_get_string(body, "phone_number_id"),
		.waba_id = json_get_string(body, "waba_id"),
		.api_key = api_key,
		.platform_secret = platform_secret,
		.sandbox = json_get(body, "sandbox") != NULL ? &sandbox : NULL,
		.verify = !cJSON_IsFalse(json_get(body, "verify")),
		.take_over = cJSON_IsTrue(json_get(body, "take_over"))};
	struct store_connection s;
	struct connect_report report;
	enum connect_error err;

	/* Blank is not absent: the shop would believe that its webhooks are signed. */
	if (platform_secret == NULL && json_get(body, "platform_secret") != NULL) {
		problem(c->res, PROBLEM_INVALID_FIELD, "platform_secret", "is empty");
		secret_free(api_key);
		return;
	}
	err = connect_d360_add(connect, &d360, &s, &webhook_secret, &report);
	secret_free(api_key);
	secret_free(platform_secret);
	if (err != CONNECT_OK) {
		connect_problem(c, err, &report);
		return;
	}
	log_added(c, &s);
	answer_secret(c, &s, &report, webhook_secret);
	secret_free(webhook_secret);
}

void connections_add(struct call *c)
{
	static const struct form_field fields[] = {{"provider", FORM_TEXT, true}, {"app_id", FORM_TEXT, false},
		{"app_secret", FORM_TEXT, false}, {"access_token", FORM_TEXT, false}, {"api_key", FORM_TEXT, false},
		{"client_id", FORM_TEXT, false}, {"platform_secret", FORM_TEXT, false}, {"waba_id", FORM_TEXT, false},
		{"phone_number_id", FORM_TEXT, false}, {"sandbox", FORM_BOOL, false}, {"verify", FORM_BOOL, false},
		{"take_over", FORM_BOOL, false}};
	cJSON *body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	const char *provider = json_get_string(body, "provider");

	if (body == NULL)
		return;
	if (strcmp(provider, meta_fields.provider) == 0) {
		if (fields_there(c, body, &meta_fields))
			add_meta(c, body);
	} else if (strcmp(provider, d360_fields.provider) == 0) {
		if (fields_there(c, body, &d360_fields))
			add_d360(c, body);
	} else {
		problem(c->res, PROBLEM_INVALID_FIELD, "provider", "must be meta or 360dialog");
	}
	cJSON_Delete(body);
}

void connections_test(struct call *c)
{
	const struct connect *connect = &c->api->doctor.connect;
	struct store_connection s;
	struct connect_report report;
	enum connect_error err = connect_test(connect, c->business.id, c->id, &s, &report);

	if (err != CONNECT_OK)
		connect_problem(c, err, &report);
	else
		answer(c, &s, &report, 200);
}

static void log_registered(const struct call *c, const struct store_connection *s, const struct connect_report *report)
{
	for (size_t i = 0; i < report->checks_len; i++) {
		const struct connect_check *check = &report->checks[i];

		if (strcmp(check->name, "callback") != 0)
			continue;
		if (check->result == CONNECT_CHECK_OK)
			log_info("webhook registered business=%s connection=%s", c->business.id, s->id);
		else
			log_warn("webhook not registered business=%s connection=%s result=%s reason=\"%s\"",
				c->business.id, s->id, listing_name(results, (int)check->result), check->detail);
	}
}

/* field NULL: only the webhook is registered again. */
static void change(struct call *c, const char *field, const struct secret *value, bool take_over)
{
	const struct connect *connect = &c->api->doctor.connect;
	struct store_connection s;
	struct connect_report report;
	enum connect_error err = field != NULL
		? connect_rotate(connect, c->business.id, c->id, field, value, take_over, &s, &report)
		: connect_register(connect, c->business.id, c->id, take_over, &s, &report);

	if (err != CONNECT_OK) {
		connect_problem(c, err, &report);
		return;
	}
	if (field != NULL)
		log_info("credential replaced business=%s connection=%s field=%s", c->business.id, s.id, field);
	else
		log_registered(c, &s, &report);
	if (c->api->outbound != NULL)
		outbound_changed(c->api->outbound, c->business.id);
	answer(c, &s, &report, 200);
}

#define SECRETS 5u
static const struct form_field change_fields[] = {{"access_token", FORM_TEXT, false}, {"app_secret", FORM_TEXT, false},
	{"api_key", FORM_TEXT, false}, {"webhook_secret", FORM_TEXT, false}, {"platform_secret", FORM_TEXT, false},
	{"take_over", FORM_BOOL, false}, {"rotate", FORM_TEXT, false}, {"end_previous", FORM_TEXT, false}};

/* The one secret that the body names, or NULL. False after the problem was answered. */
static bool one_secret(struct call *c, const cJSON *body, const char **field)
{
	*field = NULL;
	for (size_t i = 0; i < SECRETS; i++) {
		if (json_get(body, change_fields[i].name) == NULL)
			continue;
		if (*field != NULL) {
			problem(c->res, PROBLEM_INVALID_FIELD, change_fields[i].name, "one secret at a time");
			return false;
		}
		*field = change_fields[i].name;
	}
	return true;
}

/* What is made here is made anew. */
static void rotate_own(struct call *c, const char *field)
{
	struct store_connection s;
	struct connect_report report;
	enum connect_error err = connect_rotate_own(&c->api->doctor.connect, c->business.id, c->id, field, &s, &report);

	if (err == CONNECT_INVALID) {
		problem(c->res, PROBLEM_INVALID_FIELD, "rotate",
			"must be verify_token (meta) or webhook_secret (360dialog)");
		return;
	}
	if (err != CONNECT_OK) {
		connect_problem(c, err, &report);
		return;
	}
	log_info("credential replaced by a new one made here business=%s connection=%s field=%s", c->business.id, s.id,
		field);
	answer(c, &s, &report, 200);
}

/* Ended already is as good. */
static void end_previous(struct call *c, const char *field)
{
	static const struct connect_report none = {0};
	enum connect_error err = connect_previous_end(&c->api->doctor.connect, c->business.id, c->id, field);
	struct store_connection s;
	enum store_error found;

	if (err == CONNECT_INVALID) {
		problem(c->res, PROBLEM_INVALID_FIELD, "end_previous", "must name a secret, or verify_token");
		return;
	}
	if (err != CONNECT_OK && err != CONNECT_NOT_FOUND) {
		connect_problem(c, err, &none);
		return;
	}
	if (err == CONNECT_OK)
		log_info("replaced credential ended business=%s connection=%s field=%s", c->business.id, c->id, field);
	found = store_connection_get(c->api->store, c->business.id, c->id, &s);
	if (found != STORE_OK)
		problem_store(c, found);
	else
		answer(c, &s, &none, 200);
}

/* Whether the body asks for one of these two; then it is answered. */
static bool changed_by_name(struct call *c, const cJSON *body)
{
	const char *rotate = json_get_string(body, "rotate"), *end = json_get_string(body, "end_previous");

	if (rotate == NULL && end == NULL)
		return false;
	if (cJSON_GetArraySize(body) != 1)
		problem(c->res, PROBLEM_INVALID_FIELD, rotate != NULL ? "rotate" : "end_previous", "must stand alone");
	else if (rotate != NULL)
		rotate_own(c, rotate);
	else
		end_previous(c, end);
	return true;
}

void connections_change(struct call *c)
{
	struct store_connection s;
	enum store_error found = store_connection_get(c->api->store, c->business.id, c->id, &s);
	const char *field;
	cJSON *body;

	if (found != STORE_OK) {
		problem_store(c, found);
		return;
	}
	body = form_object(c, change_fields, sizeof(change_fields) / sizeof(change_fields[0]), true);
	if (body == NULL)
		return;
	if (!changed_by_name(c, body) && one_secret(c, body, &field)) {
		bool take_over = cJSON_IsTrue(json_get(body, "take_over"));
		struct secret *value = field != NULL ? form_secret(body, field) : NULL;

		change(c, field, value, take_over);
		secret_free(value);
	}
	cJSON_Delete(body);
}

/* ------------------------------------------------------------ reading and removing */

static bool list_one(const struct store_connection *s, void *arg)
{
	struct listing *l = arg;

	return listing_wants(l) && listing_add(l, s->id, connection_json(l->call->api, s, NULL));
}

static enum store_error list(struct listing *l, const void *ctx)
{
	(void)ctx;
	return store_connection_list(l->call->api->store, l->call->business.id, &l->page, list_one, l);
}

static bool list_secrets(struct listing *l)
{
	return secrets_add(l->call, l->data);
}

void connections_list(struct call *c)
{
	listing_answer(c, list, list_secrets, NULL);
}

void connections_get(struct call *c)
{
	struct store_connection s;
	enum store_error err = store_connection_get(c->api->store, c->business.id, c->id, &s);

	if (err != STORE_OK)
		problem_store(c, err);
	else
		answer(c, &s, NULL, 200);
}

void connections_remove(struct call *c)
{
	enum store_error err = store_connection_remove(c->api->store, c->business.id, c->id);

	tenants_forget(c->api->tenants, c->business.id);
	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	log_info("connection removed business=%s connection=%s", c->business.id, c->id);
	c->res->status = 204;
}
