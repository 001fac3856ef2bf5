#!/bin/sh
# Mends CivetWeb 1.15 and writes what the build compiles into a directory.
#
# usage: mend-civetweb.sh SRC_DIR OUT_DIR
#
# Every edit must match exactly as often as it says; otherwise nothing is left
# in OUT_DIR/civetweb.c and the build fails. The functions that the edits call
# are in gateway/http/engine.c; test/unit/http shows what each edit prevents.
set -eu

fail()
{
	echo "mend-civetweb: $*" >&2
	exit 1
}

[ $# -eq 2 ] || fail "usage: mend-civetweb.sh SRC_DIR OUT_DIR"
src=$1
out=$2
mkdir -p "$out"
work=$(mktemp -d "$out/mend.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
rm -f "$out/civetweb.c"
cp "$src/src/civetweb.c" "$work/now.c"

# mend COUNT WHAT SCRIPT: the script writes each line it changed to "hits".
mend()
{
	: >"$work/hits"
	(cd "$work" && sed -e "$3" now.c >next.c)
	hits=$(($(wc -l <"$work/hits")))
	[ "$hits" -eq "$1" ] || fail "\"$2\" matched $hits lines instead of $1; this is not the CivetWeb it was made for"
	mv "$work/next.c" "$work/now.c"
}

mend 1 'one absolute deadline for the head; the buffer is wiped between requests' \
	's/read_message(NULL, conn, conn->buf, conn->buf_size, &conn->data_len);/read_head(conn);/w hits'
mend 1 'one absolute deadline for the body' \
	's/pull_all(NULL, conn, (char \*)buf, (int)len64)/read_body(conn, (char *)buf, (int)len64)/w hits'
mend 1 'only received bytes are parsed' \
	'/if (parse_http_request(conn->buf, /s/conn->buf_size,/conn->data_len,/w hits'
mend 1 'the parsed length is the length of the head' \
	'/if (parse_http_request(conn->buf, /{
		n
		s/<= 0) {/!= conn->request_len) {/w hits
	}'
mend 1 'the headers end on the blank line' \
	'/^parse_http_request(/,/^}/{
		s/num_headers < 0) {/num_headers < 0 || ri->request_method + request_length - buf > 2) {/w hits
	}'
mend 1 'a chunk size cannot overflow' \
	'/^mg_read(/,/^}/s/char lenbuf\[64\];/char lenbuf[16];/w hits'
mend 1 'a chunk size is one number' \
	"/^mg_read(/,/^}/s/(\*end != '.r')) {/(end[0] != '\\\\r') || (end[1] != '\\\\n')) {/w hits"
mend 1 'no copy of the path is left in freed memory' \
	's/tmp = mg_strdup(ri->local_uri_raw);/tmp = (char *)ri->local_uri_raw;/w hits'
mend 1 'the path stays as it was sent' \
	's/^\tremove_dot_segments(tmp);$/\t(void)tmp;/w hits'
mend 1 'who waits for a worker, and who is next, is ours to say' \
	's/^\t\tproduce_socket(ctx, &so);$/\t\tlet_in(ctx, \&so);/w hits'
mend 1 '... also while stopping: a connection that was accepted is served' \
	's/while (consume_socket(ctx, &conn->client, thread_index)) {/while (next_caller(conn)) {/w hits'
mend 1 'listening sockets are inherited, not made' \
	's/if (!set_ports_option(ctx)) {/if (!take_sockets(ctx)) {/w hits'
mend 1 'the stop flag is read atomically' \
	's/sf = mg_atomic_compare_and_swap(f, \*f, v);/sf = mg_atomic_compare_and_swap(f, mg_atomic_add(f, 0), v);/w hits'
mend 1 'a TLS handshake has the same time while stopping, and gives way to others' \
	'/^sslize(/,/^}/s/if (!STOP_FLAG_IS_ZERO(&conn->phys_ctx->stop_flag)) {/if (handshake_ends(conn)) {/w hits'
mend 1 '... and its waits, too' \
	'/^sslize(/,/^}/s/mg_poll(&pfd, 1, 50, &(conn->phys_ctx->stop_flag));/poll(\&pfd, 1, 50);/w hits'
mend 1 'the name of a Unix peer stays inside its buffer' \
	'/^sockaddr_to_string(/,/^}/s/buf\[len\] = 0;/buf[len - 1] = 0;/w hits'

cp "$src/include/civetweb.h" "$src/src/md5.inl" "$src/src/sha1.inl" "$src/src/handle_form.inl" \
	"$src/src/response.inl" "$out/"
mv "$work/now.c" "$out/civetweb.c"
