/*
 * The table of reasons, and the newest refused calls. See refused_calls.h.
 */
#include "gateway/refused_calls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log.h"

#define STRANGERS_MAX (REFUSED_CALLS_MAX / 2)
#define LOG_GAP_MS 1000

/* ------------------------------------------------------------ reasons */

static const struct {
	const char *code, *words;
} whys[REFUSED_WHYS] = {
	[REFUSED_NOT] = {"", ""},
	[REFUSED_NO_KEY] = {"no_key",
		"No key came with the call. Send a virtual key (khv_...) once: in the header Authorization, after the "
		"word Bearer; as ?access_token=; or in the header D360-API-KEY, to 360dialog's paths, which name "
		"neither version nor number."},
	[REFUSED_MALFORMED] = {"key_malformed",
		"What came is no virtual key: one has 47 characters and begins with khv_. Copy it again as a whole, "
		"without quotes and blanks."},
	[REFUSED_ADMIN_TOKEN] = {"key_is_admin_token",
		"An admin token (kh_...) came in place of a virtual key. It opens every shop, so take it out of this "
		"client, have a virtual key (khv_...) made for it, and revoke the token if others may have seen it."},
	[REFUSED_PROVIDERS_KEY] = {"key_is_providers",
		"A key came that was not made here; it looks like one of Meta's or 360dialog's. Use a virtual key "
		"(khv_...) in its place. The provider's key belongs into the shop's connection alone; replace it if "
		"others may have seen it."},
	[REFUSED_UNKNOWN] = {"key_unknown",
		"No virtual key is known by this text: it was mistyped, belongs to another installation, or its "
		"business was removed. Have a new one made."},
	[REFUSED_REVOKED] = {"key_revoked",
		"This virtual key was revoked. Use the one that took its place, or have a new one made."},
	[REFUSED_EXPIRED] = {"key_expired",
		"This virtual key has expired. Use the one that took its place, or have a new one made."},
	[REFUSED_SUSPENDED] = {"business_suspended",
		"The business is suspended, and with it all its virtual keys. They work again when the operator "
		"resumes it."},
	[REFUSED_SCOPE] = {"scope_not_given",
		"This virtual key was not made for such calls. Have one made that has the scope: send, media, "
		"templates "
		"or read."},
	[REFUSED_NUMBER] = {"number_not_given",
		"This virtual key has no such number or account: it was not made for that, or its business has no "
		"connection with it. Use the ids of its own connections, or have a key made that has this number."},
	[REFUSED_RATE] = {"rate_reached",
		"More calls came with this virtual key than it may make in a minute. Wait as long as Retry-After says, "
		"or have one made with a higher rate_per_minute."},
	[REFUSED_BUDGET] = {"budget_used_up",
		"This virtual key has sent as many messages as it may in a day. It goes on at midnight UTC; or have "
		"one "
		"made with a higher messages_per_day."},
};

const char *refused_code(enum refused_why why)
{
	return whys[why].code;
}

enum refused_why refused_why(const char *code)
{
	for (unsigned i = 1; i < REFUSED_WHYS; i++)
		if (strcmp(whys[i].code, code) == 0)
			return (enum refused_why)i;
	return REFUSED_NOT;
}

const char *refused_words(enum refused_why why)
{
	return whys[why].words;
}

/* ------------------------------------------------------------ paths */

/* What stands in paths of the providers' APIs beside ids. */
static bool is_word(const char *part, size_t len)
{
	static const char *const words[] = {"messages", "media", "phone_numbers", "message_templates",
		"whatsapp_business_profile", "debug_token", "v1", "configs", "templates", "webhook", "health_status",
		"whatsapp_business", "attachments", "media-link"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && memcmp(words[i], part, len) == 0)
			return true;
	return false;
}

/* "v26.0" */
static bool is_version(const char *part, size_t len)
{
	size_t digits;

	if (len < 4 || len > 6 || part[0] != 'v')
		return false;
	digits = strspn(part + 1, "0123456789");
	return (digits == 1 || digits == 2) && part[1 + digits] == '.' &&
		strspn(part + 2 + digits, "0123456789") == len - 2 - digits;
}

void refused_path(const char *path, char out[static REFUSED_PATH_LEN + 1])
{
	size_t at = 0;

	while (*path == '/' && at < REFUSED_PATH_LEN) {
		const size_t len = strcspn(++path, "/?#");
		const bool shown = len == 0 || is_word(path, len) || is_version(path, len);
		const int n = snprintf(
			out + at, REFUSED_PATH_LEN + 1 - at, "/%.*s", shown ? (int)len : 4, shown ? path : "{id}");

		at += (size_t)n;
		path += len;
	}
	out[at < REFUSED_PATH_LEN ? at : REFUSED_PATH_LEN] = '\0';
}

/* ------------------------------------------------------------ the newest */

struct refused_calls {
	pthread_mutex_t lock;
	struct refused_call calls[REFUSED_CALLS_MAX]; /* at 0: free */
	uint64_t order[REFUSED_CALLS_MAX]; /* which came later, also within a millisecond */
	uint64_t last;
	int64_t logged_at;
	uint64_t unlogged; /* since then */
};

struct refused_calls *refused_calls_new(void)
{
	struct refused_calls *r = calloc(1, sizeof(*r));

	if (r != NULL)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void refused_calls_free(struct refused_calls *r)
{
	if (r == NULL)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static bool is_stranger(const struct refused_call *c)
{
	return c->key_id[0] == '\0';
}

static bool alike(const struct refused_call *a, const struct refused_call *b)
{
	return a->why == b->why && strcmp(a->last4, b->last4) == 0 && strcmp(a->key_id, b->key_id) == 0 &&
		strcmp(a->method, b->method) == 0 && strcmp(a->path, b->path) == 0 && strcmp(a->peer, b->peer) == 0;
}

/* The place of those that are like it, else a free one, else that of the oldest: among strangers, where it is one and they
 * have their share. Under the lock. */
static size_t place_for(const struct refused_calls *r, const struct refused_call *call)
{
	size_t strangers = 0, oldest = REFUSED_CALLS_MAX, oldest_stranger = REFUSED_CALLS_MAX;

	for (size_t i = 0; i < REFUSED_CALLS_MAX; i++) {
		const struct refused_call *c = &r->calls[i];

		if (c->at != 0 && alike(c, call))
			return i;
		/* A free one's order is 0: it is the oldest. */
		if (oldest == REFUSED_CALLS_MAX || r->order[i] < r->order[oldest])
			oldest = i;
		if (c->at == 0 || !is_stranger(c))
			continue;
		strangers++;
		if (oldest_stranger == REFUSED_CALLS_MAX || r->order[i] < r->order[oldest_stranger])
			oldest_stranger = i;
	}
	return is_stranger(call) && strangers >= STRANGERS_MAX ? oldest_stranger : oldest;
}

/* Whether the log is to hear of it; *more: how many it did not hear of before. Under the lock. */
static bool log_due(struct refused_calls *r, int64_t at, uint64_t *more)
{
	if (at - r->logged_at < LOG_GAP_MS && at >= r->logged_at) {
		r->unlogged++;
		return false;
	}
	*more = r->unlogged;
	r->unlogged = 0;
	r->logged_at = at;
	return true;
}

void refused_calls_note(struct refused_calls *r, const struct refused_call *call)
{
	struct refused_call *c;
	uint64_t more = 0;
	bool due;
	size_t i;

	pthread_mutex_lock(&r->lock);
	i = place_for(r, call);
	c = &r->calls[i];
	if (c->at != 0 && alike(c, call)) {
		c->at = call->at;
		c->count++;
	} else {
		*c = *call;
		c->first_at = call->at;
		c->count = 1;
	}
	r->order[i] = ++r->last;
	due = log_due(r, call->at, &more);
	pthread_mutex_unlock(&r->lock);
	if (due)
		log_info("call refused why=%s business=%s key=%s more_before=%llu", refused_code(call->why),
			call->business_id[0] != '\0' ? call->business_id : "-",
			call->key_id[0] != '\0' ? call->key_id : "-", (unsigned long long)more);
}

size_t refused_calls_list(struct refused_calls *r, struct refused_call out[static REFUSED_CALLS_MAX])
{
	uint64_t order[REFUSED_CALLS_MAX];
	size_t len = 0;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < REFUSED_CALLS_MAX; i++) {
		size_t at = len;

		if (r->calls[i].at == 0)
			continue;
		for (; at > 0 && order[at - 1] < r->order[i]; at--) {
			out[at] = out[at - 1];
			order[at] = order[at - 1];
		}
		out[at] = r->calls[i];
		order[at] = r->order[i];
		len++;
	}
	pthread_mutex_unlock(&r->lock);
	return len;
}
