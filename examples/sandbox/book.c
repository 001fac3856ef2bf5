/*
 * The book as one cJSON document: looking up, patching, keeping.
 */
#include "examples/sandbox/book.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/json.h"

static const char *const parts[] = {"apps", "tokens", "numbers", "subscribed", "keys", "customers", "clock", "usage",
	"templates", "profiles", "limits"};

enum {
	BOOK_MAX = 16 << 20,
	FOUND_MAX = 1 << 16,
};

static bool is_part(const char *name)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(parts[i], name) == 0)
			return true;
	return false;
}

/* Every part, and every entry of it but of the limits, is an object or is removed. */
static bool is_book(const struct cJSON *book)
{
	const struct cJSON *part, *entry;

	if (!cJSON_IsObject(book))
		return false;
	cJSON_ArrayForEach (part, book) {
		if (!is_part(part->string) || !(cJSON_IsObject(part) || cJSON_IsNull(part)))
			return false;
		if (strcmp(part->string, "limits") == 0)
			continue;
		cJSON_ArrayForEach (entry, part) {
			if (!cJSON_IsObject(entry) && !cJSON_IsNull(entry))
				return false;
		}
	}
	return true;
}

static void merge(struct cJSON *target, const struct cJSON *patch)
{
	const struct cJSON *item;

	cJSON_ArrayForEach (item, patch) {
		struct cJSON *known = json_get(target, item->string);

		if (cJSON_IsObject(item) && cJSON_IsObject(known)) {
			merge(known, item);
			continue;
		}
		cJSON_DeleteItemFromObjectCaseSensitive(target, item->string);
		if (cJSON_IsObject(item))
			merge(cJSON_AddObjectToObject(target, item->string), item);
		else if (!cJSON_IsNull(item))
			cJSON_AddItemToObject(target, item->string, cJSON_Duplicate(item, true));
	}
}

/* Entries that were found of late: with thousands of shops a walk to each would cost more than all the rest. They stay
 * where they are until somebody patches the book. */
static struct found {
	const struct cJSON *part;
	struct cJSON *entry;
} found[FOUND_MAX];

static struct found *place_of(const struct cJSON *part, const char *key)
{
	uint64_t hash = 14695981039346656037u ^ (uint64_t)(uintptr_t)part;

	for (; *key != '\0'; key++)
		hash = (hash ^ (unsigned char)*key) * 1099511628211u;
	return &found[(hash >> 32) % FOUND_MAX];
}

static void forget_found(void)
{
	memset(found, 0, sizeof(found));
}

static size_t text_len(const struct cJSON *value)
{
	char *text = json_text(value);
	size_t len = text ? strlen(text) : BOOK_MAX;

	json_text_free(text);
	return len;
}

bool book_patch(struct sandbox *s, const struct cJSON *patch)
{
	/* It is kept indented: twice as long at the most. */
	if (!is_book(patch) || text_len(s->book) + text_len(patch) > BOOK_MAX / 2)
		return false;
	forget_found();
	merge(s->book, patch);
	book_keep(s);
	return true;
}

static char *read_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rbe");
	char *text = NULL;
	struct stat st;

	if (!file)
		return NULL;
	if (fstat(fileno(file), &st) == 0 && st.st_size > BOOK_MAX)
		errno = EFBIG;
	else if ((text = malloc((size_t)st.st_size + 1)))
		*len = fread(text, 1, (size_t)st.st_size, file);
	(void)fclose(file);
	return text;
}

bool book_load(struct sandbox *s, const char *path, char *why, size_t why_len)
{
	size_t len = 0;
	char *text = read_file(path, &len);
	struct cJSON *book = text ? json_parse(text, len) : NULL;
	bool fine = is_book(book);

	if (!text)
		(void)snprintf(why, why_len, "%s cannot be read: %s", path, strerror(errno));
	else if (!fine)
		(void)snprintf(why, why_len, "%s is no book of a sandbox", path);
	else
		merge(s->book, book);
	free(text);
	cJSON_Delete(book);
	return text != NULL && fine;
}

void book_keep(struct sandbox *s)
{
	char path[4096], *text;
	FILE *file = NULL;
	bool fine = false;

	if (!s->state_path)
		return;
	text = cJSON_Print(s->book);
	(void)snprintf(path, sizeof(path), "%s.new", s->state_path);
	if (text) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		file = fd >= 0 ? fdopen(fd, "w") : NULL;
	}
	if (file) {
		fine = fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
		fine = fclose(file) == 0 && fine;
	}
	if (!fine || rename(path, s->state_path) != 0)
		say(s, "%s could not be written: %s", s->state_path, strerror(errno));
	cJSON_free(text);
}

struct cJSON *book_get(const struct sandbox *s, const char *part, const char *key)
{
	const struct cJSON *all = json_get(s->book, part);
	struct found *place = all && key ? place_of(all, key) : NULL;
	struct cJSON *entry;

	if (!place)
		return NULL;
	if (place->part == all && strcmp(place->entry->string, key) == 0)
		return place->entry;
	entry = json_get(all, key);
	if (entry)
		*place = (struct found){all, entry};
	return entry;
}

static struct cJSON *made(struct cJSON *object, const char *key)
{
	struct cJSON *known = json_get(object, key);

	return known ? known : cJSON_AddObjectToObject(object, key);
}

struct cJSON *book_make(struct sandbox *s, const char *part, const char *key)
{
	return made(made(s->book, part), key);
}

const char *book_text(const struct cJSON *entry, const char *name, const char *otherwise)
{
	const char *value = json_get_string(entry, name);

	return value ? value : otherwise;
}

bool book_true(const struct cJSON *entry, const char *name, bool otherwise)
{
	const struct cJSON *value = json_get(entry, name);

	return value ? cJSON_IsTrue(value) : otherwise;
}

bool book_holds(const struct cJSON *entry, const char *name, const char *value)
{
	const struct cJSON *item;

	cJSON_ArrayForEach (item, json_get(entry, name)) {
		if (value && cJSON_IsString(item) && strcmp(item->valuestring, value) == 0)
			return true;
	}
	return false;
}

void book_set(struct cJSON *entry, const char *name, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(entry, name);
	cJSON_AddStringToObject(entry, name, value);
}

double book_clock(const struct sandbox *s)
{
	const struct cJSON *ahead = json_get(book_get(s, "clock", "all"), "ahead_s");

	return cJSON_IsNumber(ahead) ? ahead->valuedouble : 0;
}

struct cJSON *book_key_of(const struct sandbox *s, const char *number, const char **key)
{
	struct cJSON *item, *newest = NULL;

	cJSON_ArrayForEach (item, json_get(s->book, "keys")) {
		if (strcmp(book_text(item, "number", ""), number) == 0)
			newest = item;
	}
	if (newest && key)
		*key = newest->string;
	return newest;
}

struct cJSON *book_token_of(const struct sandbox *s, const char *number, const char **token)
{
	struct cJSON *item, *newest = NULL;

	cJSON_ArrayForEach (item, json_get(s->book, "tokens")) {
		if (book_true(item, "valid", true) && book_holds(item, "numbers", number))
			newest = item;
	}
	if (newest && token)
		*token = newest->string;
	return newest;
}

const char *book_api_of(const struct sandbox *s, const char *number)
{
	return book_key_of(s, number, NULL) ? "360dialog" : "meta";
}
