/*
 * Replays files through a fuzz target, for compilers without a fuzzing engine: each
 * argument is a file, or a folder whose files are replayed.
 */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define FILE_MAX (4u << 20)
#define PATH_ROOM 4096u

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *room = malloc(FILE_MAX), *data;
	size_t len;

	if (f == NULL || room == NULL) {
		fprintf(stderr, "%s: cannot be read\n", path);
		if (f != NULL)
			fclose(f);
		free(room);
		return 1;
	}
	len = fread(room, 1, FILE_MAX, f);
	fclose(f);
	/* A buffer of exactly that size, so that reading one byte too far is seen. */
	data = realloc(room, len > 0 ? len : 1);
	(void)LLVMFuzzerTestOneInput(data != NULL ? data : room, len);
	free(data != NULL ? data : room);
	return 0;
}

static int replay_folder(DIR *dir, const char *path, unsigned *count)
{
	char file[PATH_ROOM];
	struct dirent *e;
	int failed = 0;

	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		failed |= replay_file(file);
		(*count)++;
	}
	return failed;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);

		if (dir == NULL) {
			failed |= replay_file(argv[i]);
			count++;
			continue;
		}
		failed |= replay_folder(dir, argv[i], &count);
		closedir(dir);
	}
	printf("%u files replayed\n", count);
	return failed != 0 || count == 0;
}
