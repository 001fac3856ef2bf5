/*
 * Writing and reading the frames between the halves of outbound. Trusts no field that it reads.
 * Called by outbound.c and sender.c.
 */
#include "gateway/outbound/job.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/outbound/destination.h"

#define BLOB_MAX (VAULT_SECRET_MAX + 512u)
/* ids, names, the URL, lengths: everything that is neither blob nor body */
#define TEXTS_MAX (4096u + KIND_QUERY_MAX + KIND_PATH_MAX + KIND_TYPE_MAX)
#define JOB_MAX (JOB_ASK_MAX + KIND_CREDENTIALS_MAX * (BLOB_MAX + VAULT_WRAPPED_LEN) + TEXTS_MAX)
#define RESULT_MAX (JOB_FIELDS_MAX + OUTBOUND_VERBATIM_MAX + OUTBOUND_HEADERS_MAX + TEXTS_MAX)
#define NUMBER_LEN 8u
#define TAKEN_LEN (NUMBER_LEN + 4u)
#define PIECE_LEN (NUMBER_LEN + 1u + 4u + JOB_PIECE_MAX)
#define HEAD_LEN (NUMBER_LEN + 4u + 8u + OUTBOUND_HEADERS * (4u + JOB_HEADER_MAX + 1u))

const struct frame_limit job_limits_sender[JOB_LIMITS] = {{JOB_JOB, JOB_MAX}, {JOB_PING, NUMBER_LEN},
	{JOB_BODY, PIECE_LEN}, {JOB_TAKEN, TAKEN_LEN}, {JOB_CANCEL, NUMBER_LEN}};
const struct frame_limit job_limits_listener[JOB_LIMITS] = {{JOB_RESULT, RESULT_MAX}, {JOB_PONG, NUMBER_LEN},
	{JOB_HEAD, HEAD_LEN}, {JOB_PART, PIECE_LEN}, {JOB_TAKEN, TAKEN_LEN}};

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

static bool is_empty(const char *text)
{
	return text == NULL || text[0] == '\0';
}

bool job_uploads(const struct job *j)
{
	return j->kind->use == KIND_PASS && j->method == KIND_POST && kind_carries(j->kind, KIND_UPLOAD);
}

static bool body_as_wanted(const struct job *j)
{
	const size_t max = j->kind->use == KIND_ASK ? JOB_ASK_MAX : JOB_BODY_MAX;

	if (j->kind->use == KIND_PASS && (j->method != KIND_POST || kind_carries(j->kind, KIND_UPLOAD)))
		return j->body_len == 0;
	if (j->kind->use == KIND_PASS)
		return j->body_len > 0 && j->body_len <= max &&
			kind_body_ok(is_empty(j->content_type) ? "" : j->content_type, j->body, j->body_len);
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

static bool version_as_wanted(const struct job *j)
{
	const bool may = kind_has_version(j->kind) && (j->kind->use == KIND_SEND || j->kind->use == KIND_PASS);

	return is_empty(j->version) || (may && kind_version_ok(j->version));
}

static bool method_ok(const struct kind *k, enum kind_method method)
{
	return (method == KIND_GET || method == KIND_POST || method == KIND_DELETE) && (k->methods & method) != 0;
}

/* What only a pass has. */
static bool pass_as_wanted(const struct job *j)
{
	const struct kind *k = j->kind;
	const bool typed = !is_empty(j->content_type);

	if (k->use != KIND_PASS)
		return j->method == 0 && is_empty(j->object_id) && is_empty(j->path) && is_empty(j->query) && !typed &&
			j->upload_len == 0;
	if (!method_ok(k, j->method) || is_empty(j->object_id) == kind_wants(k, KIND_WANTS_OBJECT | KIND_WANTS_NAME) ||
		is_empty(j->path) == kind_wants(k, KIND_WANTS_PATH) ||
		(!kind_carries(k, KIND_QUERY) && !is_empty(j->query)) || (typed && j->method != KIND_POST))
		return false;
	if (job_uploads(j) ? j->upload_len == 0 ||
				(j->upload_len > OUTBOUND_UPLOAD_MAX && j->upload_len != OUTBOUND_LEN_UNKNOWN)
			   : j->upload_len != 0)
		return false;
	return (!kind_wants(k, KIND_WANTS_OBJECT) || kind_digits_ok(j->object_id)) &&
		(!kind_wants(k, KIND_WANTS_NAME) || kind_name_ok(j->object_id)) &&
		(is_empty(j->path) || kind_path_ok(j->path)) && (is_empty(j->query) || kind_query_ok(j->query)) &&
		(!typed || kind_type_ok(j->content_type));
}

size_t job_credentials(const struct job *j)
{
	const size_t n = kind_credentials(j->kind);

	return j->kind->optional && j->credentials[n - 1].blob_len == 0 ? n - 1 : n;
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
		!version_as_wanted(j) || !pass_as_wanted(j) || !body_as_wanted(j) ||
		(j->verbatim && k->use != KIND_SEND))
		return false;
	for (size_t i = 0; i < job_credentials(j); i++)
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
	frame_put_u8(f, j->verbatim ? 1 : 0);
	frame_put_text(f, j->version);
	frame_put_u8(f, (uint8_t)j->method);
	frame_put_text(f, j->object_id);
	frame_put_text(f, j->path);
	frame_put_text(f, j->query);
	frame_put_text(f, j->content_type);
	frame_put_u64(f, j->upload_len);
	frame_put_u8(f, (uint8_t)job_credentials(j));
	for (size_t i = 0; i < job_credentials(j); i++) {
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

/* False: there are not as many as the kind has. */
static bool credentials_decode(struct frame *f, struct job *j)
{
	const size_t len = frame_get_u8(f), all = kind_credentials(j->kind);

	if (len != all && !(j->kind->optional && len + 1 == all))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!credential_decode(f, &j->credentials[i]) || j->credentials[i].blob_len == 0)
			return false;
	return true;
}

bool job_decode(struct frame *f, struct job *j)
{
	uint8_t verbatim;

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
	verbatim = frame_get_u8(f);
	j->verbatim = verbatim == 1;
	j->version = frame_get_text(f);
	j->method = (enum kind_method)frame_get_u8(f);
	j->object_id = frame_get_text(f);
	j->path = frame_get_text(f);
	j->query = frame_get_text(f);
	j->content_type = frame_get_text(f);
	j->upload_len = frame_get_u64(f);
	if (verbatim > 1 || !credentials_decode(f, j))
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
	if (r->verbatim != NULL)
		vault_wipe(r->verbatim, strlen(r->verbatim));
	free(r->verbatim);
	for (size_t i = 0; i < OUTBOUND_HEADERS; i++) {
		if (r->headers[i] != NULL)
			vault_wipe(r->headers[i], strlen(r->headers[i]));
		free(r->headers[i]);
	}
	vault_wipe(r, sizeof(*r));
}

void job_result_encode(struct frame *f, uint64_t ticket, const struct outbound_result *r)
{
	frame_reset(f, JOB_RESULT);
	frame_put_u64(f, ticket);
	frame_put_u8(f, (uint8_t)r->class);
	frame_put_u8(f, r->whole ? 1 : 0);
	frame_put_u32(f, (uint32_t)r->http_status);
	frame_put_u32(f, (uint32_t)r->code);
	frame_put_u32(f, (uint32_t)r->subcode);
	frame_put_u64(f, (uint64_t)r->retry_after_ms);
	frame_put_u64(f, (uint64_t)r->regain_ms);
	frame_put_u8(f, r->clock_told ? 1 : 0);
	frame_put_u32(f, (uint32_t)r->clock_ahead_s);
	frame_put_text(f, r->reason);
	frame_put_text(f, r->fields);
	frame_put_text(f, r->verbatim);
	for (size_t i = 0; i < OUTBOUND_HEADERS; i++)
		frame_put_text(f, r->headers[i]);
}

/* NULL where the text is empty, or memory is short, which *ok then tells. */
static char *text_copy(const char *text, bool *ok)
{
	char *copy = text[0] != '\0' ? strdup(text) : NULL;

	*ok = *ok && (copy != NULL || text[0] == '\0');
	return copy;
}

/* Of an answer that is passed on; 0: there was none. */
static bool status_ok(uint32_t status)
{
	return status == 0 || (status >= 200 && status <= 599);
}

/* The numbers of a result, in the order of writing. */
static bool result_numbers(struct frame *f, struct outbound_result *r)
{
	const uint8_t class = frame_get_u8(f), whole = frame_get_u8(f);
	const uint32_t http_status = frame_get_u32(f);
	uint64_t retry_after, regain;
	uint8_t clock_told;

	r->code = (int32_t)frame_get_u32(f);
	r->subcode = (int32_t)frame_get_u32(f);
	retry_after = frame_get_u64(f);
	regain = frame_get_u64(f);
	clock_told = frame_get_u8(f);
	r->clock_ahead_s = (int32_t)frame_get_u32(f);
	if (class < OUTBOUND_NOT_SENT || class > OUTBOUND_NO_CREDENTIAL || whole > 1 || !status_ok(http_status) ||
		retry_after > INT64_MAX || regain > OUTBOUND_REGAIN_MAX_MS || clock_told > 1 ||
		r->clock_ahead_s > OUTBOUND_CLOCK_MAX_S || r->clock_ahead_s < -OUTBOUND_CLOCK_MAX_S)
		return false;
	r->class = (enum outbound_class) class;
	r->whole = whole == 1;
	r->http_status = (int)http_status;
	r->retry_after_ms = (int64_t)retry_after;
	r->regain_ms = (int64_t)regain;
	r->clock_told = clock_told == 1;
	return true;
}

/* The headers of a result; false: more, or others, than a client may be given. */
static bool result_headers(struct frame *f, const char *headers[static OUTBOUND_HEADERS])
{
	size_t used = 0;
	bool ok = true;

	for (size_t i = 0; i < OUTBOUND_HEADERS; i++) {
		headers[i] = frame_get_text(f);
		ok = ok && job_header_ok(headers[i]);
		used += headers[i][0] != '\0' ? strlen(headers[i]) + 1 : 0;
	}
	return ok && used <= OUTBOUND_HEADERS_MAX;
}

bool job_result_decode(struct frame *f, uint64_t *ticket, struct outbound_result *r)
{
	const uint64_t number = frame_get_u64(f);
	struct outbound_result got = {0};
	bool ok = result_numbers(f, &got);
	const char *reason = frame_get_text(f), *fields = frame_get_text(f), *verbatim = frame_get_text(f);
	const char *headers[OUTBOUND_HEADERS];

	ok = result_headers(f, headers) && ok;
	if (!ok || !frame_end(f) || strlen(reason) >= sizeof(got.reason) || strlen(verbatim) > OUTBOUND_VERBATIM_MAX)
		return false;
	got.fields = text_copy(fields, &ok);
	got.verbatim = text_copy(verbatim, &ok);
	for (size_t i = 0; i < OUTBOUND_HEADERS; i++)
		got.headers[i] = text_copy(headers[i], &ok);
	memcpy(got.reason, reason, strlen(reason) + 1);
	if (!ok) {
		outbound_result_clear(&got);
		return false;
	}
	*r = got;
	*ticket = number;
	return true;
}

/* ------------------------------------------------------------ a call that is passed through */

const char *const outbound_header_names[OUTBOUND_HEADERS] = {"Content-Type", "Content-Disposition", "Retry-After",
	"X-Business-Use-Case-Usage", "X-App-Usage", "x-fb-trace-id", "x-fb-request-id", "x-fb-rev",
	"facebook-api-version"};

bool job_header_ok(const char *value)
{
	const size_t len = strnlen(value, JOB_HEADER_MAX + 1);

	for (size_t i = 0; i < len; i++)
		if ((uint8_t)value[i] < 0x20 || value[i] == 0x7f)
			return false;
	return len <= JOB_HEADER_MAX;
}

void job_head_encode(struct frame *f, const struct job_head *h)
{
	frame_reset(f, JOB_HEAD);
	frame_put_u64(f, h->ticket);
	frame_put_u32(f, (uint32_t)h->status);
	frame_put_u64(f, h->len);
	for (size_t i = 0; i < OUTBOUND_HEADERS; i++)
		frame_put_text(f, h->values[i]);
}

bool job_head_decode(struct frame *f, struct job_head *h)
{
	uint32_t status;

	*h = (struct job_head){.ticket = frame_get_u64(f)};
	status = frame_get_u32(f);
	h->len = frame_get_u64(f);
	for (size_t i = 0; i < OUTBOUND_HEADERS; i++) {
		const char *value = frame_get_text(f);

		if (!job_header_ok(value))
			return false;
		h->values[i] = value[0] != '\0' ? value : NULL;
	}
	h->status = (int)status;
	return frame_end(f) && status != 0 && status_ok(status);
}

void job_piece_encode(struct frame *f, enum job_type type, const struct job_piece *p)
{
	frame_reset(f, (uint8_t)type);
	frame_put_u64(f, p->ticket);
	frame_put_u8(f, p->last ? 1 : 0);
	frame_put_bytes(f, p->data, p->len);
}

bool job_piece_decode(struct frame *f, struct job_piece *p)
{
	uint8_t last;

	p->ticket = frame_get_u64(f);
	last = frame_get_u8(f);
	p->data = frame_get_bytes(f, &p->len);
	p->last = last == 1;
	return frame_end(f) && last <= (f->type == JOB_BODY ? 1 : 0) && p->len <= JOB_PIECE_MAX &&
		(p->len > 0 || p->last);
}

void job_taken_encode(struct frame *f, uint64_t ticket, uint32_t len)
{
	frame_reset(f, JOB_TAKEN);
	frame_put_u64(f, ticket);
	frame_put_u32(f, len);
}

bool job_taken_decode(struct frame *f, uint64_t *ticket, uint32_t *len)
{
	*ticket = frame_get_u64(f);
	*len = frame_get_u32(f);
	return frame_end(f) && *len > 0 && *len <= JOB_WINDOW;
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
