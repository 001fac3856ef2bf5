/*
 * Writing and reading the frames between the halves of outbound. Trusts no field that it reads.
 * Called by outbound.c and sender.c.
 */
#include "gateway/outbound/job.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/outbound/destination.h"

#define BLOB_MAX (VAULT_SECRET_MAX + 512u)
#define TEXTS_MAX 4096u /* ids, names, the URL, lengths: everything that is neither blob nor body */
#define JOB_MAX (JOB_ASK_MAX + KIND_CREDENTIALS_MAX * (BLOB_MAX + VAULT_WRAPPED_LEN) + TEXTS_MAX)
#define RESULT_MAX (JOB_FIELDS_MAX + TEXTS_MAX)
#define NUMBER_LEN 8u

const struct frame_limit job_limits_sender[JOB_LIMITS] = {{JOB_JOB, JOB_MAX}, {JOB_PING, NUMBER_LEN}};
const struct frame_limit job_limits_listener[JOB_LIMITS] = {{JOB_RESULT, RESULT_MAX}, {JOB_PONG, NUMBER_LEN}};

/* ------------------------------------------------------------ jobs */

static bool text_ok(const char *text, size_t max)
{
	const size_t len = strnlen(text, max + 1);

	return len >= 1 && len <= max;
}

/* Ids may travel in headers: letters, digits, "-" and "_". */
static bool id_ok(const char *text, size_t max)
{
	static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

	return text_ok(text, max) && text[strspn(text, allowed)] == '\0';
}

static bool digits_as_wanted(const struct kind *k, unsigned what, const char *text)
{
	return kind_wants(k, what) ? kind_digits_ok(text) : text[0] == '\0';
}

static bool body_as_wanted(const struct job *j)
{
	const size_t max = j->kind->use == KIND_ASK ? JOB_ASK_MAX : JOB_BODY_MAX;

	return kind_wants(j->kind, KIND_WANTS_BODY) ? j->body_len > 0 && j->body_len <= max : j->body_len == 0;
}

static bool url_as_wanted(const struct job *j)
{
	struct destination d;

	if (!kind_wants(j->kind, KIND_WANTS_URL))
		return j->url[0] == '\0';
	return j->kind->host == KIND_JOB_URL ? destination_read(j->url, &d) == NULL : destination_text_ok(j->url);
}

/* Only a responder is told which message an update is about. */
static bool message_as_wanted(const struct job *j)
{
	return j->message_id[0] == '\0' || (j->kind->use == KIND_ASK && id_ok(j->message_id, STORE_ID_LEN));
}

static bool credential_as_wanted(const struct job *j, size_t i)
{
	const struct job_credential *c = &j->credentials[i];

	return text_ok(c->connection_id, STORE_ID_LEN) && strcmp(c->field, j->kind->credentials[i]) == 0 &&
		(strcmp(c->connection_id, JOB_RESPONDER) == 0) == (j->kind->use == KIND_ASK) && c->blob_len > 0 &&
		c->blob_len <= BLOB_MAX;
}

bool job_valid(const struct job *j)
{
	const struct kind *k = j->kind;

	if (k == NULL || !id_ok(j->id, STORE_ID_LEN) || !text_ok(j->deployment_id, STORE_BUSINESS_ID_LEN) ||
		!id_ok(j->business_id, STORE_BUSINESS_ID_LEN))
		return false;
	if (!digits_as_wanted(k, KIND_WANTS_NUMBER, j->number) || !digits_as_wanted(k, KIND_WANTS_APP, j->app_id) ||
		!digits_as_wanted(k, KIND_WANTS_WABA, j->waba_id) || !url_as_wanted(j) || !message_as_wanted(j) ||
		!body_as_wanted(j))
		return false;
	for (size_t i = 0; i < kind_credentials(k); i++)
		if (!credential_as_wanted(j, i))
			return false;
	return true;
}

void job_encode(struct frame *f, const struct job *j)
{
	frame_reset(f, JOB_JOB);
	frame_put_u64(f, j->ticket);
	frame_put_u32(f, (uint32_t)j->kind->kind);
	frame_put_text(f, j->id);
	frame_put_text(f, j->deployment_id);
	frame_put_text(f, j->business_id);
	frame_put_text(f, j->number);
	frame_put_text(f, j->app_id);
	frame_put_text(f, j->waba_id);
	frame_put_text(f, j->url);
	frame_put_text(f, j->message_id);
	for (size_t i = 0; i < kind_credentials(j->kind); i++) {
		const struct job_credential *c = &j->credentials[i];

		frame_put_text(f, c->connection_id);
		frame_put_text(f, c->field);
		frame_put_u64(f, c->version);
		frame_put_u64(f, c->newest);
		frame_put_bytes(f, c->key.blob, sizeof(c->key.blob));
		frame_put_u32(f, c->key.version);
		frame_put_bytes(f, c->blob, c->blob_len);
	}
	frame_put_bytes(f, j->body, j->body_len);
}

static bool credential_decode(struct frame *f, struct job_credential *c)
{
	const uint8_t *key;
	size_t len;

	c->connection_id = frame_get_text(f);
	c->field = frame_get_text(f);
	c->version = frame_get_u64(f);
	c->newest = frame_get_u64(f);
	key = frame_get_bytes(f, &len);
	if (key == NULL || len != sizeof(c->key.blob))
		return false;
	memcpy(c->key.blob, key, len);
	c->key.version = frame_get_u32(f);
	c->blob = frame_get_bytes(f, &c->blob_len);
	return true;
}

bool job_decode(struct frame *f, struct job *j)
{
	*j = (struct job){.ticket = frame_get_u64(f)};
	j->kind = kind_find(frame_get_u32(f));
	if (j->kind == NULL)
		return false;
	j->id = frame_get_text(f);
	j->deployment_id = frame_get_text(f);
	j->business_id = frame_get_text(f);
	j->number = frame_get_text(f);
	j->app_id = frame_get_text(f);
	j->waba_id = frame_get_text(f);
	j->url = frame_get_text(f);
	j->message_id = frame_get_text(f);
	for (size_t i = 0; i < kind_credentials(j->kind); i++)
		if (!credential_decode(f, &j->credentials[i]))
			return false;
	j->body = (const char *)frame_get_bytes(f, &j->body_len);
	return frame_end(f) && job_valid(j);
}

/* ------------------------------------------------------------ results */

void outbound_result_clear(struct outbound_result *r)
{
	if (r->fields != NULL)
		vault_wipe(r->fields, strlen(r->fields));
	free(r->fields);
	vault_wipe(r, sizeof(*r));
}

void job_result_encode(struct frame *f, uint64_t ticket, const struct outbound_result *r)
{
	frame_reset(f, JOB_RESULT);
	frame_put_u64(f, ticket);
	frame_put_u8(f, (uint8_t)r->class);
	frame_put_u32(f, (uint32_t)r->http_status);
	frame_put_u32(f, (uint32_t)r->code);
	frame_put_u32(f, (uint32_t)r->subcode);
	frame_put_u64(f, (uint64_t)r->retry_after_ms);
	frame_put_u8(f, r->clock_told ? 1 : 0);
	frame_put_u32(f, (uint32_t)r->clock_ahead_s);
	frame_put_text(f, r->reason);
	frame_put_text(f, r->fields);
}

bool job_result_decode(struct frame *f, uint64_t *ticket, struct outbound_result *r)
{
	const uint64_t number = frame_get_u64(f);
	const uint8_t class = frame_get_u8(f);
	const uint32_t http_status = frame_get_u32(f);
	const uint32_t code = frame_get_u32(f);
	const uint32_t subcode = frame_get_u32(f);
	const uint64_t retry_after = frame_get_u64(f);
	const uint8_t clock_told = frame_get_u8(f);
	const int32_t clock_ahead = (int32_t)frame_get_u32(f);
	const char *reason = frame_get_text(f);
	const char *fields = frame_get_text(f);
	char *copy = NULL;

	if (!frame_end(f) || class < OUTBOUND_NOT_SENT || class > OUTBOUND_NO_CREDENTIAL || http_status > 999 ||
		retry_after > INT64_MAX || clock_told > 1 || clock_ahead > OUTBOUND_CLOCK_MAX_S ||
		clock_ahead < -OUTBOUND_CLOCK_MAX_S || strlen(reason) >= sizeof(r->reason))
		return false;
	if (fields[0] != '\0') {
		copy = strdup(fields);
		if (copy == NULL)
			return false;
	}
	*r = (struct outbound_result){.class = (enum outbound_class) class,
		.http_status = (int)http_status,
		.code = (int32_t)code,
		.subcode = (int32_t)subcode,
		.retry_after_ms = (int64_t)retry_after,
		.clock_told = clock_told == 1,
		.clock_ahead_s = clock_ahead,
		.fields = copy};
	memcpy(r->reason, reason, strlen(reason) + 1);
	*ticket = number;
	return true;
}

/* ------------------------------------------------------------ pings */

void job_number_encode(struct frame *f, enum job_type type, uint64_t number)
{
	frame_reset(f, (uint8_t)type);
	frame_put_u64(f, number);
}

bool job_number_decode(struct frame *f, uint64_t *number)
{
	const uint64_t got = frame_get_u64(f);

	if (!frame_end(f))
		return false;
	*number = got;
	return true;
}
