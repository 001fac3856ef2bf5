/*
 * Which number a message leaves by: the one that ?from= names, else the one on which the
 * conversation last happened, else the only one. Two connections, one of each provider,
 * may share a number: the conversation's goes before the other.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/api/internal.h"
#include "gateway/api/problem.h"
#include "gateway/http/http.h"

#define FROM_LEN (STORE_PROVIDER_ID_LEN + 1u)

struct candidate {
	char id[STORE_ID_LEN + 1];
	char number[STORE_PROVIDER_ID_LEN + 1]; /* "": not known yet */
	bool repeats; /* another before it has the same number */
	bool suspended;
};

struct choice {
	struct candidate all[TENANT_CONNECTIONS_MAX];
	size_t len, numbers; /* numbers: different ones */
	const char *only; /* one of them */
};

static bool take(const struct store_connection *s, void *arg)
{
	struct choice *choice = arg;
	struct candidate *one = &choice->all[choice->len];

	(void)snprintf(one->id, sizeof(one->id), "%s", s->id);
	(void)snprintf(one->number, sizeof(one->number), "%s", s->phone_number_id);
	one->suspended = s->status == STORE_CONNECTION_SUSPENDED;
	for (size_t i = 0; i < choice->len; i++)
		one->repeats = one->repeats || strcmp(choice->all[i].number, one->number) == 0;
	if (one->number[0] != '\0' && !one->repeats) {
		choice->numbers++;
		choice->only = one->number;
	}
	return ++choice->len < TENANT_CONNECTIONS_MAX;
}

/* Where this customer's conversation last happened, on the number from or (from "") on any. place->turn 0: nowhere.
 * False after the problem was answered. */
static bool last_place(struct call *c, const struct choice *choice, const char *from, struct store_place *place)
{
	char customer[OUTBOUND_CUSTOMER_MAX + 1];
	uint8_t conversation[STORE_INDEX_LEN];
	enum tenant_error tenant = TENANT_OK;
	enum store_error err = STORE_OK;

	*place = (struct store_place){.turn = 0};
	if (!outbound_message_customer((const char *)c->req->body, c->req->body_len, customer)) {
		vault_wipe(customer, sizeof(customer));
		return true;
	}
	for (size_t i = 0; i < choice->len && tenant == TENANT_OK && err == STORE_OK; i++) {
		const struct candidate *one = &choice->all[i];
		struct store_place found;

		if (one->number[0] == '\0' || one->repeats || (from[0] != '\0' && strcmp(one->number, from) != 0))
			continue;
		tenant = tenant_conversation(c->api->tenants, c->business.id, one->number, customer, conversation);
		if (tenant != TENANT_OK)
			break;
		err = store_conversation_last(c->api->store, c->business.id, conversation, &found);
		if (err == STORE_OK && found.turn > place->turn)
			*place = found;
		if (err == STORE_NOT_FOUND)
			err = STORE_OK;
	}
	vault_wipe(customer, sizeof(customer));
	if (tenant != TENANT_OK)
		problem_tenant(c, tenant);
	else if (err != STORE_OK)
		problem_store(c, err);
	return tenant == TENANT_OK && err == STORE_OK;
}

static bool use(struct store_message *m, const char *connection_id, const char *number)
{
	(void)snprintf(m->connection_id, sizeof(m->connection_id), "%s", connection_id);
	(void)snprintf(m->number, sizeof(m->number), "%s", number);
	return true;
}

static bool use_number(struct call *c, const char *number, struct store_message *m)
{
	struct store_connection s;
	enum store_error err = store_connection_by_number(c->api->store, c->business.id, 0, number, &s);

	if (err == STORE_NOT_FOUND)
		problem(c->res, PROBLEM_NOT_FOUND, "from", "this business has no such number");
	else if (err != STORE_OK)
		problem_store(c, err);
	else if (s.status == STORE_CONNECTION_SUSPENDED)
		problem(c->res, PROBLEM_CONFLICT, NULL, "the number's connection is suspended");
	else
		return use(m, s.id, number);
	return false;
}

/* The parameter, or "" where it is absent. False after the problem was answered. */
static bool read_from(struct call *c, char from[static FROM_LEN])
{
	size_t len;

	from[0] = '\0';
	if (http_query_get(c->req->query, "from", from, FROM_LEN) == HTTP_NO_SUCH_PARAM)
		return true;
	len = strlen(from);
	if (len > 0 && len <= STORE_PROVIDER_ID_LEN && strspn(from, "0123456789") == len)
		return true;
	problem(c->res, PROBLEM_NOT_FOUND, "from", "this business has no such number");
	return false;
}

bool number_choose(struct call *c, struct store_message *m)
{
	const struct store_page page = {.limit = TENANT_CONNECTIONS_MAX};
	struct choice choice = {.len = 0};
	struct store_place place;
	char from[FROM_LEN];
	enum store_error err;

	if (!read_from(c, from))
		return false;
	err = store_connection_list(c->api->store, c->business.id, &page, take, &choice);
	if (err != STORE_OK) {
		problem_store(c, err);
		return false;
	}
	if (!last_place(c, &choice, from, &place))
		return false;
	for (size_t i = 0; i < choice.len && place.turn > 0; i++)
		if (strcmp(choice.all[i].id, place.connection_id) == 0 &&
			strcmp(choice.all[i].number, place.number) == 0 && !choice.all[i].suspended)
			return use(m, place.connection_id, place.number);
	if (from[0] != '\0' || place.turn > 0)
		return use_number(c, from[0] != '\0' ? from : place.number, m);
	if (choice.numbers == 1)
		return use_number(c, choice.only, m);
	problem(c->res, PROBLEM_NUMBER_REQUIRED, "from",
		choice.len == 0		      ? "no number is connected: add a connection first"
			: choice.numbers == 0 ? "the connection's number is not known yet: test the connection first"
					      : NULL);
	return false;
}
