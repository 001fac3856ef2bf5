#!/bin/sh
# Two demo shops on a simulated Meta and 360dialog, until Ctrl-C. `make run` builds and calls it.
#
# It does what a platform does: shops, keys and products go through the public API. A second run finds its data again.
#
#   PORT=8080 SANDBOX_PORT=8900   where they listen      DEMO_DIR=keyhouse-demo   where they keep what they know
#   KEYHOUSE_...=...              any other setting of Keyhouse
set -eu
export no_proxy='*' NO_PROXY='*' # all is on this machine
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

# Whether nobody listens at a port: curl says 7.
is_free()
{
	case $1 in '' | *[!0-9]*) fail "\"$1\" is no port" ;; esac
	[ "$1" -le 65535 ] || fail "\"$1\" is no port"
	said=0
	curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$1/" || said=$?
	[ "$said" = 7 ]
}

sandbox_pid= keyhouse_pid=
stop()
{
	trap '' INT TERM HUP EXIT
	kill $sandbox_pid $keyhouse_pid 2>/dev/null || :
	wait
}
trap stop EXIT
trap 'stop; echo "Stopped. make run goes on where it was; rm -r $dir forgets it."; exit 0' INT TERM HUP

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

# ask NUMBER PHONE NAME TEXT: a customer asks; waits for the answer, which may be that of a responder somebody set.
ask()
{
	before=$(answers)
	curl -sS -f -o /dev/null --json "{\"number\": \"$1\", \"customer\": {\"phone\": \"$2\", \"name\": \"$3\"},
		\"message\": {\"type\": \"text\", \"text\": {\"body\": \"$4\"}}}" "$sandbox/sandbox/messages"
	tries=0
	until [ "$(answers)" -gt "$before" ]; do
		tries=$((tries + 1))
		if [ $tries -eq 100 ]; then
			echo "  no answer in 10 seconds: does the shop's responder work? See $dir/keyhouse.log"
			return
		fi
		sleep 0.1
	done
}

# ---------------------------------------------------------------- start
command -v curl >/dev/null || fail "curl is missing: apt-get install curl"
umask 077
mkdir -p "$dir/data"
[ ! -e "$dir/data/lock" ] || flock -n "$dir/data/lock" true ||
	fail "another make run works in $dir; beside it: make run PORT=8081 SANDBOX_PORT=8901 DEMO_DIR=keyhouse-demo2"
is_free "$port" || fail "port $port is in use; another one: make run PORT=$((port + 1))"
is_free "$sandbox_port" || fail "port $sandbox_port is in use; another one: make run SANDBOX_PORT=$((sandbox_port + 1))"
export KEYHOUSE_LISTEN="127.0.0.1:$port" KEYHOUSE_META_API_URL="$sandbox" KEYHOUSE_META_MEDIA_URL="$sandbox"
export KEYHOUSE_D360_API_URL="$sandbox" KEYHOUSE_D360_SANDBOX_URL="$sandbox/360dialog-sandbox"
export KEYHOUSE_RESPONDER_ALLOW="${KEYHOUSE_RESPONDER_ALLOW:-127.0.0.1:9000}"

"$bin/keyhouse-sandbox" --listen "127.0.0.1:$sandbox_port" --book examples/demo/book.json --state "$dir/sandbox.json" &
sandbox_pid=$!
ready sandbox $sandbox_pid "$sandbox/sandbox/shops"
"$bin/keyhouse" serve --data-dir "$dir/data" >>"$dir/keyhouse.log" 2>&1 &
keyhouse_pid=$!
ready Keyhouse $keyhouse_pid "$keyhouse/readyz"
[ -s "$dir/auth" ] ||
	"$bin/keyhouse" token new --name demo --data-dir "$dir/data" | sed 's/^/Authorization: Bearer /' >"$dir/auth"

# What Keyhouse says of trouble is worth seeing beside what the sandbox says.
tail -n 0 -F --pid=$keyhouse_pid "$dir/keyhouse.log" 2>/dev/null |
	grep --line-buffered -E ' (warn|error) | a send was ' |
	sed -u -E 's/^[^ ]* +[a-z]+ +[a-z]+ /          Keyhouse: /' &

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
settings=$("$bin/keyhouse" link pauls-electronics --expires-in 86400 --data-dir "$dir/data" 2>/dev/null)

cat <<END

Two shops are open, each with its own key: Paul's at Meta, Sarah's at 360dialog.

  phone      $sandbox/phone
             try "ifone 13", "ear pods" (sold out), "ankra dress" at Sarah's
  settings   $settings
             Paul's own pages; the link opens them once, another: $bin/keyhouse link pauls-electronics --data-dir $dir/data
  Keyhouse   $keyhouse, its API: /openapi.yaml
             curl -H "@$dir/auth" $keyhouse/v1/businesses
  its log    $dir/keyhouse.log

Ctrl-C ends both; what they know stays in $dir/.

END
while :; do
	sleep 1 &
	wait $!
	kill -0 $sandbox_pid 2>/dev/null || fail "the sandbox has ended by itself"
	kill -0 $keyhouse_pid 2>/dev/null || fail "Keyhouse has ended by itself; see $dir/keyhouse.log"
done
