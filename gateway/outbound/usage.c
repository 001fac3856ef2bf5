/*
 * X-Business-Use-Case-Usage, {"<id>": [{"call_count", "total_cputime", "total_time", "estimated_time_to_regain_access"}]}:
 * percent, and minutes, of which only these say what to do. Called by flow.c.
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

static void read_meter(const cJSON *meter, int64_t *regain_ms)
{
	const int64_t regain = (int64_t)(bounded(json_get(meter, "estimated_time_to_regain_access"),
						 OUTBOUND_REGAIN_MAX_MS / MINUTE_MS) *
		MINUTE_MS);

	*regain_ms = regain > *regain_ms ? regain : *regain_ms;
}

static void read_value(const char *text, size_t len, int64_t *regain_ms)
{
	cJSON *value = len <= USAGE_TEXT_MAX ? json_parse(text, len) : NULL;
	const cJSON *child, *meter;

	cJSON_ArrayForEach (child, value)
		cJSON_ArrayForEach (meter, child)
			read_meter(meter, regain_ms);
	cJSON_Delete(value);
}

void usage_read(const char *line, size_t len, int64_t *regain_ms)
{
	static const char name[] = "X-Business-Use-Case-Usage:";
	const size_t name_len = sizeof(name) - 1;

	if (len > name_len && strncasecmp(line, name, name_len) == 0)
		read_value(line + name_len, len - name_len, regain_ms);
}
