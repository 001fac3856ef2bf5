/*
 * Writing the forms into which keys are pasted, and looking at what came. What was typed
 * is from a stranger; of what may be a secret nothing is written back.
 *
 * Called by page_connect.c.
 */
#include "gateway/settings/connect_form.h"

#include <string.h>

#include "gateway/settings/checks.h"
#include "vault/vault.h"

static const char *const wanted[PASTES] = {
	[PASTE_NOTHING] = "This is still empty.",
	[PASTE_TOKEN] = "Wanted here is the access token.",
	[PASTE_SECRET] = "Wanted here is the app secret.",
	[PASTE_ID] = "Wanted here is an ID: digits alone.",
	[PASTE_OTHER] = "Wanted here is an API key from the 360dialog Hub.",
};

/* ------------------------------------------------------------ fields */

static const struct connect_field *field_where(
	const struct connect_form *form, bool (*is)(const struct connect_field *f, const void *what), const void *what)
{
	for (size_t i = 0; i < form->steps_len; i++)
		for (size_t j = 0; j < STEP_FIELDS_MAX && form->steps[i].fields[j].name != NULL; j++)
			if (is(&form->steps[i].fields[j], what))
				return &form->steps[i].fields[j];
	return NULL;
}

static bool is_named(const struct connect_field *f, const void *name)
{
	return strcmp(f->name, name) == 0;
}

static bool is_for(const struct connect_field *f, const void *kind)
{
	return f->wants == *(const enum paste *)kind;
}

/* The one field that a value of this kind belongs into. An ID may belong into several. */
static const struct connect_field *home_of(const struct connect_form *form, enum paste kind)
{
	return kind == PASTE_TOKEN || kind == PASTE_SECRET ? field_where(form, is_for, &kind) : NULL;
}

/* ------------------------------------------------------------ looking */

/* A key of 360dialog's may look like anything, and the others' forms are no law of Meta's: only what is surely another
 * kind of value is in the wrong place. */
static bool is_misplaced(enum paste wants, enum paste kind)
{
	if (kind == PASTE_NOTHING || kind == PASTE_OTHER || kind == wants)
		return false;
	return wants != PASTE_OTHER || kind == PASTE_TOKEN || kind == PASTE_PHONE;
}

void connect_fault_add(struct connect_faults *f, const char *field, const char *text)
{
	if (f->len < FAULTS_MAX)
		f->rows[f->len++] = (struct connect_fault){.field = field, .text = text};
}

static enum paste kind_of(const struct visit *v, const char *name)
{
	struct secret *value = visit_secret(v, name);
	const enum paste kind = value != NULL ? paste_kind((const char *)secret_bytes(value)) : PASTE_NOTHING;

	secret_free(value);
	return kind;
}

static void look(const struct visit *v, const struct connect_field *f, struct connect_faults *faults)
{
	const enum paste kind = kind_of(v, f->name);

	if (kind == PASTE_NOTHING && !f->optional) {
		connect_fault_add(faults, f->name, wanted[PASTE_NOTHING]);
	} else if (is_misplaced(f->wants, kind)) {
		connect_fault_add(faults, f->name, NULL);
		faults->rows[faults->len - 1].kind = kind;
	} else if (f->wants == PASTE_ID && kind == PASTE_OTHER) {
		connect_fault_add(faults, f->name, wanted[PASTE_ID]);
	}
}

void connect_form_look(const struct visit *v, const struct connect_form *form, struct connect_faults *faults)
{
	for (size_t i = 0; i < form->steps_len; i++)
		for (size_t j = 0; j < STEP_FIELDS_MAX && form->steps[i].fields[j].name != NULL; j++)
			look(v, &form->steps[i].fields[j], faults);
}

/* ------------------------------------------------------------ writing */

static void fault_write(struct visit *v, const struct connect_form *form, const struct connect_field *f,
	const struct connect_fault *fault)
{
	const struct connect_field *home = fault->text == NULL ? home_of(form, fault->kind) : NULL;

	if (fault->text != NULL)
		plain_write(v, fault->text);
	else if (home != NULL)
		html_put(&v->out, "%s It belongs into the field \xe2\x80\x9c%s\xe2\x80\x9d.", paste_looks(fault->kind),
			home->label);
	else
		html_put(&v->out, "%s %s", paste_looks(fault->kind), wanted[f->wants]);
}

static const struct connect_fault *fault_of(const struct connect_faults *faults, const char *name)
{
	for (size_t i = 0; i < faults->len; i++)
		if (strcmp(faults->rows[i].field, name) == 0)
			return &faults->rows[i];
	return NULL;
}

/* What was typed, unless it may be a secret that was pasted here. */
static void value_write(struct visit *v, const struct connect_field *f)
{
	struct secret *value = f->secret ? NULL : visit_secret(v, f->name);
	const char *text = value != NULL ? (const char *)secret_bytes(value) : "";
	const enum paste kind = paste_kind(text);

	if (kind == PASTE_ID || kind == PASTE_PHONE)
		html_put(&v->out, " value=\"%s\"", text);
	secret_free(value);
}

static void choices_write(struct visit *v, const struct connect_field *f, const struct connect_faults *faults)
{
	html_put(&v->out, "<fieldset id=\"%s\"><legend>Which number?</legend>", f->name);
	for (size_t i = 0; i < faults->choices_len; i++) {
		const struct connect_choice *choice = &faults->choices[i];

		html_put(&v->out,
			"<label class=\"inline\"><input type=\"radio\" name=\"%s\" value=\"%s\"%s> <span><bdi>%s</bdi> "
			"<bdi class=\"soft\">%s</bdi></span></label>",
			f->name, choice->id, i == 0 ? " required" : "",
			choice->display_phone[0] != '\0' ? choice->display_phone : choice->id, choice->verified_name);
	}
	html_raw(&v->out, "</fieldset>");
}

static void field_write(struct visit *v, const struct connect_form *form, const struct connect_field *f,
	const struct connect_faults *faults)
{
	const struct connect_fault *fault = fault_of(faults, f->name);

	if (faults->choices_len > 0 && strcmp(f->name, "phone_number_id") == 0) {
		choices_write(v, f, faults);
		return;
	}
	html_put(&v->out, "<label for=\"%s\">%s%s</label><p class=\"help\" id=\"%s-help\">%s</p><div class=\"copy\">",
		f->name, f->label, f->optional ? " (may stay empty)" : "", f->name, f->help);
	html_put(&v->out,
		"<input id=\"%s\" name=\"%s\" type=\"%s\" data-wants=\"%s\" data-label=\"%s\" autocomplete=\"off\" "
		"autocapitalize=\"off\" spellcheck=\"false\" aria-describedby=\"%s-help %s-error\"",
		f->name, f->name, f->secret ? "password" : "text", paste_name(f->wants), f->label, f->name, f->name);
	if (f->wants == PASTE_ID)
		html_raw(&v->out, " inputmode=\"numeric\"");
	if (!f->optional)
		html_raw(&v->out, " aria-required=\"true\"");
	if (fault != NULL)
		html_raw(&v->out, " aria-invalid=\"true\"");
	value_write(v, f);
	html_raw(&v->out, ">");
	if (f->secret)
		html_put(&v->out,
			"<button type=\"button\" class=\"quiet\" data-show=\"%s\" "
			"aria-label=\"Show %s\" hidden>Show</button>",
			f->name, f->label);
	html_put(&v->out, "</div><div class=\"error\" id=\"%s-error\" role=\"status\">", f->name);
	if (fault != NULL)
		fault_write(v, form, f, fault);
	html_raw(&v->out, "</div>");
}

static void step_write(struct visit *v, const struct connect_form *form, const struct connect_step *step,
	const struct connect_faults *faults)
{
	html_put(&v->out, "<section class=\"card\"><h2>%s</h2>", step->title);
	html_raw(&v->out, step->guide);
	for (size_t i = 0; i < STEP_FIELDS_MAX && step->fields[i].name != NULL; i++)
		field_write(v, form, &step->fields[i], faults);
	html_raw(&v->out, "</section>");
}

/* The module says the same words as we do. */
static void words_write(struct visit *v)
{
	html_raw(&v->out, "<ul id=\"words\" hidden>");
	for (enum paste kind = PASTE_NOTHING; kind < PASTES; kind++) {
		if (paste_looks(kind) != NULL)
			html_put(&v->out, "<li data-looks=\"%s\">%s</li>", paste_name(kind), paste_looks(kind));
		if (wanted[kind] != NULL)
			html_put(&v->out, "<li data-wanted=\"%s\">%s</li>", paste_name(kind), wanted[kind]);
	}
	html_raw(&v->out,
		"<li data-unheard=\"title\">No answer came</li><li data-unheard=\"text\">The way to this service was "
		"cut. Look at Status first: the number may be connected already. If it is not, press Connect again; "
		"what you pasted is still here.</li></ul>");
}

void connect_form_write(struct visit *v, const struct connect_form *form, const struct connect_faults *faults)
{
	layout_form(v, form->page);
	for (size_t i = 0; i < form->steps_len; i++)
		step_write(v, form, &form->steps[i], faults);
	if (form->has_sandbox)
		html_put(&v->out,
			"<label class=\"inline\"><input type=\"checkbox\" name=\"sandbox\" value=\"yes\"%s> <span>This "
			"is a "
			"key of %s\xe2\x80\x99s sandbox, for trying out</span></label>",
			strcmp(visit_field(v, "sandbox"), "yes") == 0 ? " checked" : "", form->provider);
	if (faults->foreign != NULL)
		html_put(&v->out,
			"<label class=\"inline\"><input type=\"checkbox\" name=\"take_over\" value=\"yes\"> "
			"<span>Take this number\xe2\x80\x99s messages over from <bdi>%s</bdi>. It gets nothing any "
			"more then.</span></label>",
			faults->foreign);
	html_put(&v->out, "<p>The number will belong to <b><bdi>%s</bdi></b>.</p>", v->business.name);
	html_put(&v->out,
		"<p class=\"row\"><button data-busy=\"Asking %s \xe2\x80\xa6\">Connect</button></p>"
		"<p class=\"help\">Your keys are kept sealed. Nobody can read them here again, you neither.</p></form>",
		form->provider);
	words_write(v);
}

void connect_faults_write(struct visit *v, const struct connect_form *form, const struct connect_faults *faults)
{
	html_raw(&v->out, "<ul>");
	for (size_t i = 0; i < faults->len; i++) {
		const struct connect_field *f = field_where(form, is_named, faults->rows[i].field);

		if (f == NULL)
			continue;
		html_put(&v->out, "<li><a href=\"#%s\">%s</a>: ", f->name, f->label);
		fault_write(v, form, f, &faults->rows[i]);
		html_raw(&v->out, "</li>");
	}
	html_raw(&v->out, "</ul>");
}
