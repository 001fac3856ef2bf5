/*
 * What the commands share: a command line taken apart, one request to the platform API,
 * and what of the answer a person is shown. And the commands, which the table in
 * command.c names.
 *
 * Internal to the commands.
 */
#ifndef KEYHOUSE_COMMAND_LINE_H
#define KEYHOUSE_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/config.h"
#include "gateway/session.h"

struct cJSON;

#define LINE_PATH_LEN 512u
#define LINE_WORDS_MAX 8

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Plain words in order, and the options every command may know. */
struct line {
	const struct config *config;
	const char *words[LINE_WORDS_MAX];
	int words_len;
	const char *name, *url, *expires_in, *to, *backup, *out, *passphrase_file;
	const char *provider, *app_id, *waba_id, *phone_number_id, *client_id;
	const char *scopes, *numbers, *rate_per_minute, *messages_per_day, *expires_in_days, *expires_at;
	const char *app_secret_file, *access_token_file, *api_key_file;
	bool json, no_verify, yes, take_over, platform_secret, rotate_secret, sandbox, master, all, no_qr;
	bool end_previous, audit;
	char not_found[160]; /* what the answer 404 means, where a command knows; else "" */
};

/* A sentence on standard error; returns EXIT_FAILED. */
int line_complain(const char *text);

/* One request in a session of its own. Prints what the API says is wrong. On success *out is the parsed answer
 * (may be NULL), which the caller deletes. with_sender: live checks are wanted. */
int line_ask(const struct line *l, bool with_sender, const struct session_request *q, struct cJSON **out);
/* The same in a session that serves many. */
int line_ask_in(const struct line *l, struct session *s, const struct session_request *q, struct cJSON **out);
/* The same with a JSON body, which may be NULL and whose text is wiped. */
int line_ask_json(const struct line *l, const char *method, const char *path, bool with_sender,
	const struct cJSON *body, struct cJSON **out);
/* DELETE, and then "<what> is <done>". */
int line_delete(const struct line *l, const char *path, const char *what, const char *done);

/* base/id[/part[/part_id[/tail]]]; what is NULL and all after it is left out. False, with a sentence on standard
 * error, where an id is none. */
bool line_path(char path[static LINE_PATH_LEN], const char *base, const char *id, const char *part, const char *part_id,
	const char *tail);

/* Everything of a listing, page by page: columns for people (NULL ends them), or one JSON array. */
int line_list(const struct line *l, const char *path, const char *const *columns, const int *widths);

/* Puts a secret into body under name: from its file, else from prompt or standard input. */
bool line_secret(struct cJSON *body, const char *name, const char *file);

/* ------------------------------------------------------------ the commands; each returns the exit status */

int command_init(struct line *l);
int command_backup(struct line *l);
int command_config_check(struct line *l);
int command_version(struct line *l);
int command_token_new(struct line *l);
int command_token_list(struct line *l);
int command_token_revoke(struct line *l);

int command_business_add(struct line *l);
int command_business_list(struct line *l);
int command_business_show(struct line *l);
int command_business_suspend(struct line *l);
int command_business_resume(struct line *l);
int command_business_responder(struct line *l);
int command_business_remove(struct line *l);
int command_product_import(struct line *l);
int command_product_list(struct line *l);

int command_link(struct line *l);
int command_link_list(struct line *l);
int command_link_revoke(struct line *l);

int command_doctor(struct line *l);

int command_refused(struct line *l);

int command_virtual_key_add(struct line *l);
int command_virtual_key_list(struct line *l);
int command_virtual_key_revoke(struct line *l);

int command_key_rotate(struct line *l);
int command_key_status(struct line *l);
int command_key_retire(struct line *l);
int command_key_kit(struct line *l);
int command_restore_key(struct line *l);

int command_verify(struct line *l);
int command_restore(struct line *l);

int command_audit(struct line *l);
int command_verify_audit(struct line *l);

int command_connection_add(struct line *l);
int command_connection_test(struct line *l);
int command_connection_register(struct line *l);
int command_connection_rotate(struct line *l);
int command_connection_remove(struct line *l);
int command_connection_list(struct line *l);

#endif
