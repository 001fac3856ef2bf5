/*
 * keyhouse verify: is a backup, or the database itself, whole, and does everything that
 * is sealed in it open with the key file that is here? keyhouse restore: a backup takes
 * the database's place. Both work beside session's API: on a file, with a vault that is
 * started for it.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/console.h"
#include "gateway/datadir.h"
#include "gateway/json.h"
#include "gateway/tenant.h"
#include "store/store.h"

#define FAULTS_SHOWN 20u /* of one business; the rest is counted */
#define PROGRESS_EVERY 5000

struct review {
	struct line *l;
	struct tenants *tenants;
	struct store *store;
	const struct store_business *business; /* NULL: the deployment itself */
	int64_t opened, damaged; /* of this business */
	int64_t all_opened, all_damaged, businesses;
	unsigned form_faults, schema_faults; /* the former counts the latter, too */
	bool headed; /* the business's line stands already */
	unsigned shown;
	cJSON *rows, *faults; /* with --json: of all, of this business */
	enum tenant_error stopped; /* the vault or the store does not answer: nothing more can be said */
};

/* ------------------------------------------------------------ showing */

static const char *business_id(const struct review *r)
{
	return r->business != NULL ? r->business->id : "";
}

/* before: what stands in front on its line, or "". */
static void show_business(struct review *r, const char *before)
{
	if (r->headed || r->l->json)
		return;
	r->headed = true;
	(void)printf("%s", before);
	console_text(r->business != NULL ? r->business->id : "(this installation)", 1);
	console_text(r->business != NULL ? r->business->name : "its own keys", 0);
}

/* what: a sentence; record: the id of what it is about, or "". */
static void fault(struct review *r, const char *what, const char *record, const char *field)
{
	r->damaged++;
	if (r->shown++ >= FAULTS_SHOWN)
		return;
	if (r->faults != NULL) {
		cJSON *row = cJSON_CreateObject();

		(void)cJSON_AddStringToObject(row, "what", what);
		(void)cJSON_AddStringToObject(row, "record", record);
		(void)cJSON_AddStringToObject(row, "field", field);
		cJSON_AddItemToArray(r->faults, row);
		return;
	}
	show_business(r, "");
	(void)printf("  !! ");
	if (record[0] != '\0')
		console_text(record, 1);
	if (field[0] != '\0')
		console_text(field, 1);
	(void)printf("%s\n", what);
}

static void progress(const struct review *r)
{
	const int64_t n = r->all_opened + r->opened + r->damaged;

	if (n % PROGRESS_EVERY == 0 && isatty(STDERR_FILENO) == 1)
		(void)fprintf(stderr, "\r%lld values looked at ", (long long)n);
}

/* ------------------------------------------------------------ one business */

struct slot_search {
	const struct store_sealed *of;
	enum store_slot slot;
};

static bool slot_one(const struct store_credential *c, void *arg)
{
	struct slot_search *s = arg;

	if (strcmp(c->connection_id, s->of->record_id) == 0 && strcmp(c->field, s->of->field) == 0 &&
		c->version == s->of->version)
		s->slot = c->slot;
	return s->slot == 0;
}

static const char *credential_words(struct review *r, const struct store_sealed *v)
{
	struct slot_search s = {.of = v};

	if (store_credential_list(r->store, business_id(r), "", slot_one, &s) == STORE_OK &&
		s.slot == STORE_SLOT_PREVIOUS)
		return "of before does not open; the present one does its work";
	return "needs its key entered again";
}

static const char *words_of(struct review *r, enum store_sealed_place place, const struct store_sealed *v)
{
	switch (place) {
	case STORE_PLACE_EVENT:
		return "a webhook's body does not open";
	case STORE_PLACE_MESSAGE:
		return "a message does not open";
	case STORE_PLACE_WAMID:
		return "the provider's id of a message does not open";
	case STORE_PLACE_ASK:
		return "a status that the responder is owed does not open";
	case STORE_PLACE_URL:
		return "the responder's address has to be set again";
	case STORE_PLACE_CREDENTIAL:
		return credential_words(r, v);
	case STORE_PLACE_SECRET:
		return "the responder's signing secret has to be made anew (keyhouse business responder ... "
		       "--rotate-secret)";
	}
	return "";
}

struct page {
	struct review *r;
	enum store_sealed_place place;
	int64_t after;
	unsigned rows;
};

struct second_look {
	struct review *r;
	bool damaged;
};

static bool look_again(const struct store_sealed *v, void *arg)
{
	struct second_look *s = arg;
	const enum tenant_error err = tenant_sealed_check(s->r->tenants, business_id(s->r), v);

	s->damaged = err != TENANT_OK;
	return false;
}

/* A running service may have sealed it anew, or removed it, since it was read: what is there now counts. */
static bool is_damaged(const struct page *p, const struct store_sealed *v)
{
	struct second_look s = {.r = p->r};

	return store_sealed_list(p->r->store, business_id(p->r), p->place, v->seq - 1, 1, look_again, &s) != STORE_OK ||
		s.damaged;
}

static bool value_one(const struct store_sealed *v, void *arg)
{
	struct page *p = arg;
	struct review *r = p->r;

	p->after = v->seq;
	p->rows++;
	switch (tenant_sealed_check(r->tenants, business_id(r), v)) {
	case TENANT_OK:
		r->opened++;
		break;
	case TENANT_NOT_FOUND:
	case TENANT_BAD_DATA:
		if (is_damaged(p, v))
			fault(r, words_of(r, p->place, v), v->record_id, v->field);
		break;
	case TENANT_VAULT:
		r->stopped = TENANT_VAULT;
		return false;
	case TENANT_NO_MEMORY:
		r->stopped = TENANT_NO_MEMORY;
		return false;
	case TENANT_STORE:
		fault(r, "cannot be read: the file is damaged there", v->record_id, v->field);
		break;
	}
	progress(r);
	return true;
}

#define OWN_KEY_DAMAGED                                                                                                \
	"key does not open: the next start puts a new one in its place; seals of the audit made before cannot be "     \
	"checked then"

/* What doctor says of it, too (FINDING_SHOP_DAMAGED). */
static void key_fault(struct review *r, const struct store_tenant_key *key)
{
	static const char *const words[] = {
		[STORE_KEY_CREDENTIAL] = "then every key of it is entered again",
		[STORE_KEY_CONTENT] = "what was written until then stays unreadable",
	};
	struct store_tenant_key newest;
	char text[320];

	if (store_tenant_key_get(r->store, business_id(r), key->purpose, 0, &newest) == STORE_OK &&
		newest.version != key->version)
		(void)snprintf(text, sizeof(text),
			"key of before does not open: what is still under it comes back from a backup alone; the "
			"present one does its work");
	else if (key->purpose == STORE_KEY_INDEX)
		(void)snprintf(text, sizeof(text),
			"key does not open, so no message can be kept or found: it comes back from a backup alone");
	else
		(void)snprintf(text, sizeof(text),
			"key does not open: restore a backup from before; without one, keyhouse key rotate %s, and %s",
			business_id(r), words[key->purpose]);
	fault(r, text, "", store_purpose_name(key->purpose));
}

static bool key_one(const struct store_tenant_key *key, void *arg)
{
	struct review *r = arg;
	enum tenant_error err;

	if (key->purpose < STORE_KEY_CREDENTIAL || key->purpose > STORE_KEY_INDEX) {
		fault(r, "a key of no known purpose", "", "");
		return true;
	}
	err = tenant_key_check(r->tenants, business_id(r), key);
	if (err == TENANT_OK)
		r->opened++;
	else if (err == TENANT_BAD_DATA && r->business != NULL)
		key_fault(r, key);
	else if (err == TENANT_BAD_DATA)
		fault(r, OWN_KEY_DAMAGED, "", store_purpose_name(key->purpose));
	else
		r->stopped = err;
	return r->stopped == TENANT_OK;
}

static void values(struct review *r)
{
	for (enum store_sealed_place place = STORE_PLACE_EVENT; place <= STORE_PLACE_SECRET; place++) {
		struct page p = {.r = r, .place = place, .rows = 1};

		while (p.rows > 0 && r->stopped == TENANT_OK) {
			p.rows = 0;
			if (store_sealed_list(r->store, business_id(r), place, p.after, STORE_LIST_MAX, value_one,
				    &p) != STORE_OK)
				fault(r, "cannot be read: the file is damaged there", "", "");
		}
	}
}

static void business_end(struct review *r)
{
	r->all_opened += r->opened;
	r->all_damaged += r->damaged;
	if (r->rows != NULL) {
		cJSON *row = cJSON_CreateObject();

		(void)cJSON_AddStringToObject(row, "id", business_id(r));
		(void)cJSON_AddStringToObject(row, "name", r->business != NULL ? r->business->name : "");
		(void)cJSON_AddNumberToObject(row, "opened", (double)r->opened);
		(void)cJSON_AddNumberToObject(row, "damaged", (double)r->damaged);
		cJSON_AddItemToObject(row, "faults", r->faults);
		cJSON_AddItemToArray(r->rows, row);
		r->faults = NULL;
		return;
	}
	if (r->damaged == 0) {
		char opened[48];

		(void)snprintf(opened, sizeof(opened), "%8lld opened, 0 damaged  ", (long long)r->opened);
		show_business(r, opened);
		return;
	}
	show_business(r, "");
	if (r->shown > FAULTS_SHOWN)
		(void)printf("  !! and %u more\n", r->shown - FAULTS_SHOWN);
	(void)printf("  %lld opened, %lld damaged\n", (long long)r->opened, (long long)r->damaged);
}

static void look_at(struct review *r, const struct store_business *b)
{
	r->business = b;
	r->opened = r->damaged = 0;
	r->shown = 0;
	r->headed = false;
	r->faults = r->rows != NULL ? cJSON_CreateArray() : NULL;
	if (store_tenant_key_list(r->store, business_id(r), key_one, r) != STORE_OK)
		fault(r, "its keys cannot be read: the file is damaged there", "", "");
	if (b != NULL && r->opened + r->damaged == 0)
		fault(r, "has no keys: its removal broke off, so remove it once more; else they were taken away", "",
			"");
	if (b != NULL)
		values(r);
	business_end(r);
}

/* ------------------------------------------------------------ all of it */

struct listed {
	struct store_business rows[STORE_LIST_MAX];
	unsigned len;
};

static bool list_one(const struct store_business *b, void *arg)
{
	struct listed *l = arg;

	l->rows[l->len++] = *b;
	return true;
}

static void businesses(struct review *r)
{
	static struct listed list;
	char after[STORE_BUSINESS_ID_LEN + 1] = "";

	do {
		const struct store_page page = {
			.after = after[0] != '\0' ? after : NULL, .limit = STORE_LIST_MAX, .ascending = true};

		list.len = 0;
		if (store_business_list(r->store, &page, list_one, &list) != STORE_OK) {
			r->form_faults++;
			(void)fprintf(stderr, "keyhouse: the list of businesses cannot be read to its end\n");
			return;
		}
		for (unsigned i = 0; i < list.len && r->stopped == TENANT_OK; i++) {
			r->businesses++;
			look_at(r, &list.rows[i]);
			(void)snprintf(after, sizeof(after), "%s", list.rows[i].id);
		}
	} while (list.len == STORE_LIST_MAX && r->stopped == TENANT_OK);
}

static void form_fault(const char *words, void *arg)
{
	struct review *r = arg;

	r->form_faults++;
	(void)fprintf(stderr, "keyhouse: the file is damaged: ");
	for (; *words != '\0'; words++)
		(void)fputc(*words >= ' ' ? *words : ' ', stderr);
	(void)fputc('\n', stderr);
}

static void schema_fault(const char *words, void *arg)
{
	struct review *r = arg;

	if (r->schema_faults++ < FAULTS_SHOWN)
		(void)fprintf(stderr, "keyhouse: the file was changed by somebody else: %s\n", words);
	r->form_faults++;
}

static void form(struct review *r, bool quick)
{
	if (store_integrity(r->store, quick, form_fault, r) != STORE_OK && r->form_faults == 0)
		form_fault("it cannot be read to its end", r);
	if (store_schema_check(r->store, schema_fault, r) != STORE_OK)
		form_fault("what tables it has cannot be read", r);
	if (r->schema_faults > 0)
		(void)fprintf(stderr,
			"keyhouse: such a thing can hand on what is removed, or change what is done: the service does "
			"not "
			"start with it; restore a backup, or put it right with sqlite3 if you know how it came "
			"about\n");
}

static int verdict(struct review *r)
{
	const bool good = r->all_damaged == 0 && r->form_faults == 0;

	if (isatty(STDERR_FILENO) == 1)
		(void)fprintf(stderr, "\r%*s\r", 40, "");
	if (r->stopped != TENANT_OK)
		return line_complain(
			r->stopped == TENANT_NO_MEMORY ? "out of memory" : "the vault has ended; try again");
	if (r->rows != NULL) {
		cJSON *all = cJSON_CreateObject();

		(void)cJSON_AddBoolToObject(all, "good", good);
		(void)cJSON_AddNumberToObject(all, "opened", (double)r->all_opened);
		(void)cJSON_AddNumberToObject(all, "damaged", (double)r->all_damaged);
		(void)cJSON_AddNumberToObject(all, "file_faults", r->form_faults);
		cJSON_AddItemToObject(all, "businesses", r->rows);
		r->rows = NULL;
		console_object(all, true);
		cJSON_Delete(all);
	} else {
		(void)printf("%s: businesses %lld, sealed values opened %lld, damaged %lld; the file itself is %s\n",
			good ? "all is well" : "not all is well", (long long)r->businesses, (long long)r->all_opened,
			(long long)r->all_damaged, r->form_faults == 0 ? "whole" : "damaged");
	}
	return good ? EXIT_DONE : EXIT_FAILED;
}

int command_verify(struct line *l)
{
	char path[DATADIR_PATH_MAX];
	struct review r = {.l = l};
	struct session *s;
	int result;

	if (l->audit && l->backup != NULL) {
		(void)line_complain("the audit of a copy is checked with verify --audit FILE, without --backup");
		return EXIT_USAGE;
	}
	if (l->audit)
		return command_verify_audit(l);
	if (l->words_len > 0) {
		(void)line_complain("name a backup with --backup");
		return EXIT_USAGE;
	}
	datadir_database(l->config, path);
	s = session_open_copy(l->config, l->backup != NULL ? l->backup : path, false);
	if (s == NULL)
		return EXIT_FAILED;
	r.tenants = session_tenants(s);
	r.store = tenants_store(r.tenants);
	r.rows = l->json ? cJSON_CreateArray() : NULL;
	form(&r, false);
	look_at(&r, NULL);
	businesses(&r);
	result = verdict(&r);
	cJSON_Delete(r.rows);
	session_close(s);
	return result;
}

/* ------------------------------------------------------------ restore */

static void beside_database(const struct line *l, const char *name, char path[static DATADIR_PATH_MAX])
{
	(void)snprintf(path, DATADIR_PATH_MAX, "%s/%s", config_get(l->config, CONFIG_DATA_DIR), name);
}

/* Brings the copy up to date, looks whether it can serve, and notes in it what may have happened since it was made. */
static bool stage_prepare(struct line *l, const char *stage, struct store_restored *out)
{
	struct session *s = session_open_copy(l->config, stage, true);
	struct review r = {.l = l};
	bool ok = false;

	if (s == NULL)
		return false;
	r.tenants = session_tenants(s);
	r.store = tenants_store(r.tenants);
	form(&r, true);
	store_actor("command", NULL);
	if (r.form_faults > 0)
		(void)line_complain("the backup is damaged, so it was not restored; take another one");
	else if (store_restored(r.store, out) != STORE_OK)
		(void)line_complain("the copy of the backup cannot be written");
	else
		ok = true;
	session_close(s);
	return ok;
}

static const char *aside_why(enum store_error err)
{
	return err == STORE_EXISTS ? "a database was put aside within this second already; try again"
				   : "the database that is there cannot be given a second name to keep it; nothing was "
				     "changed";
}

/* Where there is a database, it gets a second name, in aside; else that is "". */
static bool keep_old(struct line *l, const char *database, char aside[static DATADIR_PATH_MAX])
{
	char name[64];
	const time_t now = time(NULL);
	enum store_error err;
	struct tm tm;

	aside[0] = '\0';
	if (access(database, F_OK) != 0)
		return true;
	if (gmtime_r(&now, &tm) == NULL || strftime(name, sizeof(name), "before-restore-%Y%m%dT%H%M%SZ.db", &tm) == 0)
		return line_complain("the clock cannot be read") == EXIT_DONE;
	beside_database(l, name, aside);
	err = store_put_aside(database, aside);
	return err == STORE_OK || line_complain(aside_why(err)) == EXIT_DONE;
}

static void say_restored(const struct line *l, const char *aside, const struct store_restored *r)
{
	(void)printf("restored %s from %s\n", config_get(l->config, CONFIG_DATA_DIR), l->words[0]);
	if (aside[0] != '\0')
		(void)printf("The database that was there is kept as %s; remove it once you are sure.\n", aside);
	if (r->unknown > 0)
		(void)printf("%lld message%s waited to be sent when the backup was made and may have been sent since: "
			     "not sent again, shown as unknown.\n",
			(long long)r->unknown, r->unknown == 1 ? "" : "s");
	if (r->asks > 0)
		(void)printf("%lld question%s or status%s waited for a responder: not asked again.\n",
			(long long)r->asks, r->asks == 1 ? "" : "s", r->asks == 1 ? "" : "es");
	(void)printf("What was changed since is as it was: look at `keyhouse token list` for tokens that you revoked, "
		     "and at keys that were replaced.\nNow: keyhouse verify, then start the service.\n");
}

static int restore_locked(struct line *l, const char *database)
{
	char stage[DATADIR_PATH_MAX], aside[DATADIR_PATH_MAX];
	struct store_restored restored = {0, 0};
	enum store_error err;

	datadir_sweep(l->config);
	datadir_stage(l->config, stage);
	err = store_backup(l->words[0], stage, NULL, NULL);
	if (err != STORE_OK)
		return line_complain(err == STORE_NOT_FOUND ? "there is no such backup"
				: err == STORE_NOT_OURS	    ? "that file is no backup of a keyhouse database"
				: err == STORE_FULL	    ? "the disk is full; nothing was changed"
							    : "the backup cannot be read, or not copied into data_dir");
	if (!stage_prepare(l, stage, &restored) || !keep_old(l, database, aside)) {
		store_remove_copy(stage);
		return EXIT_FAILED;
	}
	if (store_take_place(stage, database) != STORE_OK)
		return line_complain("the restored database could not take its name; the old one is as it was");
	say_restored(l, aside, &restored);
	return EXIT_DONE;
}

int command_restore(struct line *l)
{
	char database[DATADIR_PATH_MAX], why[1024] = "";
	int lock = -1, result;

	datadir_database(l->config, database);
	if (!datadir_prepare(l->config, why, sizeof(why)))
		return line_complain(why);
	switch (datadir_lock(l->config, 2000, &lock, why, sizeof(why))) {
	case DATADIR_LOCKED:
		break;
	case DATADIR_IN_USE:
		return line_complain("keyhouse is running on this data_dir; stop it first");
	case DATADIR_LOCK_FAILED:
		return line_complain(why);
	}
	if (access(database, F_OK) == 0 && !l->yes)
		result = line_complain(
			"there is a database already; --yes restores the backup in its place, and keeps it "
			"under another name");
	else
		result = restore_locked(l, database);
	(void)close(lock);
	return result;
}
