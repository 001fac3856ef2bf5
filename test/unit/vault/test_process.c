/*
 * Goal of this test: the vault process answers each verb to the roles that may
 * ask it and to no other, bears two clients at once, and ends when a client
 * sends what no honest one would.
 */
#include <sys/stat.h>

#include "test/unit/vault/house.h"
#include "vault/frame.h"
#include "vault/verbs.h"

#define SECRET "0123456789abcdef0123456789abcdef"

/* A house with one tenant's keys and a sealed app secret. */
struct fixture {
	struct house house;
	struct vault_wrapped_key credential, content, index;
	struct vault_context where;
	uint8_t blob[BLOB_LEN(sizeof(SECRET) - 1)];
	char print[VAULT_FINGERPRINT_LEN + 1];
};

static enum vault_error seal_text(struct vault_client *c, const struct fixture *f, const struct vault_context *where,
	const char *text, uint8_t *blob, char print[static VAULT_FINGERPRINT_LEN + 1])
{
	struct secret *s = secret_new(text, strlen(text));
	enum vault_error err;

	assert_non_null(s);
	err = vault_credential_seal(c, &f->credential, where, s, blob, print);
	secret_free(s);
	return err;
}

static enum vault_error new_key(struct vault_client *c, enum vault_purpose purpose, struct vault_wrapped_key *out)
{
	return vault_tenant_key_new(c, DEPLOYMENT, BUSINESS, purpose, 1, out);
}

static void fixture_open(struct fixture *f, const char *key_file)
{
	*f = (struct fixture){0};
	house_open(&f->house, key_file);
	assert_int_equal(new_key(f->house.listener, VAULT_CREDENTIAL, &f->credential), VAULT_OK);
	assert_int_equal(new_key(f->house.listener, VAULT_CONTENT, &f->content), VAULT_OK);
	assert_int_equal(new_key(f->house.listener, VAULT_INDEX, &f->index), VAULT_OK);
	f->where = credential_place("app_secret");
	assert_int_equal(seal_text(f->house.listener, f, &f->where, SECRET, f->blob, f->print), VAULT_OK);
}

static enum vault_error open_it(
	const struct fixture *f, struct vault_client *c, const struct vault_context *where, struct secret **out)
{
	return vault_credential_open(c, "job-1", &f->credential, where, f->blob, sizeof(f->blob), out);
}

static void test_each_verb(void **state)
{
	struct fixture f;
	char id[VAULT_KEY_ID_LEN + 1], again[VAULT_KEY_ID_LEN + 1], print[VAULT_FINGERPRINT_LEN + 1];
	struct vault_content_keys keys, same;
	struct vault_verifier v;
	struct secret *s = NULL;
	uint8_t blob[BLOB_LEN(sizeof(SECRET))];
	/* HMAC-SHA-256 of "body" under SECRET */
	uint8_t tag[32] = {0x61, 0x21, 0x02, 0xa1, 0x75, 0x62, 0x9b, 0xd9, 0x5e, 0xa9, 0xf6, 0xf3, 0x3d, 0x86, 0x73,
		0x6c, 0xf7, 0xf3, 0x1e, 0x3b, 0x43, 0xd4, 0x38, 0xb3, 0x5a, 0x78, 0xfa, 0x58, 0x2e, 0x87, 0xf9, 0x22};

	(void)state;
	fixture_open(&f, NULL);
	assert_int_equal(vault_status(f.house.listener, id), VAULT_OK);
	assert_int_equal(vault_status(f.house.sender, again), VAULT_OK);
	assert_string_equal(id, again);
	assert_string_equal(id, f.credential.master_key_id);
	assert_int_equal(f.credential.version, 1);

	assert_int_equal(
		vault_content_keys_get(f.house.listener, DEPLOYMENT, BUSINESS, &f.content, &f.index, &keys), VAULT_OK);
	assert_int_equal(
		vault_content_keys_get(f.house.listener, DEPLOYMENT, BUSINESS, &f.content, &f.index, &same), VAULT_OK);
	assert_memory_equal(&keys, &same, sizeof(keys));
	assert_int_equal(keys.content_version, 1);
	assert_memory_not_equal(keys.content, keys.index, VAULT_KEY_LEN);

	assert_int_equal(open_it(&f, f.house.sender, &f.where, &s), VAULT_OK);
	assert_int_equal(secret_len(s), strlen(SECRET));
	assert_string_equal((const char *)secret_bytes(s), SECRET);
	secret_free(s);

	assert_int_equal(
		vault_verifier_get(f.house.listener, &f.credential, &f.where, f.blob, sizeof(f.blob), &v), VAULT_OK);
	assert_true(vault_verifier_check(&v, "body", 4, tag));
	tag[31] ^= 1;
	assert_false(vault_verifier_check(&v, "body", 4, tag));

	/* The sender seals too; fingerprints are equal for equal secrets. */
	assert_int_equal(seal_text(f.house.sender, &f, &f.where, SECRET, blob, print), VAULT_OK);
	assert_string_equal(print, f.print);
	assert_memory_not_equal(blob, f.blob, sizeof(f.blob));
	assert_int_equal(seal_text(f.house.sender, &f, &f.where, SECRET "x", blob, print), VAULT_OK);
	assert_string_not_equal(print, f.print);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

/* The longest that is allowed passes every limit of the wire. */
static void test_longest(void **state)
{
	static char text[VAULT_SECRET_MAX + 2];
	static uint8_t blob[BLOB_LEN(VAULT_SECRET_MAX)];
	char print[VAULT_FINGERPRINT_LEN + 1], name[129];
	struct vault_context where = {name, name, "credentials", name, name, UINT64_MAX};
	struct secret *s = NULL;
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	memset(text, 'k', VAULT_SECRET_MAX);
	memset(name, 'n', 128);
	name[128] = 0;
	assert_int_equal(
		vault_tenant_key_new(f.house.listener, name, name, VAULT_CREDENTIAL, UINT32_MAX, &f.credential),
		VAULT_OK);
	assert_int_equal(seal_text(f.house.listener, &f, &where, text, blob, print), VAULT_OK);
	assert_int_equal(
		vault_credential_open(f.house.sender, name, &f.credential, &where, blob, sizeof(blob), &s), VAULT_OK);
	assert_int_equal(secret_len(s), VAULT_SECRET_MAX);
	secret_free(s);
	text[VAULT_SECRET_MAX] = 'k';
	assert_int_equal(seal_text(f.house.listener, &f, &where, text, blob, print), VAULT_BAD_REQUEST);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

static void test_denied_by_role(void **state)
{
	struct fixture f;
	struct vault_wrapped_key key = {.version = 77};
	struct vault_content_keys keys;
	struct vault_verifier v;
	struct secret *s = NULL;
	char id[VAULT_KEY_ID_LEN + 1];

	(void)state;
	fixture_open(&f, NULL);
	assert_int_equal(open_it(&f, f.house.listener, &f.where, &s), VAULT_DENIED);
	assert_null(s);
	assert_int_equal(new_key(f.house.sender, VAULT_CREDENTIAL, &key), VAULT_DENIED);
	assert_int_equal(key.version, 77);
	assert_int_equal(vault_content_keys_get(f.house.sender, DEPLOYMENT, BUSINESS, &f.content, &f.index, &keys),
		VAULT_DENIED);
	assert_int_equal(
		vault_verifier_get(f.house.sender, &f.credential, &f.where, f.blob, sizeof(f.blob), &v), VAULT_DENIED);
	assert_int_equal(vault_status(f.house.listener, id), VAULT_OK); /* and it goes on */
	assert_int_equal(vault_process_denied(f.house.process, VAULT_ROLE_LISTENER), 1);
	assert_int_equal(vault_process_denied(f.house.process, VAULT_ROLE_SENDER), 3);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

/* Says whether it opens, of every field, and brings nothing of it along. */
static void test_check_gives_nothing_back(void **state)
{
	static const char *const fields[] = {"app_secret", "access_token", "api_key", "signing_secret"};
	struct vault_context where, moved;
	struct vault_wrapped_key other;
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		where = credential_place(fields[i]);
		assert_int_equal(seal_text(f.house.listener, &f, &where, SECRET, f.blob, f.print), VAULT_OK);
		assert_int_equal(
			vault_credential_check(f.house.listener, &f.credential, &where, f.blob, sizeof(f.blob)),
			VAULT_OK);
	}
	moved = where;
	moved.record_version++;
	assert_int_equal(vault_credential_check(f.house.listener, &f.credential, &moved, f.blob, sizeof(f.blob)),
		VAULT_BAD_BLOB);
	assert_int_equal(new_key(f.house.listener, VAULT_CREDENTIAL, &other), VAULT_OK);
	assert_int_equal(
		vault_credential_check(f.house.listener, &other, &where, f.blob, sizeof(f.blob)), VAULT_WRONG_KEY);
	assert_int_equal(vault_credential_check(f.house.listener, &f.credential, &where, f.blob, 0), VAULT_BAD_BLOB);
	f.blob[sizeof(f.blob) - 1] ^= 1;
	assert_int_equal(vault_credential_check(f.house.listener, &f.credential, &where, f.blob, sizeof(f.blob)),
		VAULT_BAD_BLOB);
	f.credential.blob[100] ^= 1;
	assert_int_equal(vault_credential_check(f.house.listener, &f.credential, &where, f.blob, sizeof(f.blob)),
		VAULT_BAD_BLOB);
	assert_int_equal(
		vault_credential_check(f.house.sender, &f.credential, &where, f.blob, sizeof(f.blob)), VAULT_DENIED);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

/* What a role may ask in general, but not like this. */
static void test_bad_requests(void **state)
{
	struct fixture f;
	struct vault_context token, elsewhere, nameless;
	struct vault_content_keys keys;
	struct vault_verifier v;
	struct secret *s = NULL;
	char print[VAULT_FINGERPRINT_LEN + 1], id[VAULT_KEY_ID_LEN + 1];
	uint8_t blob[BLOB_LEN(sizeof(SECRET))];

	(void)state;
	fixture_open(&f, NULL);
	token = credential_place("access_token");
	assert_int_equal(seal_text(f.house.listener, &f, &token, SECRET, blob, print), VAULT_OK);
	assert_int_equal(vault_verifier_get(f.house.listener, &f.credential, &token, blob, sizeof(f.blob), &v),
		VAULT_BAD_REQUEST);
	assert_int_equal(vault_verifier_get(f.house.listener, &f.credential, &f.where, blob, sizeof(f.blob), &v),
		VAULT_BAD_BLOB); /* a token does not pass as an app secret */
	elsewhere = f.where;
	elsewhere.table = "events";
	assert_int_equal(seal_text(f.house.listener, &f, &elsewhere, SECRET, blob, print), VAULT_BAD_REQUEST);
	assert_int_equal(open_it(&f, f.house.sender, &elsewhere, &s), VAULT_BAD_REQUEST);
	nameless = f.where;
	nameless.business_id = "";
	assert_int_equal(open_it(&f, f.house.sender, &nameless, &s), VAULT_BAD_REQUEST);
	assert_int_equal(vault_credential_open(f.house.sender, "", &f.credential, &f.where, f.blob, sizeof(f.blob), &s),
		VAULT_BAD_REQUEST);
	assert_int_equal(new_key(f.house.listener, (enum vault_purpose)4, &f.index), VAULT_BAD_REQUEST);
	assert_int_equal(new_key(f.house.listener, (enum vault_purpose)0, &f.index), VAULT_BAD_REQUEST);
	assert_int_equal(
		vault_tenant_key_new(f.house.listener, "", BUSINESS, VAULT_INDEX, 1, &f.index), VAULT_BAD_REQUEST);

	/* One purpose's key is not another's: the credential key never comes out as a content key. */
	assert_int_equal(vault_content_keys_get(f.house.listener, DEPLOYMENT, BUSINESS, &f.credential, &f.index, &keys),
		VAULT_BAD_BLOB);
	assert_int_equal(
		vault_content_keys_get(f.house.listener, DEPLOYMENT, BUSINESS, &f.content, &f.credential, &keys),
		VAULT_BAD_BLOB);
	assert_int_equal(vault_content_keys_get(f.house.listener, DEPLOYMENT, "shop-2", &f.content, &f.index, &keys),
		VAULT_BAD_BLOB);
	assert_int_equal(vault_content_keys_get(f.house.listener, "dep-2", BUSINESS, &f.content, &f.index, &keys),
		VAULT_BAD_BLOB);
	assert_null(s);
	assert_int_equal(vault_status(f.house.listener, id), VAULT_OK);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

/* A credential opens in its own place with its own key only. */
static void test_moved_credential(void **state)
{
	struct fixture f;
	struct vault_context moved[5];
	struct vault_wrapped_key other;
	struct secret *s = NULL;

	(void)state;
	fixture_open(&f, NULL);
	for (int i = 0; i < 5; i++)
		moved[i] = f.where;
	moved[0].deployment_id = "dep-2";
	moved[1].business_id = "shop-2";
	moved[2].record_id = "conn-2";
	moved[3].field = "access_token";
	moved[4].record_version = 2;
	for (int i = 0; i < 5; i++)
		assert_int_equal(open_it(&f, f.house.sender, &moved[i], &s), VAULT_BAD_BLOB);
	other = f.credential;
	assert_int_equal(new_key(f.house.listener, VAULT_CREDENTIAL, &f.credential), VAULT_OK);
	assert_int_equal(open_it(&f, f.house.sender, &f.where, &s), VAULT_WRONG_KEY);
	f.credential = other;
	f.credential.version = 2;
	assert_int_equal(open_it(&f, f.house.sender, &f.where, &s), VAULT_BAD_BLOB);
	f.credential.blob[11] = 2; /* the header rewritten to agree */
	assert_int_equal(open_it(&f, f.house.sender, &f.where, &s), VAULT_WRONG_KEY);
	f.credential = other;
	for (size_t at = 0; at < VAULT_WRAPPED_LEN; at++) {
		f.credential.blob[at] ^= 0x10;
		assert_int_not_equal(open_it(&f, f.house.sender, &f.where, &s), VAULT_OK);
		f.credential.blob[at] ^= 0x10;
	}
	assert_int_equal(open_it(&f, f.house.sender, &f.where, &s), VAULT_OK);
	secret_free(s);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

#define KEY_1 "5ba00ca788a059c3 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define KEY_2 "5cfc87383fa64a72 ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n"
#define M "keyhouse-master-key-1 "

static void test_previous_master_key(void **state)
{
	struct fixture old, f;
	struct secret *s = NULL;

	(void)state;
	fixture_open(&old, M "current " KEY_1);
	assert_int_equal(house_close(&old.house), VAULT_OK);
	assert_string_equal(old.credential.master_key_id, "5ba00ca788a059c3");

	fixture_open(&f, M "previous " KEY_1 M "current " KEY_2);
	assert_string_equal(f.credential.master_key_id, "5cfc87383fa64a72");
	assert_int_equal(open_it(&old, f.house.sender, &old.where, &s), VAULT_OK);
	secret_free(s);
	assert_int_equal(house_close(&f.house), VAULT_OK);

	fixture_open(&f, M "current " KEY_2);
	s = NULL;
	assert_int_equal(open_it(&old, f.house.sender, &old.where, &s), VAULT_WRONG_KEY);
	assert_null(s);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

/* Sends raw bytes as a role and tells how serve ended. The clients are told the vault is gone. */
static enum vault_error send_garbage(const void *data, size_t len, bool as_sender)
{
	struct house h = {0};
	char id[VAULT_KEY_ID_LEN + 1];

	house_open(&h, NULL);
	assert_int_equal(send(as_sender ? h.raw_sender : h.raw_listener, data, len, MSG_NOSIGNAL), (ssize_t)len);
	pthread_join(h.thread, NULL);
	assert_int_equal(vault_status(h.listener, id), VAULT_GONE);
	assert_int_equal(vault_status(h.sender, id), VAULT_GONE);
	assert_int_equal(vault_status(h.sender, id), VAULT_GONE);
	vault_client_free(h.listener);
	vault_client_free(h.sender);
	vault_process_close(h.process);
	return h.ended;
}

static void test_garbage_ends_it(void **state)
{
	static const uint8_t unknown[] = {0, 0, 0, 0, 99};
	static const uint8_t answer[] = {0, 0, 0, 0, VERB_STATUS | VERB_ANSWER};
	static const uint8_t left_over[] = {0, 0, 0, 1, VERB_STATUS, 0};
	static const uint8_t empty[] = {0, 0, 0, 0, VERB_SEAL};
	static const uint8_t too_long[] = {0, 1, 0, 0, VERB_OPEN};
	static const uint8_t bad_text[] = {0, 0, 0, 9, VERB_TENANT_KEY_NEW, 0, 0, 0, 5, 'a', 'b', 'c', 'd', 'e'};
	uint8_t noise[64];

	(void)state;
	for (int as_sender = 0; as_sender < 2; as_sender++) {
		assert_int_equal(send_garbage(unknown, sizeof(unknown), as_sender), VAULT_BAD_REQUEST);
		assert_int_equal(send_garbage(answer, sizeof(answer), as_sender), VAULT_BAD_REQUEST);
		assert_int_equal(send_garbage(left_over, sizeof(left_over), as_sender), VAULT_BAD_REQUEST);
		assert_int_equal(send_garbage(empty, sizeof(empty), as_sender), VAULT_BAD_REQUEST);
		memset(noise, 0xee, sizeof(noise));
		assert_int_equal(send_garbage(noise, sizeof(noise), as_sender), VAULT_BAD_REQUEST);
	}
	assert_int_equal(send_garbage(too_long, sizeof(too_long), true), VAULT_BAD_REQUEST);
	assert_int_equal(send_garbage(bad_text, sizeof(bad_text), false), VAULT_BAD_REQUEST);
}

/* Half a message, then the end of the socket. */
static void test_cut_short(void **state)
{
	static const uint8_t half[] = {0, 0, 0, 9, VERB_TENANT_KEY_NEW, 0, 0};
	struct house h = {0};

	(void)state;
	house_open(&h, NULL);
	assert_int_equal(send(h.raw_sender, half, sizeof(half), 0), (ssize_t)sizeof(half));
	shutdown(h.raw_sender, SHUT_WR);
	pthread_join(h.thread, NULL);
	assert_int_equal(h.ended, VAULT_BAD_REQUEST);
	vault_client_free(h.listener);
	vault_client_free(h.sender);
	vault_process_close(h.process);
}

/* One client stalls inside a message, or asks without ever reading; the other is served. */
static void test_slow_client(void **state)
{
	static const uint8_t half[] = {0, 0, 0, 100, VERB_OPEN, 0, 0};
	static const uint8_t ask[] = {0, 0, 0, 0, VERB_STATUS};
	char id[VAULT_KEY_ID_LEN + 1];
	struct house h = {0};
	int asked = 0;

	(void)state;
	house_open(&h, NULL);
	assert_int_equal(send(h.raw_sender, half, sizeof(half), 0), (ssize_t)sizeof(half));
	for (int i = 0; i < 100; i++)
		assert_int_equal(vault_status(h.listener, id), VAULT_OK);
	assert_int_equal(house_close(&h), VAULT_OK);

	house_open(&h, NULL);
	for (int misses = 0; misses < 50 && asked < 1000000;) {
		if (send(h.raw_sender, ask, sizeof(ask), MSG_DONTWAIT) == (ssize_t)sizeof(ask)) {
			asked++;
			misses = 0;
		} else {
			misses++;
			usleep(1000);
		}
	}
	assert_true(asked > 10 && asked < 1000000); /* the vault stopped reading */
	for (int i = 0; i < 100; i++)
		assert_int_equal(vault_status(h.listener, id), VAULT_OK);
	for (; asked > 0; asked--) { /* and no answer was lost */
		uint8_t answer[27];

		assert_int_equal(recv(h.raw_sender, answer, sizeof(answer), MSG_WAITALL), (ssize_t)sizeof(answer));
		assert_int_equal(answer[4], VERB_STATUS | VERB_ANSWER);
	}
	assert_int_equal(vault_status(h.sender, id), VAULT_OK);
	assert_int_equal(house_close(&h), VAULT_OK);
}

struct asking {
	const struct fixture *f;
	int errors;
};

static void *ask_as_listener(void *arg)
{
	struct asking *a = arg;
	struct vault_content_keys keys;
	struct vault_verifier v;

	for (int i = 0; i < 300; i++) {
		const struct fixture *f = a->f;

		a->errors += vault_content_keys_get(f->house.listener, DEPLOYMENT, BUSINESS, &f->content, &f->index,
				     &keys) != VAULT_OK;
		a->errors += vault_verifier_get(f->house.listener, &f->credential, &f->where, f->blob, sizeof(f->blob),
				     &v) != VAULT_OK;
	}
	return NULL;
}

static void *ask_as_sender(void *arg)
{
	struct asking *a = arg;

	for (int i = 0; i < 300; i++) {
		struct secret *s = NULL;

		a->errors += open_it(a->f, a->f->house.sender, &a->f->where, &s) != VAULT_OK;
		a->errors += s == NULL || memcmp(secret_bytes(s), SECRET, strlen(SECRET)) != 0;
		secret_free(s);
	}
	return NULL;
}

static void test_two_clients_of_many_threads(void **state)
{
	struct fixture f;
	pthread_t threads[4];
	struct asking asking[4];

	(void)state;
	fixture_open(&f, NULL);
	for (int i = 0; i < 4; i++) {
		asking[i] = (struct asking){&f, 0};
		assert_int_equal(
			pthread_create(&threads[i], NULL, i % 2 ? ask_as_sender : ask_as_listener, &asking[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(asking[i].errors, 0);
	}
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

/* From one version of a tenant key to the next: it opens there with the same place and nowhere else. */
static void test_credential_rewrap(void **state)
{
	struct fixture f;
	struct vault_wrapped_key next;
	uint8_t blob[sizeof(f.blob)], same[sizeof(f.blob)];
	char print[VAULT_FINGERPRINT_LEN + 1], other[VAULT_FINGERPRINT_LEN + 1];
	struct vault_context elsewhere;
	struct secret *s = NULL;

	(void)state;
	fixture_open(&f, NULL);
	assert_int_equal(
		vault_tenant_key_new(f.house.listener, DEPLOYMENT, BUSINESS, VAULT_CREDENTIAL, 2, &next), VAULT_OK);
	assert_int_equal(vault_credential_rewrap(
				 f.house.listener, &f.credential, &next, &f.where, f.blob, sizeof(f.blob), blob, print),
		VAULT_OK);
	assert_int_equal(
		vault_credential_open(f.house.sender, "job", &next, &f.where, blob, sizeof(blob), &s), VAULT_OK);
	assert_string_equal((const char *)secret_bytes(s), SECRET);
	secret_free(s);
	assert_int_equal(vault_credential_open(f.house.sender, "job", &f.credential, &f.where, blob, sizeof(blob), &s),
		VAULT_WRONG_KEY);
	assert_int_equal(vault_credential_open(f.house.sender, "job", &next, &f.where, f.blob, sizeof(f.blob), &s),
		VAULT_WRONG_KEY);
	/* The fingerprint is what sealing it there would give. */
	f.credential = next;
	assert_int_equal(seal_text(f.house.listener, &f, &f.where, SECRET, same, other), VAULT_OK);
	assert_string_equal(print, other);
	assert_string_not_equal(print, f.print);
	/* Another place, a content key in its stead, a business of another name, the other role. */
	elsewhere = f.where;
	elsewhere.field = "access_token";
	assert_int_equal(
		vault_credential_rewrap(f.house.listener, &next, &next, &elsewhere, blob, sizeof(blob), same, other),
		VAULT_BAD_BLOB);
	assert_int_equal(
		vault_credential_rewrap(f.house.listener, &next, &f.content, &f.where, blob, sizeof(blob), same, other),
		VAULT_BAD_BLOB);
	elsewhere = f.where;
	elsewhere.business_id = "shop-2";
	assert_int_equal(
		vault_credential_rewrap(f.house.listener, &next, &next, &elsewhere, blob, sizeof(blob), same, other),
		VAULT_BAD_BLOB);
	assert_int_equal(
		vault_credential_rewrap(f.house.sender, &next, &next, &f.where, blob, sizeof(blob), same, other),
		VAULT_DENIED);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

static enum vault_error keys_of(struct fixture *f, struct vault_content_keys *out)
{
	return vault_content_keys_get(f->house.listener, DEPLOYMENT, BUSINESS, &f->content, &f->index, out);
}

static enum vault_error rewrap(
	struct vault_client *c, const char *business, enum vault_purpose purpose, struct vault_wrapped_key *key)
{
	struct vault_rewrap one = {business, purpose, *key, VAULT_OK};
	enum vault_error err = vault_tenant_keys_rewrap(c, DEPLOYMENT, &one, 1);

	*key = one.key;
	return err != VAULT_OK ? err : one.err;
}

static int read_only(const char *path)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	return fd;
}

/* The vault runs, takes a key file with a fresh key, wraps anew, takes one without the older key; a file without the key in
 * use, a bad one and one that others may read are refused and change nothing. */
static void test_another_key_file(void **state)
{
	struct fixture f;
	char path[64], other_path[64], first[VAULT_KEY_ID_LEN + 1], id[VAULT_KEY_ID_LEN + 1];
	struct vault_content_keys before, after;
	unsigned gone = 0;
	int old, fresh, other, last;

	(void)state;
	fixture_open(&f, NULL);
	assert_int_equal(vault_status(f.house.listener, first), VAULT_OK);
	assert_int_equal(keys_of(&f, &before), VAULT_OK);
	old = read_only(f.house.key_path);
	fresh = text_file("", path);
	assert_int_equal(vault_key_file_rotate(old, fresh), VAULT_OK);
	other = text_file("", other_path);
	assert_int_equal(vault_key_file_create(other), VAULT_OK);

	assert_int_equal(vault_key_pass(f.house.keys, other, 5000), VAULT_WRONG_KEY);
	assert_int_equal(ftruncate(other, 10), 0);
	assert_int_equal(vault_key_pass(f.house.keys, other, 5000), VAULT_KEY_FILE);
	assert_int_equal(fchmod(fresh, 0644), 0);
	assert_int_equal(vault_key_pass(f.house.keys, fresh, 5000), VAULT_KEY_FILE_OPEN_TO_OTHERS);
	assert_int_equal(fchmod(fresh, 0600), 0);
	assert_int_equal(vault_status(f.house.listener, id), VAULT_OK);
	assert_string_equal(id, first);

	assert_int_equal(vault_key_pass(f.house.keys, fresh, 5000), VAULT_OK);
	assert_int_equal(vault_status(f.house.listener, id), VAULT_OK);
	assert_string_not_equal(id, first);
	assert_int_equal(keys_of(&f, &after), VAULT_OK); /* under the previous one */
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(rewrap(f.house.listener, BUSINESS, VAULT_CONTENT, &f.content), VAULT_OK);
	assert_string_equal(f.content.master_key_id, id);
	assert_int_equal(rewrap(f.house.listener, BUSINESS, VAULT_CONTENT, &f.index), VAULT_BAD_BLOB);
	assert_int_equal(rewrap(f.house.sender, BUSINESS, VAULT_INDEX, &f.index), VAULT_DENIED);
	assert_int_equal(rewrap(f.house.listener, BUSINESS, VAULT_INDEX, &f.index), VAULT_OK);
	assert_int_equal(keys_of(&f, &after), VAULT_OK);
	assert_memory_equal(&before, &after, sizeof(before));

	/* Without the first one: what was wrapped anew opens, what was not does not. */
	close(other);
	unlink(other_path);
	last = text_file("", other_path);
	assert_int_equal(vault_key_file_retire(fresh, last, NULL, 0, &gone), VAULT_OK);
	assert_int_equal(gone, 1);
	assert_int_equal(vault_key_pass(f.house.keys, last, 5000), VAULT_OK);
	assert_int_equal(keys_of(&f, &after), VAULT_OK);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(rewrap(f.house.listener, BUSINESS, VAULT_CREDENTIAL, &f.credential), VAULT_WRONG_KEY);
	close(old);
	close(fresh);
	close(last);
	unlink(path);
	unlink(other_path);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

/* As many as fit one question, with the longest names; one that does not open and one of a purpose that does not exist
 * leave the others. */
static void test_many_keys_at_once(void **state)
{
	static struct vault_rewrap keys[VAULT_REWRAP_MAX + 1];
	struct vault_wrapped_key made[VAULT_REWRAP_MAX];
	char names[VAULT_REWRAP_MAX][BLOB_TEXT_MAX + 1];
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	for (unsigned i = 0; i < VAULT_REWRAP_MAX; i++) {
		memset(names[i], 'n', BLOB_TEXT_MAX);
		names[i][0] = (char)('0' + i);
		names[i][BLOB_TEXT_MAX] = '\0';
		assert_int_equal(
			vault_tenant_key_new(f.house.listener, DEPLOYMENT, names[i], VAULT_INDEX, i + 1, &made[i]),
			VAULT_OK);
		keys[i] = (struct vault_rewrap){names[i], VAULT_INDEX, made[i], VAULT_GONE};
	}
	keys[3].key.blob[VAULT_WRAPPED_LEN - 1] ^= 1;
	keys[5].business_id = names[6];
	keys[7].purpose = (enum vault_purpose)9;
	assert_int_equal(vault_tenant_keys_rewrap(f.house.listener, DEPLOYMENT, keys, VAULT_REWRAP_MAX), VAULT_OK);
	for (unsigned i = 0; i < VAULT_REWRAP_MAX; i++) {
		const enum vault_error want = i == 7 ? VAULT_BAD_REQUEST : i == 3 || i == 5 ? VAULT_BAD_BLOB : VAULT_OK;

		assert_int_equal(keys[i].err, want);
		assert_int_equal(keys[i].key.version, i + 1);
		if (want != VAULT_OK)
			continue;
		assert_memory_not_equal(keys[i].key.blob, made[i].blob, VAULT_WRAPPED_LEN);
		assert_int_equal(rewrap(f.house.listener, names[i], VAULT_INDEX, &keys[i].key), VAULT_OK);
	}
	assert_memory_equal(keys[5].key.blob, made[5].blob, VAULT_WRAPPED_LEN);
	assert_int_equal(vault_tenant_keys_rewrap(f.house.listener, DEPLOYMENT, keys, 0), VAULT_OK);
	assert_int_equal(
		vault_tenant_keys_rewrap(f.house.listener, DEPLOYMENT, keys, VAULT_REWRAP_MAX + 1), VAULT_BAD_REQUEST);
	keys[1].business_id = "";
	assert_int_equal(vault_tenant_keys_rewrap(f.house.listener, DEPLOYMENT, keys, 2), VAULT_BAD_REQUEST);
	assert_int_equal(keys_of(&f, &(struct vault_content_keys){0}), VAULT_OK); /* none of it ended the vault */
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

/* What no supervisor sends ends the vault, as from any client. */
static void test_nonsense_for_a_key_file(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	assert_int_equal(write(f.house.keys, "x", 1), 1);
	assert_int_equal(vault_key_pass(f.house.keys, -1, 5000), VAULT_GONE);
	assert_int_equal(house_close(&f.house), VAULT_BAD_REQUEST);
}

static void test_no_clients(void **state)
{
	struct vault_process *p = NULL;
	char path[64];
	int fd = text_file("", path);

	(void)state;
	assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	assert_int_equal(vault_process_open(&p, fd), VAULT_OK);
	assert_int_equal(vault_process_serve(p, -1, -1, -1), VAULT_OK);
	vault_process_close(p);
	vault_process_close(NULL);
	vault_client_free(NULL);
	unlink(path);
}

/* A client whose vault answers nonsense gives nothing out and gives up. */
static void test_nonsense_answers(void **state)
{
	static const struct {
		uint8_t bytes[16];
		size_t len;
	} answers[] = {
		{{0, 0, 0, 1, VERB_OPEN | VERB_ANSWER, VAULT_OK}, 6}, /* to another question */
		{{0, 0, 0, 0, VERB_STATUS | VERB_ANSWER}, 5},
		{{0, 0, 0, 1, VERB_STATUS | VERB_ANSWER, VAULT_OK}, 6},
		{{0, 0, 0, 1, VERB_STATUS | VERB_ANSWER, 200}, 6},
		{{0, 0, 0, 2, VERB_STATUS | VERB_ANSWER, VAULT_DENIED, 0}, 7},
		{{0, 0, 0, 8, VERB_STATUS | VERB_ANSWER, VAULT_OK, 0, 0, 0, 3, 'a', 'b', 0}, 13},
		{{0, 0, 0, 1, VERB_STATUS | VERB_ANSWER}, 5},
	};
	static const uint8_t good[27] = {0, 0, 0, 22, VERB_STATUS | VERB_ANSWER, VAULT_OK, 0, 0, 0, 17, '0', '1', '2',
		'3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 0};
	char id[VAULT_KEY_ID_LEN + 1] = "unchanged";

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct vault_client *c;
		int fd[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		c = vault_client_new(fd[0]);
		assert_non_null(c);
		assert_int_equal(send(fd[1], answers[i].bytes, answers[i].len, 0), (ssize_t)answers[i].len);
		if (i + 1 == sizeof(answers) / sizeof(answers[0]))
			shutdown(fd[1], SHUT_WR);
		assert_int_equal(vault_status(c, id), VAULT_GONE);
		if (i + 1 < sizeof(answers) / sizeof(answers[0]))
			assert_int_equal(send(fd[1], good, sizeof(good), 0), (ssize_t)sizeof(good));
		assert_int_equal(vault_status(c, id), VAULT_GONE); /* although a good answer lies there */
		assert_string_equal(id, "unchanged");
		vault_client_free(c);
		close(fd[1]);
	}
}

static int begin(void **state)
{
	(void)state;
	return vault_init() == VAULT_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_verb),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_denied_by_role),
		cmocka_unit_test(test_check_gives_nothing_back),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_moved_credential),
		cmocka_unit_test(test_previous_master_key),
		cmocka_unit_test(test_garbage_ends_it),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_two_clients_of_many_threads),
		cmocka_unit_test(test_credential_rewrap),
		cmocka_unit_test(test_another_key_file),
		cmocka_unit_test(test_many_keys_at_once),
		cmocka_unit_test(test_nonsense_for_a_key_file),
		cmocka_unit_test(test_no_clients),
		cmocka_unit_test(test_nonsense_answers),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
