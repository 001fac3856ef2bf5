#!/bin/sh
# Two demo shops on a simulated Meta and 360dialog, until Ctrl-C. `make run` builds and calls it.
#
# It does what a platform does: shops, keys and products go through the public API. A second run finds its data again.
#
#   PORT=8080 SANDBOX_PORT=8900   where they listen      DEMO_DIR=keyhouse-demo   where they keep what they know
set -eu
export no_proxy='*' NO_PROXY='*'
cd "$(dirname "$0")/../.."
bin=${B:-build}
dir=${DEMO_DIR:-keyhouse-demo}
port=${PORT:-8080}
sandbox_port=${SANDBOX_PORT:-8900}
keyhouse=http://127.0.0.1:$port
sandbox=http://127.0.0.1:$sandbox_port

fail()
{
	echo "make run: $*" >&2
	exit 1
}

# curl says 7 where nobody listens.
free_or_fail()
{
	said=0
	curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$1/" || said=$?
	[ "$said" = 7 ] || fail "port $1 is in use; another one: make run $2=$(($1 + 1))"
}

pids=
stop()
{
	trap '' INT TERM HUP EXIT
	for pid in $pids; do kill "$pid" 2>/dev/null || :; done
	wait
}
trap stop EXIT
trap 'stop; exit 0' INT TERM HUP

# ready NAME PID URL: waits until it answers.
ready()
{
	tries=0
	until curl -s -f -o /dev/null --max-time 2 "$3"; do
		tries=$((tries + 1))
		kill -0 "$2" 2>/dev/null || fail "$1 has ended$(grep ' error ' "$dir/keyhouse.log" 2>/dev/null | tail -n 1 | sed 's/.* error /: /')"
		[ $tries -lt 150 ] || fail "$1 does not answer"
		sleep 0.1
	done
}

# The admin token stands in a header file: an argument could be read by others.
api()
{
	curl -sS --fail-with-body -H "@$dir/auth" "$@" || {
		echo >&2
		fail "the API refused: $*"
	}
}

known()
{
	[ "$(curl -sS -o /dev/null -w '%{http_code}' -H "@$dir/auth" "$keyhouse$1")" = 200 ]
}

# shop ID NAME: makes it unless it is there; its connection is read from standard input.
shop()
{
	path=$keyhouse/v1/businesses/$1
	known "/v1/businesses/$1" || api -o /dev/null --json "{\"id\": \"$1\", \"name\": \"$2\"}" "$keyhouse/v1/businesses"
	connection=$(api "$path/connections" | sed -n 's/^{"data":\[{"id":"\([^"]*\)".*/\1/p')
	if [ -z "$connection" ]; then
		api -o /dev/null --json @- "$path/connections"
	else
		# Its webhook, should the port be another one this time.
		api -o /dev/null -X PATCH --json '{"take_over": true}' "$path/connections/$connection"
	fi
	if api "$path/products?limit=1" | grep -q '"data":\[\]'; then
		api -o /dev/null -X PUT --json '{"kind": "catalogue"}' "$path/responder"
		api -o /dev/null -H 'Content-Type: text/csv' --data-binary "@examples/demo/$1.csv" "$path/products"
	fi
	echo "  $2: connected"
}

answers()
{
	curl -sS "$sandbox/sandbox/sent" | grep -o '"wamid"' | wc -l
}

# ask NUMBER PHONE NAME TEXT: a customer asks; waits for the answer.
ask()
{
	before=$(answers)
	curl -sS -f -o /dev/null --json "{\"number\": \"$1\", \"customer\": {\"phone\": \"$2\", \"name\": \"$3\"},
		\"message\": {\"type\": \"text\", \"text\": {\"body\": \"$4\"}}}" "$sandbox/sandbox/messages"
	tries=0
	until [ "$(answers)" -gt "$before" ]; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "\"$4\" was not answered; see $dir/keyhouse.log"
		sleep 0.1
	done
}

# ---------------------------------------------------------------- start
command -v curl >/dev/null || fail "curl is missing: apt-get install curl"
free_or_fail "$port" PORT
free_or_fail "$sandbox_port" SANDBOX_PORT
umask 077
mkdir -p "$dir/data"
cat >"$dir/data/keyhouse.conf" <<END
listen = 127.0.0.1:$port
meta_api_url = $sandbox
meta_media_url = $sandbox
d360_api_url = $sandbox
END

"$bin/keyhouse-sandbox" --listen "127.0.0.1:$sandbox_port" --book examples/demo/book.json --state "$dir/sandbox.json" &
pids=$!
ready sandbox "$!" "$sandbox/sandbox/shops"
"$bin/keyhouse" serve --data-dir "$dir/data" >>"$dir/keyhouse.log" 2>&1 &
pids="$pids $!"
ready Keyhouse "$!" "$keyhouse/readyz"
[ -s "$dir/auth" ] ||
	"$bin/keyhouse" token new --name demo --data-dir "$dir/data" | sed 's/^/Authorization: Bearer /' >"$dir/auth"

# ---------------------------------------------------------------- two shops
shop pauls-electronics "Paul's Electronics" <<END
{"provider": "meta", "app_id": "4200000000000001", "app_secret": "5a1dbox0app0secret0of0pauls0elec",
 "access_token": "EAAGsandboxPaulsElectronicsNotARealTokenZDPAUL", "waba_id": "102290129340398",
 "phone_number_id": "106540352242922"}
END
shop sarahs-fashion "Sarah's Fashion" <<END
{"provider": "360dialog", "api_key": "sandboxSarahsFashionNotARealKey_SARA"}
END

ask 106540352242922 2348012345678 Ada "How much is iPhone 13 Pro?"
ask 206540352242933 4915112345678 Ben "Do you have the ankara dress?"
sleep 3 # their statuses

cat <<END

Two shops are open, each with its own key, on a simulated Meta and a simulated 360dialog.

  phone       $sandbox/phone
  Keyhouse    $keyhouse   (its API: $keyhouse/openapi.yaml)
  by hand     curl -H "@$dir/auth" $keyhouse/v1/businesses/pauls-electronics/messages
  its log     $dir/keyhouse.log

Ctrl-C ends both; what they know stays in $dir/.

END
while kill -0 ${pids% *} 2>/dev/null && kill -0 ${pids#* } 2>/dev/null; do
	sleep 1 &
	wait $!
done
fail "sandbox or Keyhouse has ended; see $dir/keyhouse.log"
