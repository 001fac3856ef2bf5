/*
 * Goal of this test: frames carry what was put in, and a reader refuses
 * whatever is cut short, too long, left over or of an unknown type.
 */
#include "test/unit/vault/house.h"
#include "vault/frame.h"

static const struct frame_limit limits[] = {{7, 4096}, {9, 0}, {11, 1u << 20}};
#define LIMITS limits, sizeof(limits) / sizeof(limits[0])

static void pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
}

static void send_raw(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void fill(struct frame *f)
{
	frame_put_u8(f, 0xfe);
	frame_put_u32(f, 0x01020304);
	frame_put_u64(f, UINT64_MAX - 1);
	frame_put_bytes(f, "a\0b", 3);
	frame_put_bytes(f, NULL, 0);
	frame_put_text(f, "shop");
	frame_put_text(f, NULL);
}

static void check_filled(struct frame *f)
{
	const uint8_t *bytes;
	size_t len;

	assert_int_equal(frame_get_u8(f), 0xfe);
	assert_int_equal(frame_get_u32(f), 0x01020304);
	assert_true(frame_get_u64(f) == UINT64_MAX - 1);
	bytes = frame_get_bytes(f, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(bytes, "a\0b", 3);
	frame_get_bytes(f, &len);
	assert_int_equal(len, 0);
	assert_string_equal(frame_get_text(f), "shop");
	assert_false(frame_end(f));
	assert_string_equal(frame_get_text(f), "");
	assert_true(frame_end(f));
}

static void test_roundtrip(void **state)
{
	struct frame out = FRAME_INIT(7), in = FRAME_INIT(0);
	int fd[2];

	(void)state;
	pair(fd);
	fill(&out);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(frame_send(fd[0], &out), FRAME_OK);
		assert_int_equal(frame_recv(fd[1], LIMITS, &in), FRAME_OK);
		assert_int_equal(in.type, 7);
		check_filled(&in);
	}
	frame_reset(&out, 9);
	assert_int_equal(frame_send(fd[0], &out), FRAME_OK);
	assert_int_equal(frame_recv(fd[1], LIMITS, &in), FRAME_OK);
	assert_int_equal(in.type, 9);
	assert_true(frame_end(&in));
	frame_clear(&out);
	frame_clear(&out);
	assert_int_equal(frame_send(fd[0], &out), FRAME_OK); /* a body that never had memory */
	assert_int_equal(frame_recv(fd[1], LIMITS, &in), FRAME_OK);
	frame_clear(&in);
	close(fd[0]);
	close(fd[1]);
}

static void test_wire_form(void **state)
{
	static const uint8_t wire[] = {0, 0, 0, 12, 7, 0x2a, 0, 0, 0, 7, 0, 0, 0, 3, 'o', 'k', 0};
	struct frame out = FRAME_INIT(7);
	uint8_t got[sizeof(wire) + 1];
	int fd[2];

	(void)state;
	pair(fd);
	frame_put_u8(&out, 0x2a);
	frame_put_u32(&out, 7);
	frame_put_text(&out, "ok");
	assert_int_equal(frame_send(fd[0], &out), FRAME_OK);
	assert_int_equal(recv(fd[1], got, sizeof(got), 0), (ssize_t)sizeof(wire));
	assert_memory_equal(got, wire, sizeof(wire));
	frame_clear(&out);
	close(fd[0]);
	close(fd[1]);
}

/* Every read past the end is zero and is remembered. */
static void test_every_truncation(void **state)
{
	struct frame f = FRAME_INIT(7);
	size_t whole, len;

	(void)state;
	fill(&f);
	whole = f.len;
	for (f.len = 0; f.len < whole; f.len++) {
		f.pos = 0;
		f.bad = false;
		frame_get_u8(&f);
		frame_get_u32(&f);
		frame_get_u64(&f);
		frame_get_bytes(&f, &len);
		frame_get_bytes(&f, &len);
		frame_get_text(&f);
		assert_string_equal(frame_get_text(&f), "");
		assert_false(frame_end(&f));
		assert_true(f.bad);
		f.pos = 0; /* bad stays bad */
		assert_int_equal(frame_get_u8(&f), 0);
		assert_null(frame_get_bytes(&f, &len));
		assert_int_equal(len, 0);
	}
	frame_clear(&f);
}

static void test_bad_text(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {{"", 0}, {"abc", 3}, {"a\0b", 4}, {"\0", 2}};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct frame f = FRAME_INIT(7);

		frame_put_bytes(&f, bad[i].bytes, bad[i].len);
		assert_string_equal(frame_get_text(&f), "");
		assert_true(f.bad);
		frame_clear(&f);
	}
}

static void test_length_past_the_end(void **state)
{
	struct frame f = FRAME_INIT(7);
	size_t len;

	(void)state;
	frame_put_u32(&f, UINT32_MAX);
	frame_put_u8(&f, 1);
	assert_null(frame_get_bytes(&f, &len));
	assert_true(f.bad);
	frame_clear(&f);
}

/* What a reader says to these bytes, after which the other side closes. */
static enum frame_error read_raw(const void *data, size_t len)
{
	struct frame in = FRAME_INIT(0);
	enum frame_error err;
	int fd[2];

	pair(fd);
	send_raw(fd[0], data, len);
	close(fd[0]);
	err = frame_recv(fd[1], LIMITS, &in);
	frame_clear(&in);
	close(fd[1]);
	return err;
}

static void test_refused_messages(void **state)
{
	static const uint8_t unknown[] = {0, 0, 0, 0, 8};
	static const uint8_t over[] = {0, 0, 0x10, 1, 7};
	static const uint8_t over_zero[] = {0, 0, 0, 1, 9, 0};
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 7};
	static const uint8_t cut[] = {0, 0, 0, 2, 7, 1};

	(void)state;
	assert_int_equal(read_raw(unknown, sizeof(unknown)), FRAME_MALFORMED);
	assert_int_equal(read_raw(over, sizeof(over)), FRAME_MALFORMED);
	assert_int_equal(read_raw(over_zero, sizeof(over_zero)), FRAME_MALFORMED);
	assert_int_equal(read_raw(huge, sizeof(huge)), FRAME_MALFORMED);
	for (size_t len = 1; len <= sizeof(cut); len++)
		assert_int_equal(read_raw(cut, len), FRAME_MALFORMED);
	assert_int_equal(read_raw("", 0), FRAME_CLOSED);
}

static void test_limit_is_reached(void **state)
{
	struct frame out = FRAME_INIT(7), in = FRAME_INIT(0);
	uint8_t body[4096 - 4];
	int fd[2];

	(void)state;
	pair(fd);
	memset(body, 'x', sizeof(body));
	frame_put_bytes(&out, body, sizeof(body));
	assert_int_equal(out.len, 4096);
	assert_int_equal(frame_send(fd[0], &out), FRAME_OK);
	assert_int_equal(frame_recv(fd[1], LIMITS, &in), FRAME_OK);
	frame_put_u8(&out, 0);
	assert_int_equal(frame_send(fd[0], &out), FRAME_OK);
	assert_int_equal(frame_recv(fd[1], LIMITS, &in), FRAME_MALFORMED);
	assert_int_equal(in.len, 0);
	frame_clear(&out);
	frame_clear(&in);
	close(fd[0]);
	close(fd[1]);
}

static void test_inbox_byte_at_a_time(void **state)
{
	struct frame out = FRAME_INIT(7);
	struct frame_inbox in = {0};
	bool complete = false;
	uint8_t wire[256];
	ssize_t len;
	int fd[2], up[2];

	(void)state;
	pair(fd);
	pair(up);
	fill(&out);
	assert_int_equal(frame_send(fd[0], &out), FRAME_OK);
	frame_reset(&out, 9);
	assert_int_equal(frame_send(fd[0], &out), FRAME_OK);
	len = recv(fd[1], wire, sizeof(wire), 0);
	for (ssize_t i = 0; i < len; i++) {
		assert_int_equal(frame_inbox_read(up[1], &in, LIMITS, &complete), FRAME_OK);
		assert_false(complete);
		send_raw(up[0], wire + i, 1);
		assert_int_equal(frame_inbox_read(up[1], &in, LIMITS, &complete), FRAME_OK);
		assert_int_equal(complete, i == len - 6 || i == len - 1);
		if (i == len - 6)
			check_filled(&in.body);
	}
	assert_int_equal(in.body.type, 9);
	send_raw(up[0], wire, (size_t)len); /* both at once: one a call */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(frame_inbox_read(up[1], &in, LIMITS, &complete), FRAME_OK);
		assert_true(complete);
		assert_int_equal(in.body.type, i == 0 ? 7 : 9);
		frame_reset(&in.body, 0); /* wiped by its reader at once */
	}
	send_raw(up[0], wire, 6);
	close(up[0]);
	assert_int_equal(frame_inbox_read(up[1], &in, LIMITS, &complete), FRAME_MALFORMED);
	frame_inbox_clear(&in);
	assert_int_equal(frame_inbox_read(up[1], &in, LIMITS, &complete), FRAME_CLOSED);
	frame_inbox_clear(&in);
	frame_clear(&out);
	close(fd[0]);
	close(fd[1]);
	close(up[1]);
}

static void *receive_one(void *arg)
{
	struct frame in = FRAME_INIT(0);
	static enum frame_error err;

	err = frame_recv(*(int *)arg, LIMITS, &in);
	if (err == FRAME_OK && (in.len != 900004 || in.data[900003] != 0x55))
		err = FRAME_MALFORMED;
	frame_clear(&in);
	return &err;
}

/* More than a socket buffer: frame_send waits, frame_send_some does not; and with sockets that do not block. */
static void test_large_message(void **state)
{
	struct frame out = FRAME_INIT(11);
	uint8_t *body = malloc(900000);
	bool complete = true;
	pthread_t thread;
	size_t sent = 0;
	void *result;
	int fd[2];

	(void)state;
	assert_non_null(body);
	memset(body, 0x55, 900000);
	frame_put_bytes(&out, body, 900000);
	for (int blocking = 0; blocking < 2; blocking++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | (blocking ? 0 : SOCK_NONBLOCK), 0, fd), 0);
		assert_int_equal(pthread_create(&thread, NULL, receive_one, &fd[1]), 0);
		assert_int_equal(frame_send(fd[0], &out), FRAME_OK);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_int_equal(*(enum frame_error *)result, FRAME_OK);
		sent = 0;
		assert_int_equal(frame_send_some(fd[0], &out, &sent, &complete), FRAME_OK);
		assert_false(complete);
		assert_true(sent > 5 && sent < out.len);
		close(fd[1]);
		assert_int_equal(frame_send_some(fd[0], &out, &sent, &complete), FRAME_CLOSED);
		assert_int_equal(frame_send(fd[0], &out), FRAME_CLOSED); /* and no SIGPIPE */
		close(fd[0]);
	}
	assert_int_equal(frame_send(-1, &out), FRAME_IO);
	frame_clear(&out);
	free(body);
}

static void test_too_large_to_build(void **state)
{
	struct frame f = FRAME_INIT(7);
	int fd[2];

	(void)state;
	pair(fd);
	frame_put_u8(&f, 1);
	frame_put_bytes(&f, "", SIZE_MAX);
	frame_put_bytes(&f, "", FRAME_BODY_MAX);
	assert_true(f.failed);
	assert_int_equal(frame_send(fd[0], &f), FRAME_NO_MEMORY);
	frame_reset(&f, 9);
	assert_int_equal(frame_send(fd[0], &f), FRAME_OK);
	frame_clear(&f);
	close(fd[0]);
	close(fd[1]);
}

static void test_reset_wipes(void **state)
{
	struct frame f = FRAME_INIT(7);
	uint8_t zero[64] = {0};

	(void)state;
	frame_put_bytes(&f, "a secret that must not stay", 27);
	frame_reset(&f, 7);
	assert_memory_equal(f.data, zero, 31);
	frame_clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip),
		cmocka_unit_test(test_wire_form),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_length_past_the_end),
		cmocka_unit_test(test_refused_messages),
		cmocka_unit_test(test_limit_is_reached),
		cmocka_unit_test(test_inbox_byte_at_a_time),
		cmocka_unit_test(test_large_message),
		cmocka_unit_test(test_too_large_to_build),
		cmocka_unit_test(test_reset_wipes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
