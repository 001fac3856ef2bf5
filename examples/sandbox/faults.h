/*
 * Faults on request: which one meets a request, and what it does to the answer.
 */
#ifndef SANDBOX_FAULTS_H
#define SANDBOX_FAULTS_H

#include "examples/sandbox/sandbox.h"

/* Adds one ("POST /sandbox/faults"). Returns what is wrong with it, or NULL. Holds the mutex. */
const char *faults_add(struct sandbox *s, const struct cJSON *asked);

/* Takes all of them back; what hangs goes on. Holds the mutex. */
void faults_take_back(struct sandbox *s);

/* The fault that meets a request, a copy that the caller frees with cJSON_Delete, or NULL. body_read false: only such as
 * close before the body is read. Holds the mutex. */
struct cJSON *faults_take(struct sandbox *s, const struct ask *a, bool body_read);

/* Lets it happen. True: go on and answer as usual. *status becomes what was answered, 0: nothing. Takes the mutex. */
bool faults_meet(
	struct sandbox *s, const struct cJSON *fault, const struct ask *a, struct http_request *req, int *status);

#endif
