/*
 * The forms into which keys are pasted: steps that say where a value is found, each with
 * its fields, and what is wrong with what came.
 *
 * Internal to gateway/settings.
 */
#ifndef KEYHOUSE_SETTINGS_CONNECT_FORM_H
#define KEYHOUSE_SETTINGS_CONNECT_FORM_H

#include "gateway/settings/internal.h"
#include "gateway/settings/paste.h"

#define STEP_FIELDS_MAX 3u
#define FAULTS_MAX 8u

struct connect_field {
	const char *name, *label, *help;
	enum paste wants;
	bool secret; /* never written back */
	bool optional;
};

struct connect_step {
	const char *title;
	const char *guide; /* HTML of ours */
	struct connect_field fields[STEP_FIELDS_MAX]; /* ends before the first without a name */
};

struct connect_form {
	const char *page; /* where it is sent to */
	const char *provider; /* "Meta" */
	const struct connect_step *steps;
	size_t steps_len;
	bool has_sandbox; /* the form asks whether the key is one of it */
};
extern const struct connect_form connect_form_meta, connect_form_d360;

/* What is wrong with a field. */
struct connect_fault {
	const char *field; /* its name */
	const char *text; /* a sentence; NULL: it looks like another kind of value */
	enum paste kind; /* which */
};
struct connect_faults {
	struct connect_fault rows[FAULTS_MAX];
	size_t len;
	const char *foreign; /* NULL, or who gets the webhooks now: the form asks whether to take them over */
	const struct connect_choice *choices; /* numbers to choose from in place of the field phone_number_id */
	size_t choices_len;
};
void connect_fault_add(struct connect_faults *f, const char *field, const char *text);

/* Notes what is missing, or stands in the wrong field. */
void connect_form_look(const struct visit *v, const struct connect_form *form, struct connect_faults *faults);
/* Writes the form with what was typed, but for secrets, and with its faults. */
void connect_form_write(struct visit *v, const struct connect_form *form, const struct connect_faults *faults);
/* What is wrong, with links to the fields, for the place before the form. */
void connect_faults_write(struct visit *v, const struct connect_form *form, const struct connect_faults *faults);

#endif
