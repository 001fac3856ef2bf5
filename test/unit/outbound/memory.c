/* Reads /proc/PID/mem, every readable mapping of it. */
#include "test/unit/outbound/memory.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vault/vault.h"

#define RANDOM_LEN 24u

int memory_holds(pid_t pid, const char *needle)
{
	char path[64], line[512];
	int found = 0, mem;
	FILE *maps;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (mem < 0 || maps == NULL)
		return -1;
	while (found == 0 && fgets(line, sizeof(line), maps) != NULL) {
		char *rest;
		const unsigned long from = strtoul(line, &rest, 16), to = strtoul(rest + 1, &rest, 16);
		char *copy;
		ssize_t n = 0;

		if (rest[1] != 'r' || to - from > (256u << 20))
			continue;
		copy = malloc(to - from);
		n = pread(mem, copy, to - from, (off_t)from);
		if (n > 0 && memmem(copy, (size_t)n, needle, strlen(needle)) != NULL)
			found = 1;
		free(copy);
	}
	fclose(maps);
	close(mem);
	return found;
}

char *memory_secret(const char *head)
{
	const size_t room = strlen(head) + 2 * RANDOM_LEN + 1;
	char *text = malloc(room);
	uint8_t random[RANDOM_LEN];

	vault_random(random, sizeof(random));
	(void)snprintf(text, room, "%s", head);
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(text + strlen(head) + 2 * i, 3, "%02x", random[i]);
	return text;
}
