/*
 * Messages: what came in and went out, newest first, in words that say what became of
 * it and what to do. Content is opened row by row and shown as text.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/content.h"
#include "gateway/json.h"
#include "gateway/resend.h"
#include "gateway/settings/internal.h"

#define PAGE_ROWS 50u
#define TEXT_SHOWN 200u /* characters */
#define SEARCHED_MAX 1000u
#define FOUND_MAX 50u
#define WORDS_MAX 100u /* bytes of what is searched for */
/* WhatsApp's messages have some thousand characters. What a shop signs itself may have millions: it is not opened here. */
#define OPENED_MAX (64u * 1024u)

/* ------------------------------------------------------------ words */

static const struct {
	enum store_message_state state;
	const char *name, *text;
} states[] = {
	{STORE_MESSAGE_RECEIVED, "received", "Received"},
	{STORE_MESSAGE_QUEUED, "queued", "Waiting to be sent"},
	{STORE_MESSAGE_SENDING, "sending", "Being sent"},
	{STORE_MESSAGE_RETRY, "retry", "Will be tried again"},
	{STORE_MESSAGE_SENT, "sent", "Sent"},
	{STORE_MESSAGE_DELIVERED, "delivered", "Delivered"},
	{STORE_MESSAGE_READ, "read", "Read"},
	{STORE_MESSAGE_FAILED, "failed", "Not delivered"},
	{STORE_MESSAGE_DEAD, "dead", "Not sent"},
	{STORE_MESSAGE_UNKNOWN, "unknown", "Not known whether it arrived"},
};

static const struct {
	enum store_direction direction;
	const char *name, *text;
} directions[] = {{STORE_INBOUND, "in", "From customers"}, {STORE_OUTBOUND, "out", "To customers"}};

/* What Meta calls the kinds of messages, but for text. */
static const struct {
	const char *type, *text;
} types[] = {{"image", "Picture"}, {"video", "Video"}, {"audio", "Voice or sound"}, {"document", "Document"},
	{"sticker", "Sticker"}, {"location", "Place on the map"}, {"contacts", "Contact"},
	{"interactive", "With buttons"}, {"button", "Button pressed"}, {"template", "Template"},
	{"reaction", "Reaction"}, {"order", "Order"}, {"edit", "Changed to"}, {"revoke", "Deleted an earlier message"},
	{"system", "Note from WhatsApp"}, {"request_welcome", "Opened the chat for the first time"},
	{"unsupported", "Something that WhatsApp does not hand on"}};

/* Why a message came to nothing, and what to do. */
static const struct {
	enum outbound_class class;
	const char *why, *todo;
} classes[] = {
	{OUTBOUND_NOT_SENT, "WhatsApp could not be reached.", "Send it again in a few minutes."},
	{OUTBOUND_RETRYABLE, "WhatsApp could not take it at that time.", "Send it again in a few minutes."},
	{OUTBOUND_RATE_LIMITED, "Too many messages went out in a short time.", "Wait an hour, then send it again."},
	{OUTBOUND_AUTH, "The key of your number was refused.",
		"Where Status says that the key is refused, enter a new one under Keys and access. Then send it "
		"again."},
	{OUTBOUND_ACCOUNT, "WhatsApp wants something done about your account first, often about its payment.",
		"Look into your WhatsApp Manager or 360dialog Hub, then send it again."},
	{OUTBOUND_MESSAGE, "WhatsApp did not accept what is in this message.",
		"Sending the same again will not help. Tell whoever runs your shop's system what WhatsApp says."},
	{OUTBOUND_RECIPIENT, "This customer cannot be reached on WhatsApp.",
		"Check the number, or reach the customer another way."},
	{OUTBOUND_WINDOW, "More than 24 hours had passed since this customer last wrote to you.",
		"WhatsApp lets you answer for 24 hours. Wait until the customer writes again, then send it again."},
};

/* NULL: not known here. */
static const char *type_text(const char *type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].text;
	return NULL;
}

static void put_state(struct html *h, enum store_message_state state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (states[i].state == state)
			html_raw(h, states[i].text);
}

/* ------------------------------------------------------------ one message */

/* NULL: not kept, too long, or it cannot be opened. */
static cJSON *opened(struct visit *v, const struct store_message *m)
{
	return m->content_len <= OPENED_MAX ? content_open(v->s->tenants, m) : NULL;
}

static void put_who(struct html *h, const struct store_message *m, const cJSON *content)
{
	const char *name = m->direction == STORE_INBOUND ? content_name(content) : NULL;
	char customer[CONTENT_CUSTOMER_MAX + 1];

	content_customer(content, m->direction, customer);
	html_raw(h, m->direction == STORE_INBOUND ? "From " : "To ");
	if (name != NULL)
		html_put(h, "<bdi>%s</bdi>, ", name);
	html_put(h, "<bdi>%s</bdi>", customer[0] != '\0' ? customer : "a customer");
	vault_wipe(customer, sizeof(customer));
}

/* The first characters of a text. */
static void put_cut(struct html *h, const char *text)
{
	char shown[TEXT_SHOWN * 4 + 1];
	size_t len = 0, characters = 0;

	for (; text[len] != '\0'; len++) {
		if (((unsigned char)text[len] & 0xc0) != 0x80 && characters++ == TEXT_SHOWN)
			break;
		if (len == sizeof(shown) - 1)
			break;
		shown[len] = text[len];
	}
	shown[len] = '\0';
	html_put(h, "<bdi>%s</bdi>%s", shown, text[len] != '\0' ? " ..." : "");
	vault_wipe(shown, sizeof(shown));
}

static void put_type(struct html *h, const struct store_message *m, const char *after)
{
	const char *text = m->relation == STORE_UNREACTS ? "Took a reaction back" : type_text(m->type);

	if (text != NULL)
		html_put(h, "<span class=\"soft\">%s%s</span>", text, after);
	else
		html_put(h, "<span class=\"soft\">Something new (<bdi>%s</bdi>)%s</span>",
			m->type[0] != '\0' ? m->type : "it does not say what", after);
}

static void put_said(struct html *h, const struct store_message *m, const cJSON *content, const struct store_ties *ties)
{
	const char *text = content_text(content, m->direction);

	html_raw(h, "<p class=\"said\">");
	if (ties->revoked_at > 0) {
		html_put(h, "<span class=\"soft\">%s</span></p>",
			m->direction == STORE_INBOUND ? "The customer deleted this message."
						      : "This message was deleted.");
		return;
	}
	if (strcmp(m->type, "text") != 0)
		put_type(h, m, text != NULL ? ": " : "");
	if (text != NULL)
		put_cut(h, text);
	else if (m->content_len == 0)
		html_raw(h, " <span class=\"soft\">What it said is not kept any more.</span>");
	else if (m->content_len > OPENED_MAX)
		html_raw(h, " <span class=\"soft\">It is too long to be shown here.</span>");
	else if (content == NULL)
		html_raw(h, " <span class=\"soft\">What it said cannot be opened.</span>");
	if (ties->edited_at > 0)
		html_raw(h, " <span class=\"soft\">(changed later)</span>");
	html_raw(h, "</p>");
}

static void put_reason(struct html *h, const struct store_message *m)
{
	enum outbound_class class;

	if (outbound_code_class(m->error_code, &class))
		for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
			if (classes[i].class == class)
				html_put(h, "<p>%s %s</p>", classes[i].why, classes[i].todo);
	if (m->reason[0] != '\0')
		html_put(h, "<p class=\"small soft\">%s <bdi>%s</bdi></p>",
			m->error_code != 0 ? "WhatsApp says:" : "Noted:", m->reason);
}

static void put_trouble(struct visit *v, const struct store_message *m)
{
	const unsigned bit = STORE_STATE_BIT(m->state);

	if (resend_is_restored(m))
		html_raw(&v->out,
			"<p>It waited to be sent when the backup was made from which this service was restored. It may "
			"have "
			"been sent since: look into the chat. If it is sent again, it may arrive twice.</p>");
	else if (m->state == STORE_MESSAGE_UNKNOWN)
		html_raw(&v->out,
			"<p>The connection broke while it was being sent, so it may have arrived. That is why it is "
			"not sent again. Look into the chat, or ask the customer.</p>");
	else if ((bit & (STORE_STATES_FAILED | STORE_STATE_BIT(STORE_MESSAGE_RETRY))) != 0)
		put_reason(&v->out, m);
	if (!resend_offered(m, store_now_ms()))
		return;
	layout_form(v, "messages");
	html_put(&v->out,
		"<input type=\"hidden\" name=\"id\" value=\"%s\">"
		"<button class=\"quiet\" name=\"do\" value=\"again\" data-busy=\"Sending...\">Send it "
		"again</button></form>",
		m->id);
}

/* Where somebody else writes to this customer. */
static void put_handler(struct visit *v, const struct store_message *m)
{
	bool held;

	if (!m->standby || store_conversation_held(v->s->store, v->business.id, m->conversation, &held) != STORE_OK)
		return;
	html_raw(&v->out,
		held ? "<p class=\"small soft\">Read only: another assistant answers this customer. A reply from "
		       "here takes the conversation over.</p>"
		     : "<p class=\"small soft\">Another assistant had this conversation then.</p>");
}

static void put_message(struct visit *v, const struct store_message *m, const cJSON *content)
{
	struct store_ties ties;
	const bool bad = (STORE_STATE_BIT(m->state) & STORE_STATES_FAILED) != 0 || m->state == STORE_MESSAGE_UNKNOWN;

	html_put(&v->out, "<li class=\"card %s\"><p class=\"small soft\">",
		m->direction == STORE_INBOUND ? "in" : "out");
	put_who(&v->out, m, content);
	html_raw(&v->out, " · ");
	html_time(&v->out, m->created_at);
	html_raw(&v->out, "</p>");
	if (store_message_ties(v->s->store, m, &ties) != STORE_OK)
		ties = (struct store_ties){.revoked_at = 1}; /* it may have been deleted */
	put_said(&v->out, m, content, &ties);
	put_handler(v, m);
	if (m->direction == STORE_OUTBOUND) {
		html_put(&v->out, "<p class=\"%s\"><span class=\"how\">", bad ? "bad" : "soft small");
		put_state(&v->out, m->state);
		if (m->played_at > 0)
			html_raw(&v->out, ", listened to");
		if (m->echo)
			html_raw(&v->out, m->standby ? " · by another assistant" : " · written in the WhatsApp app");
		html_raw(&v->out, "</span></p>");
		put_trouble(v, m);
	}
	html_raw(&v->out, "</li>");
}

/* ------------------------------------------------------------ the page's head */

struct filter {
	char direction[16], state[16]; /* as the address names them; "": all */
	struct store_message_filter store;
};

static void read_filter(const struct visit *v, struct filter *f)
{
	*f = (struct filter){.store = {0}};
	if (!visit_query(v, "direction", f->direction, sizeof(f->direction)))
		f->direction[0] = '\0';
	if (!visit_query(v, "state", f->state, sizeof(f->state)))
		f->state[0] = '\0';
	for (size_t i = 0; i < sizeof(directions) / sizeof(directions[0]); i++)
		if (strcmp(directions[i].name, f->direction) == 0)
			f->store.direction = directions[i].direction;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(states[i].name, f->state) == 0)
			f->store.state = states[i].state;
}

static void put_option(struct html *h, const char *name, const char *text, bool chosen)
{
	html_put(h, "<option value=\"%s\"%s>%s</option>", name, chosen ? " selected" : "", text);
}

static void put_filter(struct html *h, const struct filter *f)
{
	html_raw(h,
		"<form method=\"get\" action=\"messages\" class=\"choose\"><p><label for=\"direction\">Show</label>"
		"<select id=\"direction\" name=\"direction\">");
	put_option(h, "", "All messages", false);
	for (size_t i = 0; i < sizeof(directions) / sizeof(directions[0]); i++)
		put_option(h, directions[i].name, directions[i].text, directions[i].direction == f->store.direction);
	html_raw(h,
		"</select></p><p><label for=\"state\">What became of them</label><select id=\"state\" name=\"state\">");
	put_option(h, "", "Anything", false);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		put_option(h, states[i].name, states[i].text, states[i].state == f->store.state);
	html_raw(h, "</select></p><p><button class=\"quiet\">Show</button></p></form>");
}

/* By POST: what customers wrote, and their numbers, belong into no address, where proxies and browsers keep them. */
static void put_search(struct visit *v, const char *words)
{
	layout_form(v, "messages");
	html_put(&v->out,
		"<div class=\"choose\"><p><label for=\"words\">Search the newest 1,000 messages</label>"
		"<input type=\"search\" id=\"words\" name=\"words\" maxlength=\"%u\" value=\"%s\" "
		"autocomplete=\"off\"></p>"
		"<p><button class=\"quiet\" name=\"do\" value=\"search\">Search</button></p></div></form>",
		WORDS_MAX, words);
}

#define NOT_OFFERED                                                                                                    \
	{                                                                                                              \
		"not", "bad", "This message cannot be sent again any more. Write a new one."                           \
	}
static const struct layout_result results[RESEND_RESULTS + 1] = {
	[RESEND_DONE - 1] = {"again", "ok", "It is being sent again, as a new message at the top of the list."},
	[RESEND_ALREADY - 1] = {"already", "info", "This message was sent again before. Look for the newer one."},
	[RESEND_NOT_OFFERED - 1] = NOT_OFFERED,
	[RESEND_MAYBE_ARRIVED - 1] = NOT_OFFERED,
	[RESEND_GONE - 1] = NOT_OFFERED,
	[RESEND_PAUSED - 1] = NOT_OFFERED,
	[RESEND_NO_SUCH - 1] = NOT_OFFERED,
	[RESEND_NO_NUMBER - 1] = {"number", "bad",
		"The number that it was sent from is not connected any more. Connect it first."},
	[RESEND_WINDOW_CLOSED - 1] = {"window", "bad",
		"The customer wrote more than 24 hours ago: WhatsApp takes only templates now. Nothing was sent."},
	[RESEND_FAILED - 1] = {"later", "bad", "That did not work just now. Nothing was sent. Try again in a moment."},
};

/* ------------------------------------------------------------ the list */

struct listing {
	struct visit *v;
	unsigned shown;
	bool more;
	char last[STORE_ID_LEN + 1];
};

static bool list_one(const struct store_message *m, void *arg)
{
	struct listing *l = arg;
	cJSON *content;

	if (l->shown == PAGE_ROWS) {
		l->more = true;
		return false;
	}
	if (l->shown++ == 0)
		html_raw(&l->v->out, "<ul class=\"log\">");
	content = opened(l->v, m);
	put_message(l->v, m, content);
	cJSON_Delete(content);
	(void)snprintf(l->last, sizeof(l->last), "%s", m->id);
	return true;
}

static void say_none(struct visit *v, const struct filter *f, bool later)
{
	if (later)
		html_raw(&v->out, "<p>There are no older ones.</p>");
	else if (f->store.direction != 0 || f->store.state != 0)
		html_raw(&v->out, "<p>There is no such message.</p>");
	else
		html_raw(&v->out,
			"<div class=\"card\"><h2>No messages yet</h2><p>As soon as a customer writes to your number, "
			"the message is here, with its answer and whether that arrived.</p></div>");
}

void messages_page_get(struct visit *v)
{
	char after[STORE_ID_LEN + 1], first[64], next[128];
	const bool later = visit_query(v, "after", after, sizeof(after));
	const struct store_page rows = {.after = later ? after : NULL, .limit = PAGE_ROWS + 1};
	struct listing l = {.v = v};
	struct filter f;
	enum store_error err;

	read_filter(v, &f);
	layout_begin(v, "messages", "Messages", NULL);
	layout_done(v, results);
	put_filter(&v->out, &f);
	put_search(v, "");
	err = store_message_list(v->s->store, v->business.id, &f.store, &rows, list_one, &l);
	if (later && (err == STORE_NOT_FOUND || err == STORE_INVALID)) {
		html_clear(&v->out);
		visit_redirect(v, "messages");
		return;
	}
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	if (l.shown > 0)
		html_raw(&v->out, "</ul>");
	else
		say_none(v, &f, later);
	(void)snprintf(first, sizeof(first), "messages?direction=%s&state=%s", f.direction, f.state);
	(void)snprintf(next, sizeof(next), "%s&after=%s", first, l.last);
	layout_pages(v, later ? first : NULL, l.more ? next : NULL);
	layout_end(v);
	visit_send(v, 200);
}

/* ------------------------------------------------------------ searching */

struct search {
	struct visit *v;
	const char *words;
	unsigned searched, found;
	char last[STORE_ID_LEN + 1];
	char ids[FOUND_MAX][STORE_ID_LEN + 1];
};

/* By what a deleted message said it is not found. */
static bool is_deleted(struct visit *v, const struct store_message *m)
{
	struct store_ties ties;

	return store_message_ties(v->s->store, m, &ties) != STORE_OK || ties.revoked_at > 0;
}

static bool matches(struct visit *v, const struct store_message *m, const cJSON *content, const char *words)
{
	const char *text = content_text(content, m->direction), *name = content_name(content);
	char customer[CONTENT_CUSTOMER_MAX + 1];
	bool found;

	content_customer(content, m->direction, customer);
	found = (text != NULL && strcasestr(text, words) != NULL && !is_deleted(v, m)) ||
		(name != NULL && strcasestr(name, words) != NULL) || strcasestr(customer, words) != NULL;
	vault_wipe(customer, sizeof(customer));
	return found;
}

static bool search_one(const struct store_message *m, void *arg)
{
	struct search *s = arg;
	cJSON *content = opened(s->v, m);

	if (content != NULL && matches(s->v, m, content, s->words))
		(void)snprintf(s->ids[s->found++], sizeof(s->ids[0]), "%s", m->id);
	cJSON_Delete(content);
	s->searched++;
	(void)snprintf(s->last, sizeof(s->last), "%s", m->id);
	return s->found < FOUND_MAX;
}

static enum store_error search_all(struct search *s)
{
	struct store_page rows = {.limit = STORE_LIST_MAX};
	enum store_error err = STORE_OK;
	unsigned before = 0;

	do {
		before = s->searched;
		err = store_message_list(s->v->s->store, s->v->business.id, NULL, &rows, search_one, s);
		rows.after = s->last;
	} while (err == STORE_OK && s->searched - before == STORE_LIST_MAX && s->searched < SEARCHED_MAX);
	return err;
}

static enum store_error put_found(struct search *s)
{
	struct listing l = {.v = s->v};
	enum store_error err = STORE_OK;

	for (unsigned i = 0; i < s->found && err == STORE_OK; i++)
		err = store_message_get(s->v->s->store, s->v->business.id, s->ids[i], list_one, &l);
	if (l.shown > 0)
		html_raw(&s->v->out, "</ul>");
	return err;
}

static void search(struct visit *v, const char *words)
{
	struct search s = {.v = v, .words = words};
	enum store_error err = search_all(&s);

	layout_begin(v, "messages", "Messages", NULL);
	put_search(v, words);
	layout_note(v, "info");
	html_put(&v->out, "%u found. Looked through %s%u messages, back from the newest.", s.found,
		s.found == FOUND_MAX ? "so far " : "", s.searched);
	layout_note_end(v);
	if (err == STORE_OK)
		err = put_found(&s);
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	html_raw(&v->out, "<p class=\"row\"><a class=\"button quiet\" href=\"messages\">All messages</a></p>");
	layout_end(v);
	visit_send(v, 200);
}

/* ------------------------------------------------------------ forms */

static void send_again(struct visit *v)
{
	struct resend r = {
		.tenants = v->s->tenants, .outbound = v->s->outbound, .business = &v->business, .owner = true};
	enum resend_result result = resend_make(&r, visit_field(v, "id"));
	char name[32];

	if (result == RESEND_DONE)
		result = resend_queue(&r, NULL);
	resend_clear(&r);
	(void)snprintf(name, sizeof(name), "messages?done=%s", results[result - 1].name);
	visit_redirect(v, name);
}

void messages_page_post(struct visit *v)
{
	const char *what = visit_field(v, "do"), *words = visit_field(v, "words");

	words += strspn(words, " ");
	if (strcmp(what, "again") == 0)
		send_again(v);
	else if (words[0] != '\0' && strlen(words) <= WORDS_MAX * 4)
		search(v, words);
	else
		visit_redirect(v, "messages");
}
