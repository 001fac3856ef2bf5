/*
 * A house for the API's tests: a vault process in a thread, a real store in a
 * temporary directory, tenants, and the API in front of them.
 *
 * ask() looks into every answer: a problem has its shape, a success is JSON, and no
 * planted secret is in it in any encoding.
 */
#ifndef KEYHOUSE_TEST_API_HELPER_H
#define KEYHOUSE_TEST_API_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/api/api.h"

/* Planted: these must never come back. */
#define APP_SECRET "3f9c1b7ad2e84c65a0b1f2e3d4c5b6a7"
#define ACCESS_TOKEN "EAAPlantedAccessTokenThatNobodyMaySeeAgain0123456789ZZ"
#define OTHER_SECRET "99aa88bb77cc66dd55ee44ff33001122"
#define OTHER_TOKEN "EAAPlantedReplacementTokenThatStaysHidden9876543210YY"

#define API_KEY "kPlantedD360KeyThatNobodyMaySee77_cardbox"
#define OTHER_KEY "kPlantedD360KeyNumberTwoHiddenAsWell88xx"
#define PLATFORM_SECRET "plantedPlatformSecretOf360dialog5512"

#define META(number)                                                                                                   \
	"{\"provider\":\"meta\",\"app_id\":\"1001\",\"app_secret\":\"" APP_SECRET                                      \
	"\",\"access_token\":\"" ACCESS_TOKEN "\",\"waba_id\":\"2002\",\"phone_number_id\":\"" number                  \
	"\",\"verify\":false}"

struct house;

/* All run in one directory of their own, removed by house_close. sender: what the API is told
 * is its sender; the fake in fake_outbound.c answers for it. */
struct house *house_open(bool sender);
void house_close(struct house *h);
/* The vault answers nothing from here on. */
void house_vault_end(struct house *h);
struct api *house_api(struct house *h);
/* Whether the fake provider calls our URL when it is registered; it does at first. */
void house_handshakes(struct house *h, bool on);
struct tenants *house_tenants(struct house *h);
struct virtual_keys *house_virtual_keys(struct house *h);

struct answer {
	int status;
	cJSON *json; /* NULL: no body */
	char *text;
	char allow[64];
	bool replayed;
};

/* As the platform, with a good token. target is path and query; body may be NULL; JSON by content type. */
struct answer ask(struct house *h, const char *method, const char *target, const char *body);
struct answer ask_type(struct house *h, const char *method, const char *target, const char *type, const char *body);
/* With an Idempotency-Key. */
struct answer ask_once(struct house *h, const char *key, const char *target, const char *body);
/* The whole choice: authorization may be NULL; the length is the body's. */
struct answer ask_as(struct house *h, bool is_operator, const char *authorization, const struct api_request *req);
void answer_clear(struct answer *a);

/* Asks and checks status and, of a problem, code and field (NULL: there is none). Ends the answer. */
void expect(struct house *h, const char *method, const char *target, const char *body, int status, const char *code,
	const char *field);

/* A string of an answer, asserted to be there; path as in json_get_path. */
const char *text_at(const struct answer *a, const char *path);
double number_at(const struct answer *a, const char *path);

/* A business, and a connection of one with this number; its id is written into id. */
void business_new(struct house *h, const char *id);
void connection_new(struct house *h, const char *business, const char *number, char id[static STORE_ID_LEN + 1]);

#endif
