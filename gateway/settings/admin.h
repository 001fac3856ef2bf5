/*
 * What the operator's pages share. They look at all businesses, and show neither what a
 * message says nor whom it is to.
 *
 * Internal to gateway/settings.
 */
#ifndef KEYHOUSE_SETTINGS_ADMIN_H
#define KEYHOUSE_SETTINGS_ADMIN_H

#include "gateway/settings/internal.h"

#define ADMIN_IDLE_MS (INT64_C(3600) * 1000)

extern const struct route admin_routes[];
extern const size_t admin_routes_len;

/* Finds the operator's session; else sends the visitor to the sign-in. False after it was answered. */
bool admin_session_find(struct visit *v);
/* Forgets the session, and makes the browser forget it with the answer. */
void admin_session_drop(struct visit *v);

/* States in words. */
const char *admin_business_words(enum store_business_status status);
const char *admin_connection_words(enum store_connection_status status);
const char *admin_message_words(enum store_message_state state);
/* A box with what ?done= says was done, where it says so. */
void admin_done(struct visit *v);
/* Whether a recovery kit was made of the master key in use, and what it means that none was. */
void admin_kit_write(struct visit *v);
/* Boxes that say what is amiss with the audit, where something is. */
void admin_audit_note(struct visit *v, const struct store_audit_state *state);
/* A line about refused calls, with a link to their page. */
void admin_refused_note(struct visit *v);
/* The virtual keys of a business, under a heading, and a form that makes one. */
void admin_virtual_keys_write(struct visit *v, const char *business_id);
/* <a> to a business's page. */
void admin_business_link(struct visit *v, const char *id, const char *name);
/* The business that was asked for. False after it was answered. */
bool admin_business_find(struct visit *v, const char *id, struct store_business *b);
/* Back to its page, which says what was done: a name that admin_done knows. */
void admin_business_back(struct visit *v, const struct store_business *b, const char *done);
/* A form about the business; the caller writes what it asks, and closes it. */
void admin_business_form(struct visit *v, const char *name, const char *business_id);

/* A table that is shown page by page. Ask the store for ADMIN_PAGE + 1 rows. */
#define ADMIN_PAGE 50u
struct admin_table {
	struct visit *v;
	const char *page; /* its name */
	const char *filter; /* what else the query says, "name=value"; NULL: nothing */
	const char *cursor; /* the query parameter with the id of the last row seen */
	const char *head; /* <table> with caption and headings, written before the first row */
	char after[STORE_BUSINESS_ID_LEN + 1], last[STORE_BUSINESS_ID_LEN + 1];
	unsigned rows;
	bool more;
};
/* The cursor of this visit; NULL: the first page. */
const char *admin_table_after(struct admin_table *t);
/* Whether the row with this id still goes on the page; begins the table. */
bool admin_table_takes(struct admin_table *t, const char *id);
/* Ends the table, with links to newer and older rows; empty is said where there was no row at all. */
void admin_table_end(struct admin_table *t, const char *empty);

/* ------------------------------------------------------------ the pages */

void admin_sign_in_get(struct visit *v);
void admin_sign_in_post(struct visit *v);
void admin_sign_out_post(struct visit *v);
void admin_overview_get(struct visit *v);
void admin_find_get(struct visit *v);
void admin_business_get(struct visit *v);
void admin_link_post(struct visit *v);
void admin_end_link_post(struct visit *v);
void admin_replay_post(struct visit *v);
void admin_suspend_post(struct visit *v);
void admin_resume_post(struct visit *v);
void admin_letters_get(struct visit *v);
void admin_send_again_post(struct visit *v);
void admin_discard_post(struct visit *v);
void admin_quarantine_get(struct visit *v);
void admin_refused_get(struct visit *v);
void admin_keys_get(struct visit *v);
void admin_audit_get(struct visit *v);
void admin_revoke_token_post(struct visit *v);
void admin_make_key_post(struct visit *v);
void admin_revoke_key_post(struct visit *v);
void admin_end_session_post(struct visit *v);

#endif
