/*
 * Standard input, output and the terminal. What is shown may come from strangers; what
 * is read may be a secret, and its buffers are the caller's to wipe.
 */
#include "gateway/console.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "gateway/utf8.h"

/* How many characters it was. */
static int put(const char *text)
{
	int printed = 0;

	for (size_t hidden; *text != '\0'; text += hidden > 1 ? hidden : 1) {
		hidden = utf8_hidden(text);
		(void)putchar(hidden > 0 ? '?' : *text);
		printed += ((unsigned char)*text & 0xc0) != 0x80;
	}
	return printed;
}

void console_part(const char *text)
{
	(void)put(text);
}

void console_text(const char *text, int width)
{
	const int printed = put(text);

	if (width == 0)
		(void)putchar('\n');
	else
		(void)printf("%*s", printed < width ? width - printed + 2 : 2, "");
}

/* Its texts with commas between, as many as there is room for. */
static void list_text(const cJSON *list, char *out, size_t room)
{
	const cJSON *item;
	size_t at = 0;

	out[0] = '\0';
	cJSON_ArrayForEach (item, list) {
		const char *text = cJSON_GetStringValue(item);

		if (text != NULL && strlen(text) + 2 <= room - at)
			at += (size_t)snprintf(out + at, room - at, "%s%s", at > 0 ? "," : "", text);
	}
}

void console_value(const cJSON *v, int width)
{
	char number[32], list[128];

	if (cJSON_IsNumber(v)) {
		(void)snprintf(number, sizeof(number), "%.0f", v->valuedouble);
		console_text(number, width);
	} else if (cJSON_IsBool(v)) {
		console_text(cJSON_IsTrue(v) ? "yes" : "no", width);
	} else if (cJSON_IsArray(v) && cJSON_GetArraySize(v) > 0) {
		list_text(v, list, sizeof(list));
		console_text(list, width);
	} else {
		console_text(cJSON_IsString(v) && v->valuestring[0] != '\0' ? v->valuestring : "-", width);
	}
}

void console_object(const cJSON *object, bool json)
{
	const cJSON *item;

	if (json) {
		char *text = cJSON_Print(object);

		(void)printf("%s\n", text != NULL ? text : "{}");
		cJSON_free(text);
		return;
	}
	cJSON_ArrayForEach (item, object) {
		if (cJSON_IsString(item) || cJSON_IsNumber(item) || cJSON_IsBool(item)) {
			console_text(item->string, 16);
			console_value(item, 0);
		}
	}
}

bool console_file(const char *path, char **data, size_t *len)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	char *buffer = fd >= 0 ? malloc(CONSOLE_FILE_MAX + 2) : NULL;
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0) {
		(void)fprintf(stderr, "keyhouse: cannot read %s: %s\n", path, strerror(errno));
		return false;
	}
	while (buffer != NULL && got > 0 && n <= CONSOLE_FILE_MAX) {
		got = read(fd, buffer + n, CONSOLE_FILE_MAX + 1 - n);
		if (got > 0)
			n += (size_t)got;
		if (got < 0 && errno == EINTR)
			got = 1;
	}
	if (fd != STDIN_FILENO)
		(void)close(fd);
	if (buffer == NULL || got < 0 || n > CONSOLE_FILE_MAX) {
		(void)fprintf(stderr, "keyhouse: cannot read %s: %s\n", path,
			n > CONSOLE_FILE_MAX ? "longer than 2 MiB" : strerror(errno));
		free(buffer);
		return false;
	}
	buffer[n] = '\0';
	*data = buffer;
	*len = n;
	return true;
}

bool console_line(const char *prompt, char *out, size_t room)
{
	struct termios before, silent;
	bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	size_t n = 0;
	char c;
	ssize_t got;

	if (terminal) {
		silent = before;
		silent.c_lflag &= (tcflag_t)~ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
		(void)fprintf(stderr, "%s: ", prompt);
	}
	while ((got = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n' && n + 1 < room)
		out[n++] = c;
	if (terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		(void)fprintf(stderr, "\n");
	}
	while (n > 0 && (out[n - 1] == '\r' || out[n - 1] == ' '))
		n--;
	out[n] = '\0';
	return n > 0;
}
