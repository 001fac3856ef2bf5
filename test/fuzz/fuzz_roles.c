/*
 * Fuzzing what the roles say to each other. The first byte chooses:
 *
 *   0, 1  questions to a vault, as bytes, from the listener and from the sender
 *   2, 3  the same as a list of fields (build), so that sealed ones can stand among them
 *   4     a job, as the sender reads it and makes a request of it
 *   5     a result, as the listener reads it
 *   6     a number
 *   7     what a role says to its starter
 *   8     how an answer begins, as the listener reads it
 *   9     a piece of a body or an answer
 *   10    so many bytes that are done with
 *   11    a call that is passed through, in the sender: bytes that choose what comes next
 *
 * The vault ends well or calls it malformed; the listener gets no credential, whatever it asks. A job and a result that are
 * taken are written as they were read, and so are the others. A request goes to its kind's host, no header breaks its line, and
 * its query has at most one proof, which is ours. Of a call no more than a window is ever on its way, and nothing is lost.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/json.h"
#include "gateway/outbound/job.h"
#include "gateway/outbound/relay.h"
#include "gateway/outbound/request.h"
#include "gateway/role.h"
#include "vault/verbs.h"

/* So much is asked at once at most: the answers must fit into the socket. */
#define ASKED_MAX 2048u
#define ANSWERS_ROOM (1u << 18)
#define CREDENTIAL "a credential that the listener never sees"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct vault_context home = {"dep", "shop", "credentials", "01connection", "app_secret", 1};
static struct vault_process *vault;
static struct vault_wrapped_key keys[VAULT_INDEX + 1];
static uint8_t sealed[BLOB_LEN(sizeof(CREDENTIAL) - 1)];

/* ------------------------------------------------------------ a vault */

struct input {
	const uint8_t *at;
	size_t left;
};

static uint8_t next(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

/* Has the vault read these bytes to their end. Returns what it answered, until the next call. */
static const uint8_t *vault_reads(enum vault_role role, const uint8_t *asked, size_t asked_len, size_t *len)
{
	const int room = 1 << 20;
	static uint8_t answers[ANSWERS_ROOM];
	enum vault_error err;
	size_t got = 0;
	ssize_t n = 1;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0)
		abort();
	(void)setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (send(fd[0], asked, asked_len, MSG_NOSIGNAL) != (ssize_t)asked_len || shutdown(fd[0], SHUT_WR) != 0)
		abort();
	err = vault_process_serve(
		vault, -1, role == VAULT_ROLE_LISTENER ? fd[1] : -1, role == VAULT_ROLE_SENDER ? fd[1] : -1);
	if (err != VAULT_OK && err != VAULT_BAD_REQUEST)
		abort();
	(void)close(fd[1]);
	while (n > 0 && got < sizeof(answers)) {
		n = recv(fd[0], answers + got, sizeof(answers) - got, 0);
		got += n > 0 ? (size_t)n : 0;
	}
	(void)close(fd[0]);
	*len = got;
	return answers;
}

/* The bytes of a message. */
static void add_message(struct frame *all, const struct frame *f)
{
	frame_put_u32(all, (uint32_t)f->len);
	frame_put_u8(all, f->type);
	for (size_t i = 0; i < f->len; i++)
		frame_put_u8(all, f->data[i]);
}

static void put_wrapped(struct frame *f, enum vault_purpose purpose)
{
	frame_put_bytes(f, keys[purpose].blob, VAULT_WRAPPED_LEN);
	frame_put_u32(f, keys[purpose].version);
}

static void put_place(struct frame *f)
{
	frame_put_text(f, home.deployment_id);
	frame_put_text(f, home.business_id);
	frame_put_text(f, home.table);
	frame_put_text(f, home.record_id);
	frame_put_text(f, home.field);
	frame_put_u64(f, home.record_version);
}

/* One question with a good answer; body reads behind its first byte, VAULT_OK. */
static void ask(const struct frame *question, struct frame *body)
{
	struct frame all = FRAME_INIT(0);
	const uint8_t *answer;
	size_t len;

	add_message(&all, question);
	answer = vault_reads(VAULT_ROLE_LISTENER, all.data, all.len, &len);
	if (len < 6 || answer[5] != VAULT_OK)
		abort();
	for (size_t i = 6; i < len; i++)
		frame_put_u8(body, answer[i]);
	frame_clear(&all);
}

static void make_key(enum vault_purpose purpose)
{
	struct frame question = FRAME_INIT(VERB_TENANT_KEY_NEW), body = FRAME_INIT(0);
	const uint8_t *blob;
	size_t len;

	frame_put_text(&question, home.deployment_id);
	frame_put_text(&question, home.business_id);
	frame_put_u8(&question, (uint8_t)purpose);
	frame_put_u32(&question, 1);
	ask(&question, &body);
	blob = frame_get_bytes(&body, &len);
	if (blob == NULL || len != VAULT_WRAPPED_LEN)
		abort();
	memcpy(keys[purpose].blob, blob, len);
	keys[purpose].version = 1;
	frame_clear(&question);
	frame_clear(&body);
}

static void seal_credential(void)
{
	struct frame question = FRAME_INIT(VERB_SEAL), body = FRAME_INIT(0);
	const uint8_t *blob;
	size_t len;

	put_wrapped(&question, VAULT_CREDENTIAL);
	put_place(&question);
	frame_put_bytes(&question, CREDENTIAL, sizeof(CREDENTIAL) - 1);
	ask(&question, &body);
	blob = frame_get_bytes(&body, &len);
	if (blob == NULL || len != sizeof(sealed))
		abort();
	memcpy(sealed, blob, len);
	frame_clear(&question);
	frame_clear(&body);
}

static void make_vault(void)
{
	char path[] = "/tmp/kh-fuzz-XXXXXX";
	int fd;

	if (vault != NULL)
		return;
	json_init();
	fd = mkstemp(path);
	if (vault_init() != VAULT_OK || fd < 0 || vault_key_file_create(fd) != VAULT_OK ||
		vault_process_open(&vault, fd) != VAULT_OK || unlink(path) != 0)
		abort();
	for (int purpose = VAULT_CREDENTIAL; purpose <= VAULT_INDEX; purpose++)
		make_key((enum vault_purpose)purpose);
	seal_credential();
}

/* ------------------------------------------------------------ questions */

static void read_bytes(struct input *in, struct frame *f, bool text)
{
	const size_t wanted = next(in), len = wanted < in->left ? wanted : in->left;

	frame_put_bytes(f, in->at, len);
	if (text && f->len > 0 && len > 0)
		f->data[f->len - 1] = 0;
	in->at += len;
	in->left -= len;
}

static void build_field(struct input *in, struct frame *f)
{
	switch (next(in) % 12) {
	case 0:
		frame_put_u8(f, next(in));
		break;
	case 1:
		frame_put_u32(f, next(in));
		break;
	case 2:
		frame_put_u64(f, (uint64_t)next(in) << 32 | next(in));
		break;
	case 3:
		read_bytes(in, f, false);
		break;
	case 4:
		read_bytes(in, f, true);
		break;
	case 5:
		put_wrapped(f, VAULT_CREDENTIAL);
		break;
	case 6:
		put_wrapped(f, VAULT_CONTENT);
		break;
	case 7:
		put_wrapped(f, VAULT_INDEX);
		break;
	case 8:
		put_place(f);
		break;
	case 9:
		frame_put_bytes(f, sealed, sizeof(sealed));
		break;
	case 10:
		frame_put_text(f, home.deployment_id);
		break;
	default:
		frame_put_text(f, home.business_id);
		break;
	}
}

/* A byte for each verb, a byte for the number of fields, the fields. */
static void build(struct input *in, struct frame *all)
{
	while (in->left > 1 && all->len < ASKED_MAX) {
		struct frame f = FRAME_INIT(next(in));

		for (unsigned fields = next(in) % 10u; fields > 0 && f.len < ASKED_MAX; fields--)
			build_field(in, &f);
		add_message(all, &f);
		frame_clear(&f);
	}
}

static void ask_vault(enum vault_role role, const uint8_t *asked, size_t len)
{
	size_t got;
	const uint8_t *answers = vault_reads(role, asked, len, &got);

	if (role == VAULT_ROLE_LISTENER && memmem(answers, got, CREDENTIAL, sizeof(CREDENTIAL) - 1) != NULL)
		abort();
}

/* ------------------------------------------------------------ jobs and results */

static struct frame frame_of(uint8_t type, const struct input *in)
{
	struct frame f = FRAME_INIT(type);

	for (size_t i = 0; i < in->left; i++)
		frame_put_u8(&f, in->at[i]);
	return f;
}

static void same(struct frame *a, struct frame *b)
{
	if (a->len != b->len || (a->len > 0 && memcmp(a->data, b->data, a->len) != 0))
		abort();
	frame_clear(a);
	frame_clear(b);
}

static bool begins(const char *text, const char *with)
{
	return text != NULL && strncmp(text, with, strlen(with)) == 0;
}

static void check_request(const struct job *j, const struct request *r)
{
	static const char *const hosts[] = {[KIND_META] = "https://meta.example/",
		[KIND_D360] = "https://d360.example/",
		[KIND_D360_SANDBOX] = "https://sandbox.example/",
		[KIND_JOB_URL] = "http",
		[KIND_OURSELVES] = "https://house.example/webhooks/",
		[KIND_META_MEDIA] = "https://media.example/"};
	const char *ours = j->kind->use == KIND_PASS ? strcasestr(r->transfer.url, "appsecret_proof=") : NULL;

	if (!begins(r->transfer.url, hosts[j->kind->host]) || strpbrk(r->transfer.url, "\r\n ") != NULL)
		abort();
	/* As far as it is written plainly: the client's own is refused in every spelling. */
	if (ours != NULL &&
		(strlen(ours) != strlen("appsecret_proof=") + KIND_PROOF_LEN ||
			strncmp(ours, "appsecret_proof=", strlen("appsecret_proof=")) != 0))
		abort();
	if (r->transfer.content_type != NULL && strpbrk(r->transfer.content_type, "\r\n") != NULL)
		abort();
	for (size_t i = 0; i < r->transfer.headers_len; i++)
		if (strpbrk(r->transfer.headers[i].value, "\r\n") != NULL)
			abort();
}

static void request_of(const struct job *j)
{
	static const struct request_world world = {.meta = {"https://meta.example", true},
		.meta_media = {"https://media.example", true},
		.d360 = {"https://d360.example", true},
		.d360_sandbox = {"https://sandbox.example", true},
		.version = "v26.0",
		.public_url = "https://house.example",
		.responder_allow = "127.0.0.1:9000"};
	static const char *const texts[] = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "theOtherSecret"};
	struct secret *held[] = {secret_new(texts[0], strlen(texts[0])), secret_new(texts[1], strlen(texts[1]))};
	struct request r = {0};
	const char *why;

	if (job_credentials(j) < 2) {
		secret_free(held[1]);
		held[1] = NULL;
	}
	if (request_build(&r, &world, j, (const struct secret *const *)held, &why) == OUTBOUND_ACCEPTED)
		check_request(j, &r);
	request_clear(&r);
	secret_free(held[0]);
	secret_free(held[1]);
}

static void read_job(const struct input *in)
{
	struct frame f = frame_of(JOB_JOB, in), again = FRAME_INIT(0);
	struct job j;

	if (in->left <= job_limits_sender[0].max_len && job_decode(&f, &j)) {
		request_of(&j);
		job_encode(&again, &j);
		same(&f, &again);
	}
	frame_clear(&f);
}

static void read_result(const struct input *in)
{
	struct frame f = frame_of(JOB_RESULT, in), again = FRAME_INIT(0);
	struct outbound_result r;
	uint64_t ticket;

	if (job_result_decode(&f, &ticket, &r)) {
		if (memchr(r.reason, 0, sizeof(r.reason)) == NULL)
			abort();
		job_result_encode(&again, ticket, &r);
		same(&f, &again);
		outbound_result_clear(&r);
	}
	frame_clear(&f);
}

static void read_number(const struct input *in)
{
	struct frame f = frame_of(JOB_PONG, in), again = FRAME_INIT(0);
	uint64_t number;

	if (job_number_decode(&f, &number)) {
		job_number_encode(&again, JOB_PONG, number);
		same(&f, &again);
	}
	frame_clear(&f);
}

static void read_head(const struct input *in)
{
	struct frame f = frame_of(JOB_HEAD, in), again = FRAME_INIT(0);
	struct job_head h;

	if (job_head_decode(&f, &h)) {
		for (size_t i = 0; i < OUTBOUND_HEADERS; i++)
			if (h.values[i] != NULL && strpbrk(h.values[i], "\r\n") != NULL)
				abort();
		job_head_encode(&again, &h);
		same(&f, &again);
	}
	frame_clear(&f);
}

static void read_piece(enum job_type type, const struct input *in)
{
	struct frame f = frame_of((uint8_t)type, in), again = FRAME_INIT(0);
	struct job_piece p;

	if (job_piece_decode(&f, &p)) {
		if (p.len > JOB_PIECE_MAX || (type == JOB_PART && p.last))
			abort();
		job_piece_encode(&again, type, &p);
		same(&f, &again);
	}
	frame_clear(&f);
}

static void read_taken(const struct input *in)
{
	struct frame f = frame_of(JOB_TAKEN, in), again = FRAME_INIT(0);
	uint64_t ticket;
	uint32_t len;

	if (job_taken_decode(&f, &ticket, &len)) {
		job_taken_encode(&again, ticket, len);
		same(&f, &again);
	}
	frame_clear(&f);
}

/* ------------------------------------------------------------ a call that is passed through */

/* What the listener was told, and what of it was looked at. */
struct told {
	struct frame frame;
	bool full;
	uint64_t taken, parts;
	unsigned heads;
};

static void told_read(struct told *t)
{
	struct job_piece p;
	struct job_head h;
	uint64_t ticket;
	uint32_t len;

	if (!t->full)
		return;
	t->full = false;
	if (t->frame.type == JOB_TAKEN && job_taken_decode(&t->frame, &ticket, &len))
		t->taken += len;
	else if (t->frame.type == JOB_PART && t->heads == 1 && job_piece_decode(&t->frame, &p))
		t->parts += p.len;
	else if (t->frame.type == JOB_HEAD && t->heads++ == 0 && job_head_decode(&t->frame, &h))
		return;
	else
		abort();
}

static struct frame *told_frame(void *ctx)
{
	struct told *t = ctx;

	told_read(t);
	t->full = true;
	return &t->frame;
}

static void scrub_nothing(const void *arg, char *value)
{
	(void)arg;
	(void)value;
}

static void converse(struct input *in)
{
	static const uint8_t bytes[JOB_PIECE_MAX];
	static uint8_t room[JOB_PIECE_MAX];
	const bool down = next(in) % 2 == 1, known = next(in) % 2 == 1;
	const uint64_t size = (uint64_t)next(in) << 12;
	const struct job j = {.kind = kind_find(down ? OUTBOUND_META_PASS_DOWNLOAD : OUTBOUND_META_PASS_UPLOAD),
		.method = down ? KIND_GET : KIND_POST,
		.upload_len = down ? 0
			: known	   ? size + 1
				   : OUTBOUND_LEN_UNKNOWN};
	const struct transfer_head head = {.status = 200, .len = size, .kept = {"image/png"}};
	struct told t = {.frame = FRAME_INIT(0)};
	const struct relay_out out = {told_frame, &t};
	struct relay *r = relay_new(&j, &out);
	uint64_t came = 0, given = 0, sent = 0, taken = 0;
	bool began = false, whole = true;

	while (in->left > 1 && whole) {
		const unsigned step = next(in) % 4u;
		const size_t len = (size_t)next(in) << 8;
		struct job_piece p = {.last = len % 512 == 0, .data = bytes, .len = len};
		size_t n;

		if (step == 0) {
			whole = relay_body(r, &p);
			came += whole ? len : 0;
			if (whole && came - t.taken > JOB_WINDOW)
				abort();
		} else if (step == 1 && !down) {
			n = relay_give(r, room, len);
			given += n == TRANSFER_LATER ? 0 : n;
		} else if (step == 2 && down) {
			if (!began && !relay_head(r, &head, scrub_nothing, NULL))
				abort();
			began = true;
			sent += relay_take(r, bytes, len) ? len : 0;
			if (sent - taken > JOB_WINDOW)
				abort();
		} else if (step == 3 && len > 0) {
			whole = relay_taken(r, (uint32_t)len);
			taken += whole ? len : 0;
		}
		told_read(&t);
		if (given > came || t.taken > given || t.parts != sent || taken > sent)
			abort();
	}
	relay_free(r);
	frame_clear(&t.frame);
}

static void read_word(const struct input *in)
{
	char sentence[64] = "";
	struct role_process p = {0};
	int fd[2];

	if (in->left > ASKED_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0)
		return;
	p.link = fd[0];
	if (send(fd[1], in->at, in->left, MSG_NOSIGNAL) != (ssize_t)in->left)
		abort();
	(void)close(fd[1]);
	(void)role_wait(&p, 0, sentence, sizeof(sentence));
	if (memchr(sentence, 0, sizeof(sentence)) == NULL)
		abort();
	role_close(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = {data, len};
	struct frame all = FRAME_INIT(0);
	const unsigned what = len > 0 ? next(&in) % 12u : 0;
	const enum vault_role role = what % 2 == 0 ? VAULT_ROLE_LISTENER : VAULT_ROLE_SENDER;

	make_vault();
	if (what < 2 && in.left <= ASKED_MAX)
		ask_vault(role, in.at, in.left);
	if (what == 2 || what == 3) {
		build(&in, &all);
		ask_vault(role, all.data, all.len);
		frame_clear(&all);
	}
	if (what == 4)
		read_job(&in);
	if (what == 5)
		read_result(&in);
	if (what == 6)
		read_number(&in);
	if (what == 7)
		read_word(&in);
	if (what == 8)
		read_head(&in);
	if (what == 9)
		read_piece(JOB_PART, &in);
	if (what == 9)
		read_piece(JOB_BODY, &in);
	if (what == 10)
		read_taken(&in);
	if (what == 11)
		converse(&in);
	return 0;
}
