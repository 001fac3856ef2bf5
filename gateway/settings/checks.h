/*
 * Answers that grow while a provider is asked: a line for each check as it becomes
 * known, then what came of it; and what can be done by hand.
 *
 * Internal to gateway/settings.
 */
#ifndef KEYHOUSE_SETTINGS_CHECKS_H
#define KEYHOUSE_SETTINGS_CHECKS_H

#include "gateway/settings/internal.h"

/* Begins a page on which checks appear as they are made. Returns how to connect so that it hears of each; the caller
 * writes the list around them. */
struct connect checks_page_begin(struct visit *v, const char *title);
/* The same with the list begun, after it said whom we ask. */
struct connect checks_begin(struct visit *v, const char *title, const char *provider);
void checks_end(struct visit *v);

/* A note: what it is, why, and what to do. */
void finding_write(struct visit *v, const struct doctor_finding *f);
/* A line for each finding about this connection ("": about the shop), what stops messages first. Returns how many. */
size_t findings_write(struct visit *v, const struct doctor_report *report, const char *connection_id);

/* The form that checks everything. */
void doctor_button(struct visit *v, const char *text, const char *class);
/* All of them, with a heading for each number. */
void findings_write_all(struct visit *v, const struct doctor_report *report);

/* Terms and descriptions of a list: what was put aside of the business's webhooks in the last 30 days. */
void put_aside_write(struct visit *v, const char *business_id);

/* A detail of a check or report as a sentence, with the names of fields as the pages show them. */
void plain_write(struct visit *v, const char *detail);

/* What came of it: the heading that connect.js goes to, the state, what to do, and the way on. webhook_secret: NULL, or
 * what 360dialog sends along, to be shown where it has to be entered by hand. */
void outcome_write(struct visit *v, const struct store_connection *s, const struct connect_report *report,
	const struct secret *webhook_secret);
/* The same in words of ours, where there is no connection. */
void outcome_heading(struct visit *v, const char *title);

/* A form about a connection; the caller writes its button, and closes it. */
void connection_form(struct visit *v, const char *action, const char *connection_id, bool take_over);
/* Buttons of a stored connection: Check now, and how its webhooks come here. */
void connection_buttons(struct visit *v, const struct store_connection *s);

/* How a connection's webhooks are brought here by hand. */
void hand_write(struct visit *v, const struct store_connection *s, const struct secret *webhook_secret);
/* The line that waits for the first call after since, a time in milliseconds. */
void hand_wait(struct visit *v, const struct store_connection *s, int64_t since);

#endif
