/*
 * What the providers say when they refuse, in their own shapes (facts/meta.md 3, facts/360dialog.md 4).
 */
#ifndef SANDBOX_ERRORS_H
#define SANDBOX_ERRORS_H

#include "examples/sandbox/sandbox.h"

struct graph_error {
	int http; /* 0: 400 */
	int code;
	int subcode; /* 0: none */
	const char *message; /* NULL: "(#code) Fault" */
	const char *details; /* NULL: no error_data */
	int transient; /* 1, 0; -1: not said */
	const char *type; /* NULL: OAuthException */
};

void graph_refuse(struct reply *r, const struct graph_error *e);
/* What Meta says of a node that is not there, or not for whoever asks: code 100, subcode 33. */
void graph_missing(struct reply *r, const char *method, const char *id);

/* 360dialog's own form; details may be NULL. */
void d360_refuse(struct reply *r, int http, const char *text, const char *details);

/* {"success": true} */
void reply_success(struct reply *r);

#endif
