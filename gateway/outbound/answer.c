/*
 * Reading answers leniently and handing them on field by field. Trusts nothing in them: what is not
 * expected is an odd answer, and an odd answer says nothing. Called by sender.c.
 */
#include "gateway/outbound/answer.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "gateway/outbound/callback.h"
#include "gateway/outbound/d360.h"
#include "gateway/outbound/job.h"
#include "gateway/outbound/meta.h"
#include "gateway/outbound/scrub.h"
#include "gateway/outbound/signed.h"

#define HEALTH_ENTITIES_MAX 16u
#define HEALTH_WHY_LEN 160u

const char *outbound_class_text(enum outbound_class c)
{
	switch (c) {
	case OUTBOUND_NOT_SENT:
		return "the provider could not be reached";
	case OUTBOUND_OUTCOME_UNKNOWN:
		return "the provider gave no usable answer; the message may have been accepted";
	case OUTBOUND_ACCEPTED:
		return "accepted by the provider";
	case OUTBOUND_RETRYABLE:
		return "the provider refused it for now";
	case OUTBOUND_RATE_LIMITED:
		return "the provider's rate limit is reached";
	case OUTBOUND_AUTH:
		return "the provider refused the key or its permissions";
	case OUTBOUND_ACCOUNT:
		return "the account or number needs attention at the provider";
	case OUTBOUND_MESSAGE:
		return "the provider refused this message";
	case OUTBOUND_RECIPIENT:
		return "this customer cannot be reached";
	case OUTBOUND_WINDOW:
		return "more than 24 hours since the customer last wrote";
	case OUTBOUND_NO_CREDENTIAL:
		return "needs its key entered again";
	}
	return "unknown";
}

/* Constant words only: what is cut would stay on the stack. */
static void set_reason(struct outbound_result *r, const char *who, const char *text)
{
	(void)snprintf(r->reason, sizeof(r->reason), "%s%s", who, text);
}

/* ------------------------------------------------------------ what must not leave */

/* The caller wipes h. */
static void held_of(const struct answer_to *to, struct held *h)
{
	*h = (struct held){0};
	for (size_t i = 0; i < kind_credentials(to->kind); i++)
		if (to->secrets[i] != NULL)
			held_add(h, secret_bytes(to->secrets[i]), secret_len(to->secrets[i]));
	if (to->kind->auth == KIND_SIGNED)
		held_add(h, signed_key_text(to->secrets[0]), strlen(signed_key_text(to->secrets[0])));
	if (!kind_is_proven(to->kind) || to->secrets[1] == NULL)
		return;
	kind_proof(to->secrets, h->proof);
	held_add(h, h->proof, strlen(h->proof));
}

static bool scrub_fields(const struct answer_to *to, char *text)
{
	struct held h;
	bool clean;

	held_of(to, &h);
	clean = scrub_json(text, &h);
	vault_wipe(&h, sizeof(h));
	return clean;
}

static void scrub_words(const struct answer_to *to, char *words, char *out, size_t out_len)
{
	struct held h;

	held_of(to, &h);
	scrub_reason(words, &h, out, out_len);
	vault_wipe(&h, sizeof(h));
}

/* ------------------------------------------------------------ good answers */

/* Copies what lies at path, in its own shape: every object on the way with this one field, of an
 * array the first element. False: memory is short. */
static bool copy_path(cJSON *to, const cJSON *from, const char *path)
{
	static const char first[] = "[0].";
	char key[64];
	const size_t len = strcspn(path, ".[");
	const bool array = strncmp(path + len, first, sizeof(first) - 1) == 0;
	const cJSON *child;
	cJSON *next;

	(void)snprintf(key, sizeof(key), "%.*s", (int)len, path);
	child = json_get(from, key);
	if (child == NULL)
		return true;
	if (path[len] == '\0') {
		next = cJSON_Duplicate(child, true);
		return next != NULL && cJSON_AddItemToObject(to, key, next);
	}
	next = json_get(to, key);
	if (next == NULL)
		next = array ? cJSON_AddArrayToObject(to, key) : cJSON_AddObjectToObject(to, key);
	if (array && next != NULL && cJSON_GetArraySize(next) == 0 && !cJSON_AddItemToArray(next, cJSON_CreateObject()))
		return false;
	if (next == NULL)
		return false;
	if (array)
		return copy_path(cJSON_GetArrayItem(next, 0),
			cJSON_IsArray(child) ? cJSON_GetArrayItem(child, 0) : NULL, path + len + sizeof(first) - 1);
	return copy_path(next, child, path + len + 1);
}

/* Text for the listener, without secrets. NULL: memory is short, it is too much, or a secret is a number. Takes value. */
static char *text_out(const struct answer_to *to, cJSON *value)
{
	char *text = value != NULL ? json_text(value) : NULL;

	cJSON_Delete(value);
	if (text != NULL && (!scrub_fields(to, text) || strlen(text) >= JOB_PICKED_MAX)) {
		json_text_free(text);
		text = NULL;
	}
	return text;
}

/* NULL: memory is short. */
static cJSON *picked_of(const struct kind *k, const cJSON *from)
{
	cJSON *picked = cJSON_CreateObject();
	bool ok = picked != NULL;

	for (size_t i = 0; ok && k->fields[i] != NULL; i++)
		ok = copy_path(picked, from, k->fields[i]);
	if (ok)
		return picked;
	cJSON_Delete(picked);
	return NULL;
}

static char *pick_fields(const struct answer_to *to, const cJSON *answer)
{
	return text_out(to, picked_of(to->kind, answer));
}

/* What stands in the way of sending, in the provider's words (facts/meta.md 6): the first that it names. */
static const char *health_why(const cJSON *entities)
{
	const cJSON *entity, *error;

	cJSON_ArrayForEach (entity, entities)
		cJSON_ArrayForEach (error, json_get(entity, "errors")) {
			const char *words = json_get_string(error, "error_description");

			if (words != NULL && words[0] != '\0')
				return words;
		}
	return "";
}

static bool health_add_entities(cJSON *health, const cJSON *entities)
{
	cJSON *list = cJSON_AddArrayToObject(health, "entities");
	const cJSON *entity;
	size_t len = 0;

	cJSON_ArrayForEach (entity, entities) {
		const char *type = json_get_string(entity, "entity_type"), *id = json_get_string(entity, "id");
		cJSON *row;

		if (type == NULL || id == NULL)
			continue;
		if (len++ == HEALTH_ENTITIES_MAX)
			break;
		row = cJSON_CreateObject();
		if (cJSON_AddStringToObject(row, "type", type) == NULL ||
			cJSON_AddStringToObject(row, "id", id) == NULL || !cJSON_AddItemToArray(list, row)) {
			cJSON_Delete(row);
			return false;
		}
	}
	return list != NULL;
}

static bool health_add(const struct answer_to *to, const cJSON *answer, cJSON *fields)
{
	const cJSON *said = json_get(answer, "health_status"), *entities = json_get(said, "entities");
	const char *can_send = json_get_string(said, "can_send_message");
	cJSON *health = said != NULL ? cJSON_AddObjectToObject(fields, "health") : NULL;
	char why[HEALTH_WHY_LEN + 1], *words;
	bool ok;

	if (said == NULL)
		return true;
	words = strdup(health_why(entities));
	ok = health != NULL && words != NULL &&
		cJSON_AddStringToObject(health, "can_send", can_send != NULL ? can_send : "") != NULL &&
		health_add_entities(health, entities);

	if (ok) {
		scrub_words(to, words, why, sizeof(why));
		ok = cJSON_AddStringToObject(health, "why", why) != NULL;
	}
	if (words != NULL)
		vault_wipe(words, strlen(words));
	free(words);
	return ok;
}

static char *pick_number(const struct answer_to *to, const cJSON *answer)
{
	cJSON *fields = picked_of(to->kind, answer);

	if (fields != NULL && health_add(to, answer, fields))
		return text_out(to, fields);
	cJSON_Delete(fields);
	return NULL;
}

static char *pick_list(const struct answer_to *to, const cJSON *answer)
{
	const cJSON *data = json_get(answer, "data"), *item;
	cJSON *out, *list;

	if (!cJSON_IsArray(data))
		return NULL;
	out = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(out, "data");
	cJSON_ArrayForEach (item, data) {
		cJSON *picked = list != NULL ? picked_of(to->kind, item) : NULL;

		if (picked == NULL || !cJSON_AddItemToArray(list, picked)) {
			cJSON_Delete(out);
			return NULL;
		}
	}
	return text_out(to, out);
}

/* What tells a good answer from one that only looks like it. */
static bool is_expected(const struct kind *k, const cJSON *answer)
{
	for (size_t i = 0; i < sizeof(k->expects) / sizeof(k->expects[0]) && k->expects[i] != NULL; i++) {
		const cJSON *found = json_get_path(answer, k->expects[i]);

		if (cJSON_IsBool(found) ||
			(cJSON_IsString(found) && found->valuestring[0] != '\0' &&
				strlen(found->valuestring) <= STORE_TEXT_LEN * 2u))
			return true;
	}
	return false;
}

/* facts/meta.md 5: the provider writes the text "true" in places. */
static bool is_success(const cJSON *answer)
{
	const cJSON *success = json_get(answer, "success");

	return cJSON_IsTrue(success) || (cJSON_IsString(success) && strcmp(success->valuestring, "true") == 0);
}

static char *pick_callback(const struct answer_to *to, const cJSON *answer,
	cJSON *(*read)(const cJSON *answer, const struct callback_ours *ours))
{
	struct held held;
	const struct callback_ours ours = {
		to->url, to->public_url, to->app_id, kind_credentials(to->kind) > 1 ? to->secrets[1] : NULL, &held};
	cJSON *fields;

	held_of(to, &held);
	fields = read(answer, &ours);
	vault_wipe(&held, sizeof(held));
	return text_out(to, fields);
}

/* What goes back of an answer that no error is in. NULL: it is an odd one. */
static char *good_fields(const struct answer_to *to, const cJSON *answer, bool empty)
{
	switch (to->kind->answer) {
	case KIND_FIELDS:
		return is_expected(to->kind, answer) ? pick_fields(to, answer) : NULL;
	case KIND_NUMBER:
		return is_expected(to->kind, answer) ? pick_number(to, answer) : NULL;
	case KIND_SUCCESS:
		return is_success(answer) ? pick_fields(to, answer) : NULL;
	case KIND_LIST:
		return pick_list(to, answer);
	case KIND_APP_CALLBACK:
		return pick_callback(to, answer, callback_of_app);
	case KIND_WABA_CALLBACK:
		return pick_callback(to, answer, callback_of_waba);
	case KIND_D360_CALLBACK:
		return pick_callback(to, answer, callback_of_d360);
	case KIND_NOTHING:
		return empty || cJSON_IsObject(answer) ? text_out(to, cJSON_CreateObject()) : NULL;
	case KIND_TOKEN:
		return text_out(to, exchange_seal(to->exchange, answer));
	case KIND_JSON:
	case KIND_REFUSAL:
	case KIND_VERBATIM:
		break;
	}
	return NULL;
}

/* ------------------------------------------------------------ refusals */

/* The provider's own words: details say more than the title. */
static void reason_from(const struct answer_to *to, const struct answer_words *words, struct outbound_result *r)
{
	const char *message = words->message, *details = words->details;
	const size_t message_len = message != NULL ? strlen(message) : 0;
	const size_t details_len = details != NULL ? strlen(details) : 0;
	const size_t between = message_len > 0 && details_len > 0 ? 2 : 0;
	const size_t room = message_len + between + details_len + 1;
	char *text;

	if (room == 1)
		return;
	text = malloc(room);
	if (text == NULL)
		return;
	if (message_len > 0)
		memcpy(text, message, message_len);
	memcpy(text + message_len, ": ", between);
	if (details_len > 0)
		memcpy(text + message_len + between, details, details_len);
	text[room - 1] = '\0';
	scrub_words(to, text, r->reason, sizeof(r->reason));
	vault_wipe(text, room);
	free(text);
}

static void read_refusal(const struct answer_to *to, const cJSON *answer, struct outbound_result *r)
{
	struct answer_words words = {0};

	if (kind_is_d360(to->kind))
		d360_refusal(to->kind, answer, r, &words);
	else
		meta_refusal(to->kind, answer, r, &words);
	set_reason(r, "", outbound_class_text(r->class));
	reason_from(to, &words, r);
}

/* ------------------------------------------------------------ a provider's answer */

static bool is_2xx(const struct transfer_end *end)
{
	return end->http_status >= 200 && end->http_status < 300;
}

static bool is_blank(const struct transfer_end *end)
{
	return strspn(end->body, " \t\r\n") == end->body_len;
}

/* Both providers have put errors under a 200. */
static bool holds_error(const struct kind *k, const cJSON *answer)
{
	return json_get(answer, "error") != NULL || (kind_is_d360(k) && d360_is_refusal(answer));
}

static void read_provider(const struct answer_to *to, const struct transfer_end *end, struct outbound_result *r)
{
	/* 360dialog has nothing there where no webhook was ever set: so it says, not a page of something in between. */
	const bool missing = to->kind->answer == KIND_D360_CALLBACK && end->http_status == 404;
	cJSON *answer = missing && is_blank(end) ? cJSON_CreateObject() : json_parse(end->body, end->body_len);
	const bool unset = missing && cJSON_IsObject(answer);

	if (unset || (is_2xx(end) && !holds_error(to->kind, answer))) {
		r->fields = good_fields(to, answer, is_blank(end));
		if (r->fields != NULL)
			r->class = OUTBOUND_ACCEPTED;
		else
			set_reason(r, "the provider's answer is not one that ",
				kind_is_d360(to->kind) ? "360dialog gives" : "Meta gives");
	} else {
		read_refusal(to, answer, r);
	}
	cJSON_Delete(answer);
}

/* A client reads it himself: only what it means is asked here. Of a streamed one nothing is left, and it was good. */
static void read_passed(const struct answer_to *to, const struct transfer_end *end, struct outbound_result *r)
{
	cJSON *answer = json_parse(end->body, end->body_len);

	if (is_2xx(end) && !holds_error(to->kind, answer))
		r->class = OUTBOUND_ACCEPTED;
	else
		read_refusal(to, answer, r);
	cJSON_Delete(answer);
}

char *answer_text(const struct answer_to *to, const struct transfer_end *end, size_t max)
{
	const size_t len = strnlen(end->body, end->body_len), start = strspn(end->body, " \t\r\n");
	const bool json = start < len && strchr("{[\"", end->body[start]) != NULL;
	char *text = len <= max ? malloc(len + 1) : NULL;
	struct held h;

	if (text == NULL)
		return NULL;
	memcpy(text, end->body, len);
	text[len] = '\0';
	held_of(to, &h);
	/* A secret that stands there as a number is blanked, too: then it is no JSON any more. */
	if (json)
		(void)!scrub_json(text, &h);
	else
		scrub_text(text, &h);
	vault_wipe(&h, sizeof(h));
	/* A file is a customer's own words. */
	if (!kind_carries(to->kind, KIND_DOWNLOAD) || !is_2xx(end))
		scrub_parameters(text, json);
	return text;
}

void answer_scrub_value(const void *to, char *value)
{
	struct held h;

	held_of(to, &h);
	scrub_text(value, &h);
	vault_wipe(&h, sizeof(h));
	scrub_parameters(value, false);
}

static void keep_verbatim(const struct answer_to *to, const struct transfer_end *end, struct outbound_result *r)
{
	size_t room = OUTBOUND_HEADERS_MAX;

	r->verbatim = answer_text(to, end, OUTBOUND_VERBATIM_MAX);
	for (size_t i = 0; i < OUTBOUND_HEADERS; i++) {
		const char *value = end->kept[i];

		/* What is left of one would say something else. */
		if (value == NULL || strlen(value) >= room || !job_header_ok(value))
			continue;
		r->headers[i] = strdup(value);
		if (r->headers[i] == NULL)
			continue;
		answer_scrub_value(to, r->headers[i]);
		room -= strlen(r->headers[i]) + 1;
	}
}

/* Of a good answer: what stands between may have a clock of its own. Whoever is off by more says nonsense. */
static void read_clock(const struct transfer_end *end, struct outbound_result *r)
{
	const int64_t ahead = end->date - end->date_read_at;

	if (end->date <= 0 || !is_2xx(end) || ahead > OUTBOUND_CLOCK_MAX_S || ahead < -OUTBOUND_CLOCK_MAX_S)
		return;
	r->clock_told = true;
	r->clock_ahead_s = (int32_t)ahead;
}

/* ------------------------------------------------------------ our own */

static void read_ourselves(const struct transfer_end *end, struct outbound_result *r)
{
	char status[16];

	if (end->http_status == 403) {
		r->class = OUTBOUND_ACCEPTED;
		return;
	}
	r->class = OUTBOUND_MESSAGE;
	(void)snprintf(status, sizeof(status), "%d", end->http_status);
	set_reason(r, "something else answers there, with status ", status);
}

/* ------------------------------------------------------------ a responder's answer */

static char *json_as_it_came(const struct answer_to *to, const struct transfer_end *end)
{
	cJSON *answer = json_parse(end->body, end->body_len);
	char *text = answer != NULL ? malloc(end->body_len + 1) : NULL;

	cJSON_Delete(answer);
	if (text == NULL)
		return NULL;
	memcpy(text, end->body, end->body_len);
	text[end->body_len] = '\0';
	if (scrub_fields(to, text))
		return text;
	json_text_free(text);
	return NULL;
}

static void read_responder(const struct answer_to *to, const struct transfer_end *end, struct outbound_result *r)
{
	char status[16];

	if (!is_2xx(end)) {
		r->class = OUTBOUND_RETRYABLE;
		if (end->http_status != 429 && end->http_status != 503)
			r->retry_after_ms = 0;
		(void)snprintf(status, sizeof(status), "%d", end->http_status);
		set_reason(r, "the responder answered with status ", status);
		return;
	}
	r->retry_after_ms = 0;
	r->class = OUTBOUND_ACCEPTED;
	if (end->http_status == 204 || is_blank(end))
		return;
	r->fields = json_as_it_came(to, end);
	if (r->fields != NULL)
		return;
	r->class = OUTBOUND_MESSAGE;
	set_reason(r, "the responder's answer is not JSON, or nested too deep", "");
}

void answer_read(const struct answer_to *to, const struct transfer_end *end, struct outbound_result *r)
{
	const bool responder = to->kind->host == KIND_JOB_URL, ourselves = to->kind->host == KIND_OURSELVES;

	*r = (struct outbound_result){.class = OUTBOUND_OUTCOME_UNKNOWN,
		.whole = end->how == TRANSFER_ANSWERED,
		.http_status = end->http_status,
		.retry_after_ms = end->retry_after_ms,
		.regain_ms = end->regain_ms};
	if (end->how != TRANSFER_ANSWERED) {
		if (end->how == TRANSFER_NOT_SENT)
			r->class = OUTBOUND_NOT_SENT;
		/* A responder that answers too much would do so again. */
		else if (responder && end->how == TRANSFER_TOO_LONG && is_2xx(end))
			r->class = OUTBOUND_MESSAGE;
		set_reason(r, responder ? "the responder" : ourselves ? "our address" : "the provider", end->why);
	} else if (responder) {
		read_responder(to, end, r);
	} else if (ourselves) {
		read_ourselves(end, r);
	} else {
		read_clock(end, r);
		if (to->kind->use == KIND_PASS)
			read_passed(to, end, r);
		else
			read_provider(to, end, r);
		if (to->verbatim)
			keep_verbatim(to, end, r);
	}
}
