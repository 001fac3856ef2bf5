/*
 * Ids and the time they begin with. Ids ascend within a process, also across threads
 * and when the clock steps back.
 */
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "store/store.h"

int64_t store_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static pthread_mutex_t id_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t id_last[16];

/* 48 bits of time, 80 random ones; within a millisecond the last id plus one. */
void store_id_new(char out[static STORE_ID_LEN + 1])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t now = (uint64_t)store_now_ms();
	uint8_t id[16];
	unsigned bits = 0, held = 2; /* 26 digits hold 130 bits: two zero bits lead */

	for (size_t i = 0; i < 6; i++)
		id[i] = (uint8_t)(now >> (40 - 8 * i));
	pthread_mutex_lock(&id_lock);
	if (memcmp(id, id_last, 6) <= 0) {
		memcpy(id, id_last, sizeof(id));
		for (size_t i = sizeof(id); i-- > 0 && ++id[i] == 0;)
			continue;
	} else {
		while (getrandom(id + 6, sizeof(id) - 6, 0) != (ssize_t)(sizeof(id) - 6))
			continue;
		id[6] &= 0x7f; /* room to count up */
	}
	memcpy(id_last, id, sizeof(id));
	pthread_mutex_unlock(&id_lock);
	for (size_t i = 0, n = 0; i < STORE_ID_LEN; i++) {
		while (held < 5) {
			bits = (bits << 8) | id[n++];
			held += 8;
		}
		out[i] = digits[(bits >> (held - 5)) & 31];
		held -= 5;
		bits &= (1u << held) - 1;
	}
	out[STORE_ID_LEN] = '\0';
}
