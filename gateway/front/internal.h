/*
 * What the front's files share: a call on its way. Internal to gateway/front.
 */
#ifndef KEYHOUSE_FRONT_INTERNAL_H
#define KEYHOUSE_FRONT_INTERNAL_H

#include <stdatomic.h>

#include "gateway/front/front.h"
#include "gateway/front/meters.h"

struct cJSON;

struct front {
	struct tenants *tenants;
	struct store *store;
	struct outbound *outbound;
	struct virtual_keys *keys;
	char *public_url; /* without a final slash */
	atomic_ulong calls, refused, limited;
	struct meters *meters;
	struct waiting *waiting, *streaming; /* calls for whose answer a worker waits, of which some move files */
};

enum shape { SHAPE_GRAPH = 1, SHAPE_D360 };

enum what {
	WHAT_MESSAGES = 1,
	WHAT_UPLOAD,
	WHAT_NODE, /* a number, or media */
	WHAT_DOWNLOAD, /* of a media URL as the provider made it */
	WHAT_LINK, /* of one that we made */
	WHAT_NUMBERS,
	WHAT_TEMPLATES,
	WHAT_CONFIG_TEMPLATES, /* 360dialog's own form of them */
	WHAT_CONFIG_TEMPLATE, /* one of these, by its name */
	WHAT_PROFILE,
	WHAT_HEALTH,
	WHAT_DEBUG_TOKEN,
};

#define VERSION_ROOM 9u /* "v123.123" */
#define QUERY_MAX 4096u

struct call {
	struct front *front;
	struct http_request *req;
	const char *method, *path, *query; /* the request's; query may be NULL */
	const char *at; /* the path without a second slash at its beginning: what it asks for */
	enum shape shape;
	enum what what;
	char version[VERSION_ROOM]; /* "": the path names none */
	char id[STORE_PROVIDER_ID_LEN + 1]; /* the path's number, account or object; "": it names none */
	const char *name; /* the path's template; NULL: it names none */
	struct virtual_key_call key; /* what was presented, and for what */
	char presented[256]; /* the key's text; wiped at the end */
	struct virtual_key_verdict who;
	struct store_connection connection; /* by which the call goes */
	bool any_number; /* it may be another of the key's: the call does not say which */
	char sent_query[QUERY_MAX + 1]; /* the client's, without what is ours alone */
};

/* ------------------------------------------------------------ answers (answer.c) */

/* What we refuse ourselves: in the shape of the call, with Meta's code (facts/meta.md 3). details: plain sentences, never of
 * a secret. */
struct refusal {
	int http, code, subcode; /* subcode 0: none */
	bool transient; /* the same call may work later */
	int64_t retry_after_ms; /* 0: not said */
	const char *details;
	const char *message; /* in Meta's own words; NULL: the code and its title */
};
void answer_refusal(struct call *c, const struct refusal *r);
/* By the table of why a key is refused. */
void answer_refused_key(struct call *c);
/* An id that is not the caller's, or of nobody: the two are told alike. */
void answer_no_such(struct call *c);
/* A path, or a method on it, of no call that there is. */
void answer_no_call(struct call *c);
/* A path whose first part is a version of another form than v{N}.{M}. */
void answer_no_version(struct call *c);
void answer_unavailable(struct call *c, const char *details);
/* JSON of our own, which is freed. NULL: memory was short. */
void answer_json(struct call *c, int http, struct cJSON *tree);
/* The provider's body as it came. */
void answer_bytes(struct call *c, int http, const char *type, const struct http_header *more, size_t more_len,
	const void *body, size_t len);
/* What every answer of the front has among its headers; returns how many. */
#define ANSWER_HEADERS 5u
size_t answer_headers(struct http_header out[static ANSWER_HEADERS], const char *by);
/* Which provider's words an answer's are: a header for who wonders. */
const char *answer_by(const struct call *c);

/* ------------------------------------------------------------ what calls do */

void messages_post(struct call *c); /* messages.c */
void through(struct call *c); /* through.c: all that is passed through */
void media_link_open(struct call *c); /* media.c */
void debug_token(struct call *c); /* token.c */
void numbers_list(struct call *c); /* token.c: for a provider that has no such list */

/* front.c. The query (NULL: none) without the parameters that say who asks: they are ours to know, and never go on. False:
 * what is left does not fit. */
bool query_without_ours(const char *query, char *out, size_t room);

/* front.c. A worker's place while it waits for the provider. False: answered. */
bool call_enter(struct call *c);
void call_leave(struct call *c);

/* through.c. A POST of messages that is no message, with this body. */
void passage_body(struct call *c, const struct cJSON *body);
/* through.c. One call of the kind, its answer as it came but for the addresses in it. */
struct passage {
	enum outbound_kind kind;
	const char *object_id, *path, *query;
	const char *method; /* NULL: the call's */
	bool *there; /* set: nothing is answered where the answer is a good one, and it becomes true */
	bool *missed; /* set: nothing is answered where it is not, and it becomes true */
	bool is_media; /* a good answer describes media, by a URL that is to lead here; nothing else is shown */
	bool is_numbers; /* it lists numbers, of which only the key's are shown */
};
void passage_run(struct call *c, const struct passage *p);

#define MEDIA_LINK_PREFIX "/media-link/"
/* media.c. The provider's media URL, as one of ours that needs no key and lives for some minutes. Owns: caller frees. NULL:
 * it is none, or memory is short. */
char *media_link_make(struct call *c, const char *url);

/* front.c. Some connection of the business by which this account may be asked, or of this number; with "" its only one.
 * False: it has no such, and nothing is answered yet. */
bool connection_by_number(struct call *c, const char *number);
bool connection_by_account(struct call *c, const char *waba_id);
bool connection_only(struct call *c);
/* Whether the key may use it now. */
bool connection_usable(const struct call *c, const struct store_connection *s);
bool connection_of_account(const struct store_connection *s, const char *waba_id);
/* The n-th of those that the key may use. */
bool connection_nth(struct call *c, size_t n);
bool is_d360(const struct call *c);

#endif
