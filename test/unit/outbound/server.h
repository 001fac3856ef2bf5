/* A small HTTP server on loopback whose faults are chosen by the path. */
#ifndef KEYHOUSE_TEST_SERVER_H
#define KEYHOUSE_TEST_SERVER_H

#include <stddef.h>
#include <stdint.h>

enum server_how {
	SERVER_ANSWER, /* status and body */
	SERVER_HANG, /* reads, then nothing */
	SERVER_DROP, /* reads the request, closes */
	SERVER_TRUNCATE, /* half the body that it promised */
	SERVER_HUGE, /* 100 MB */
	SERVER_LATE, /* answers after 300 ms */
	SERVER_DROP_REUSED, /* answers a connection's first request, reads and drops its second */
};

struct server_reply {
	enum server_how how;
	int status;
	const char *headers; /* whole lines, or NULL */
	const char *body;
};

/* A process that answers on a port of its own, which is returned; what it answers is one for all of a test's servers.
 * Called before the test opens anything else: the server inherits it. */
uint16_t server_start(void);
void server_reset(void);
/* number is the path's second part after a version ("/v26.0/"): a phone_number_id, or "debug_token"; else the path
 * without its first slash and its query. */
void server_set(const char *number, const struct server_reply *reply);

struct server_seen {
	unsigned requests;
	char authorization[1024]; /* of the last request */
	char path[2048];
	char head[4096]; /* all its header lines */
	char body[4096];
	size_t body_len;
	uint16_t port; /* where it came in */
	unsigned authorizations; /* how many such headers it had */
};
void server_seen(const char *number, struct server_seen *out);
/* The value of a header of the last request, "" where it has none. */
void server_header(const struct server_seen *seen, const char *name, char *out, size_t out_len);
unsigned server_connections(void);

#endif
