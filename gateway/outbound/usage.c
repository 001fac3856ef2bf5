/*
 * X-Business-Use-Case-Usage, {"<id>": [{"call_count", "total_cputime", "total_time", "estimated_time_to_regain_access"}]},
 * and X-App-Usage, {"call_count", "total_cputime", "total_time"}: percent, and minutes. Called by transfer.c.
 */
#include "gateway/outbound/usage.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "gateway/json.h"
#include "gateway/outbound/outbound.h"

#define MINUTE_MS 60000

/* A number within 0 and max; 0: it is none. */
static double bounded(const cJSON *n, double max)
{
	if (!cJSON_IsNumber(n) || !(n->valuedouble > 0))
		return 0;
	return n->valuedouble < max ? n->valuedouble : max;
}

static void read_meter(const cJSON *meter, struct usage *u)
{
	static const char *const names[] = {"call_count", "total_cputime", "total_time"};
	const int64_t regain = (int64_t)(bounded(json_get(meter, "estimated_time_to_regain_access"),
						 OUTBOUND_REGAIN_MAX_MS / MINUTE_MS) *
		MINUTE_MS);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const unsigned percent = (unsigned)bounded(json_get(meter, names[i]), OUTBOUND_USAGE_MAX);

		u->percent = percent > u->percent ? percent : u->percent;
	}
	u->regain_ms = regain > u->regain_ms ? regain : u->regain_ms;
}

static void read_value(const char *text, size_t len, struct usage *u)
{
	cJSON *value = len <= USAGE_TEXT_MAX ? json_parse(text, len) : NULL;
	const cJSON *child, *meter;

	read_meter(value, u);
	cJSON_ArrayForEach (child, value)
		cJSON_ArrayForEach (meter, child)
			read_meter(meter, u);
	cJSON_Delete(value);
}

void usage_read(const char *line, size_t len, struct usage *u)
{
	static const char *const names[] = {"X-Business-Use-Case-Usage:", "X-App-Usage:"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const size_t name_len = strlen(names[i]);

		if (len > name_len && strncasecmp(line, names[i], name_len) == 0)
			read_value(line + name_len, len - name_len, u);
	}
}
