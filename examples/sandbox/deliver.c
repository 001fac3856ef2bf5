/*
 * Sending webhooks with libcurl, and the queue of those that are due later.
 */
#include "examples/sandbox/deliver.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "examples/sandbox/phone.h"

enum {
	THREADS = 8,
	AT_ONE_ADDRESS = 2, /* a silent address holds up no other */
	WAITING_MAX = 10000,
	TRIES_MAX = 12, /* about ten minutes in all; Meta goes on for days */
	TIMEOUT_S = 10,
	PAUSE_MAX_S = 120,
	ANSWER_MAX = 64 << 10,
};

struct deliveries {
	struct sandbox *s;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool closing;
	struct webhook *first, *last; /* by due */
	size_t waiting;
	struct worker {
		struct deliveries *d;
		pthread_t thread;
		const struct webhook *under_way;
	} workers[THREADS];
	unsigned running;
};

struct webhook *webhook_new(const char *url, const char *body)
{
	struct webhook *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->url = url ? strdup(url) : NULL;
	w->body = strdup(body);
	if ((url && !w->url) || !w->body) {
		webhook_free(w);
		return NULL;
	}
	webhook_header(w, "Content-Type", "application/json");
	return w;
}

void webhook_header(struct webhook *w, const char *name, const char *value)
{
	char line[4096];

	if (name[strcspn(name, "\r\n: ")] == '\0' && value[strcspn(value, "\r\n")] == '\0' &&
		snprintf(line, sizeof(line), "%s: %s", name, value) < (int)sizeof(line))
		w->headers = curl_slist_append(w->headers, line);
}

void webhook_free(struct webhook *w)
{
	if (!w)
		return;
	curl_slist_free_all(w->headers);
	free(w->url);
	free(w->body);
	free(w);
}

/* ------------------------------------------------------------ one call */

bool deliver_is_near(const char *url)
{
	CURLU *parts = curl_url();
	char *scheme = NULL, *host = NULL;
	struct in_addr in;
	bool near = false;

	if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		(strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0))
		near = strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
			(inet_pton(AF_INET, host, &in) == 1 && ntohl(in.s_addr) >> 24 == 127);
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parts);
	return near;
}

struct text {
	char *data;
	size_t len;
};

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
	struct text *text = user;
	size_t len = size * count;
	char *larger;

	if (text->len + len > ANSWER_MAX || !(larger = realloc(text->data, text->len + len + 1)))
		return 0;
	memcpy(larger + text->len, data, len);
	text->data = larger;
	text->len += len;
	text->data[text->len] = '\0';
	return len;
}

static int on_progress(void *user, curl_off_t in_all, curl_off_t in, curl_off_t out_all, curl_off_t out)
{
	struct sandbox *s = user;

	(void)in_all, (void)in, (void)out_all, (void)out;
	return atomic_load(&s->closing);
}

/* body NULL: a GET. The status, 0 where no whole answer came. */
static int call(
	struct sandbox *s, CURL *curl, const char *url, const char *body, struct curl_slist *headers, char **answer)
{
	struct text text = {NULL, 0};
	CURLcode code;
	long status = 0;

	if (!deliver_is_near(url)) {
		*answer = strdup("this address is not on this machine, and the sandbox calls nobody else");
		return 0;
	}
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, s);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	/* Loopback has no certificate that anybody signed. */
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	} else {
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	}
	code = curl_easy_perform(curl);
	if (code == CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		*answer = text.data ? text.data : strdup("");
	} else {
		free(text.data);
		*answer = strdup(curl_easy_strerror(code));
	}
	return (int)status;
}

int deliver_now(struct sandbox *s, const struct webhook *w, char **answer)
{
	CURL *curl = curl_easy_init();
	int status = 0;

	if (!curl) {
		*answer = strdup("memory is short");
		return 0;
	}
	status = call(s, curl, w->url, w->body, w->headers, answer);
	curl_easy_cleanup(curl);
	return status;
}

bool deliver_handshake(struct sandbox *s, const char *url, const char *verify_token, char *why, size_t why_len)
{
	CURL *curl = curl_easy_init();
	char *token = curl ? curl_easy_escape(curl, verify_token, 0) : NULL;
	char challenge[17], *full = NULL, *answer = NULL;
	bool given_back = false;
	int status = 0, n = 0;

	random_hex(8, challenge);
	if (token) {
		size_t room = strlen(url) + strlen(token) + 128;

		full = malloc(room);
		if (full)
			n = snprintf(full, room, "%s%chub.mode=subscribe&hub.challenge=%s&hub.verify_token=%s", url,
				strchr(url, '?') ? '&' : '?', challenge, token);
	}
	if (n > 0)
		status = call(s, curl, full, NULL, NULL, &answer);
	given_back = status == 200 && answer && strcmp(answer, challenge) == 0;
	if (status == 0)
		(void)snprintf(why, why_len, "%s", answer ? answer : "memory is short");
	else
		(void)snprintf(why, why_len, "it answered %d%s", status, status == 200 ? " without the challenge" : "");
	free(answer);
	free(full);
	curl_free(token);
	curl_easy_cleanup(curl);
	return given_back;
}

/* ------------------------------------------------------------ the queue */

static void unlink_webhook(struct deliveries *d, struct webhook *w)
{
	*(w->previous ? &w->previous->next : &d->first) = w->next;
	*(w->next ? &w->next->previous : &d->last) = w->previous;
	w->next = w->previous = NULL;
	d->waiting--;
}

/* What comes new is mostly due after all others: looks for its place from the end. */
static void link_webhook(struct deliveries *d, struct webhook *w)
{
	struct webhook *before = d->last;

	while (before && before->due > w->due)
		before = before->previous;
	w->previous = before;
	w->next = before ? before->next : d->first;
	*(before ? &before->next : &d->first) = w;
	*(w->next ? &w->next->previous : &d->last) = w;
	d->waiting++;
}

void deliver_later(struct sandbox *s, struct webhook *w, double delay_s)
{
	struct deliveries *d = s->deliveries;
	struct webhook *given_up = NULL;

	w->due = now_s() + delay_s;
	pthread_mutex_lock(&d->mutex);
	link_webhook(d, w);
	if (d->waiting > WAITING_MAX) {
		given_up = d->last;
		unlink_webhook(d, given_up);
	}
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->mutex);
	if (given_up)
		say(s, "%d webhooks wait; one is given up", WAITING_MAX);
	webhook_free(given_up);
}

static bool is_busy(const struct deliveries *d, const char *url)
{
	unsigned n = 0;

	for (size_t i = 0; url && i < THREADS; i++)
		n += d->workers[i].under_way && d->workers[i].under_way->url &&
			strcmp(d->workers[i].under_way->url, url) == 0;
	return n >= AT_ONE_ADDRESS;
}

/* The first that is due and whose address has room; *until is when the next one will be due, 0: nobody knows. */
static struct webhook *find_due(const struct deliveries *d, double *until)
{
	double now = now_s();

	*until = 0;
	for (struct webhook *w = d->first; w; w = w->next) {
		if (w->due > now) {
			*until = w->due;
			return NULL;
		}
		if (!is_busy(d, w->url))
			return w;
	}
	return NULL;
}

/* The next for this worker; NULL: the sandbox closes. */
static struct webhook *take(struct worker *worker)
{
	struct deliveries *d = worker->d;
	struct webhook *w = NULL;
	double until;

	pthread_mutex_lock(&d->mutex);
	while (!d->closing && !(w = find_due(d, &until))) {
		struct timespec at = {.tv_sec = (time_t)until};

		at.tv_nsec = (long)((until - (double)at.tv_sec) * 1e9);
		if (until > 0)
			pthread_cond_timedwait(&d->changed, &d->mutex, &at);
		else
			pthread_cond_wait(&d->changed, &d->mutex);
	}
	if (w) {
		unlink_webhook(d, w);
		worker->under_way = w;
	}
	pthread_mutex_unlock(&d->mutex);
	return w;
}

/* It is no longer being called: its address has room again. */
static void put_down(struct worker *worker)
{
	struct deliveries *d = worker->d;

	pthread_mutex_lock(&d->mutex);
	worker->under_way = NULL;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->mutex);
}

/* The address without its host, which is this machine. Of statuses that are taken only the last is worth a line. */
static void say_result(struct sandbox *s, const struct webhook *w, const char *result, const char *then)
{
	const char *host = strstr(w->url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
	bool on_the_way = strcmp(w->status, "sent") == 0 || strcmp(w->status, "delivered") == 0;

	if (on_the_way && then[0] == '\0' && s->statuses == STATUSES_READ)
		return;
	say(s, "webhook (%s%s) to %s: %s%s", w->status[0] != '\0' ? "status " : "message", w->status,
		path ? path : w->url, result, then);
}

/* Says how it went, and queues it again where it must go again. Takes w. */
static void settle(struct deliveries *d, struct webhook *w, int status, const char *answer, double took_s)
{
	double pause_s = w->tries < 7 ? (double)(1u << w->tries) : PAUSE_MAX_S;
	char result[128], then[32] = "; given up";
	bool again = status != 200 && ++w->tries < TRIES_MAX;

	if (status == 200)
		(void)snprintf(result, sizeof(result), "200 in %.0f ms", took_s * 1000);
	else if (status != 0)
		(void)snprintf(result, sizeof(result), "it answered %d", status);
	else
		(void)snprintf(result, sizeof(result), "not reached (%s)", answer);
	if (again)
		(void)snprintf(then, sizeof(then), "; again in %.0f s", pause_s);
	say_result(d->s, w, result, status == 200 ? "" : then);
	if (w->wamid[0] != '\0' && w->status[0] == '\0')
		phone_webhook_went(d->s, w->wamid, status == 200, again, result);
	if (again)
		deliver_later(d->s, w, pause_s);
	else
		webhook_free(w);
}

static void *run(void *arg)
{
	struct worker *worker = arg;
	struct deliveries *d = worker->d;
	CURL *curl = curl_easy_init();
	struct webhook *w;

	while (curl && (w = take(worker))) {
		double began = now_s();
		char *answer = NULL;
		int status = 0;

		if (w->status[0] != '\0' && w->tries == 0)
			phone_state(d->s, w->wamid, w->status, w->note[0] != '\0' ? w->note : NULL);
		if (w->url)
			status = call(d->s, curl, w->url, w->body, w->headers, &answer);
		put_down(worker);
		if (w->url)
			settle(d, w, status, answer ? answer : "", now_s() - began);
		else
			webhook_free(w);
		free(answer);
	}
	curl_easy_cleanup(curl);
	return NULL;
}

bool deliveries_start(struct sandbox *s)
{
	struct deliveries *d = calloc(1, sizeof(*d));

	if (!d || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(d);
		return false;
	}
	d->s = s;
	pthread_mutex_init(&d->mutex, NULL);
	pthread_cond_init(&d->changed, NULL);
	s->deliveries = d;
	while (d->running < THREADS) {
		struct worker *worker = &d->workers[d->running];

		worker->d = d;
		if (pthread_create(&worker->thread, NULL, run, worker) != 0)
			break;
		d->running++;
	}
	return d->running == THREADS;
}

void deliveries_stop(struct sandbox *s)
{
	struct deliveries *d = s->deliveries;

	if (!d)
		return;
	pthread_mutex_lock(&d->mutex);
	d->closing = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->mutex);
	while (d->running > 0)
		pthread_join(d->workers[--d->running].thread, NULL);
	while (d->first) {
		struct webhook *w = d->first;

		unlink_webhook(d, w);
		webhook_free(w);
	}
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->mutex);
	free(d);
	s->deliveries = NULL;
	curl_global_cleanup();
}
