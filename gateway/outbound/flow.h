/*
 * One transfer from within: what libcurl calls while bytes go and come. For transfer.c and flow.c only.
 */
#ifndef KEYHOUSE_OUTBOUND_FLOW_H
#define KEYHOUSE_OUTBOUND_FLOW_H

#include <curl/curl.h>

#include "gateway/outbound/transfer.h"

struct transfer {
	struct transfer *next, *previous;
	struct transfers *home;
	void *owner; /* transfers_start's */
	CURL *handle;
	struct curl_slist *headers;
	char *body; /* what is asked */
	size_t body_len;
	uint64_t body_given, upload_len;
	bool has_body;
	const struct transfer_watch *watch; /* NULL: nobody follows */
	const char *const *keep; /* names of headers, keep_len of them */
	size_t keep_len;
	char *kept[TRANSFER_KEPT_MAX];
	int64_t regain_ms;
	bool began; /* the answer's head is whole */
	bool refused_body; /* and says that no more of the request's body is wanted */
	bool told; /* so was watch */
	bool streams; /* the answer's body goes to watch */
	bool waits_up, waits_down; /* for us */
	bool all_given; /* of an upload */
	unsigned slow_ms;
	bool over; /* it was too slow */
	int64_t since_ms; /* of the stretch that is looked at */
	uint64_t moved, moved_before; /* bytes, and when that stretch began */
	size_t answer_max;
	char *answer; /* what came back; NUL-terminated when it ends */
	size_t answer_len, answer_room;
	size_t headers_len;
	int64_t date, date_read_at;
	bool too_long;
	bool refused; /* an address was not connected to because it is not public */
};

struct transfers {
	CURLM *multi;
	struct transfer *all;
	int64_t looked_ms;
	bool refusals; /* some may wait with a body that nobody wants any more */
	unsigned over;
};

/* libcurl's read, write and header callbacks; arg: the transfer. */
size_t flow_give_body(char *to, size_t size, size_t count, void *arg);
size_t flow_give_upload(char *to, size_t size, size_t count, void *arg);
size_t flow_take(char *data, size_t size, size_t count, void *arg);
size_t flow_take_header(char *data, size_t size, size_t count, void *arg);

/* Tells who follows it how the answer begins, once. */
void flow_tell_head(struct transfer *x);
/* Forgets the headers that were kept. */
void flow_kept_drop(struct transfer *x);

#endif
