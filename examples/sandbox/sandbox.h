/*
 * The sandbox: two simulated providers, the customers' phones, and a record of all that happens. Every file works on the
 * one struct sandbox; what is shared is guarded by its mutex.
 *
 * A developer's tool for loopback: it holds no real key, and it is no part of Keyhouse's own program.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/http/http.h"

struct cJSON;
struct deliveries;
struct limits;
struct media_bytes;
struct media_store;

enum statuses { STATUSES_NONE, STATUSES_SENT, STATUSES_DELIVERED, STATUSES_READ };

/* What happened, oldest first, each with a number; the oldest are forgotten. */
struct journal {
	struct journal_line {
		uint64_t seq;
		size_t len;
		char *text; /* one JSON object */
	} * lines;
	size_t first, count, max;
	size_t bytes, bytes_max;
	uint64_t last; /* the newest number; 0: none yet */
};

struct sandbox {
	enum statuses statuses;
	bool quiet;
	const char *state_path; /* NULL: the book is not kept */
	char url[80]; /* its own, "http://127.0.0.1:8900" */
	atomic_bool closing;

	pthread_mutex_t mutex; /* guards all that follows */
	pthread_cond_t changed; /* a journal grew, or it is closing */
	pthread_cond_t
		taken_back; /* faults were taken back, or it is closing: who hangs is not woken by each line of a journal */
	struct cJSON *book;
	struct cJSON *faults; /* array */
	uint64_t faults_taken_back; /* how often; ends what hangs */
	struct journal requests, sent, feed;
	struct cJSON *entries; /* array of the phones' messages, oldest first */
	size_t entries_len;
	unsigned waiting; /* workers that wait for something to happen */
	struct media_store *media;
	struct limits *limits;

	struct deliveries *deliveries; /* has a mutex of its own */
};

/* One request of whoever uses a provider. */
struct ask {
	const char *method, *path, *query; /* query may be NULL */
	const char *content_type; /* or NULL */
	const char *host; /* what the caller calls us */
	const char *token; /* bearer token or 360dialog key as sent, or NULL */
	const char *api; /* "meta" or "360dialog" */
	const char *number; /* the Graph node that the path names, or the number of the key; or NULL */
	const uint8_t *body;
	size_t body_len;
	struct cJSON *json; /* the body, where it is JSON, or a form's fields; else NULL */
};

/* What a provider says: a document, or bytes of some type. */
struct reply {
	int status;
	bool own; /* 360dialog answers, and not Meta through it */
	struct cJSON *json; /* owned */
	uint8_t *bytes; /* owned */
	size_t len;
	struct media_bytes *held; /* in place of bytes; owned as one of several */
	char type[100]; /* "": JSON */
};

double now_s(void); /* of the wall clock */

/* A line of the readable log: its time, the text; further lines of the text are indented. */
void say(struct sandbox *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last four characters of a key, for people. */
const char *last4(const char *key);

/* The digits of a telephone number as somebody wrote it. */
void digits_of(const char *text, char *out, size_t room);

/* The character at at, in text that ends with a NUL, and how many bytes it has. A stray byte is U+FFFD. */
unsigned long utf8_next(const unsigned char *at, size_t *len);

/* Strangers' bytes that are no UTF-8 become question marks: whoever reads what we say of them may be strict. */
void utf8_clean(char *text);

/* json_parse of such a text: NULL where it is no JSON. Caller frees with cJSON_Delete. */
struct cJSON *read_json(const uint8_t *text, size_t len);

/* Sends the body of a reply with its status and these headers. */
void reply_send(struct http_request *req, const struct reply *r, const struct http_header *headers, size_t headers_len);
void reply_clear(struct reply *r);

/* Hex and NUL of random bytes; out has room for 2 * len + 1. */
void random_hex(size_t len, char *out);

#endif
