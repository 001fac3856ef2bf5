# What both files of recipes begin with: how they call, and what they expect. ANSWERS names a directory that keeps every
# answer; status 1 where one is not as expected. No tools beside curl, sed, grep, cmp.
set -eu
: "${BASE_URL:?}" "${CUSTOMER:?}" "${MESSAGE_ID:?}" "${ANSWERS:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

fail() {
	echo "NOT as expected: $1: $(head -c 400 "$answer")"
	exit 1
}

# call STATUS CURL-ARGUMENTS...: as the shop; the answer is in $answer
call() {
	status=$1
	shift
	anyone "$status" -H @"$work/auth" "$@"
}

# The same as nobody in particular.
anyone() {
	wanted=$1
	shift
	count=$((count + 1))
	answer=$ANSWERS/$(basename "$0")-$$-$count
	got=$(curl -sS -o "$answer" -w '%{http_code}' "$@")
	[ "$got" = "$wanted" ] || fail "status $got, not $wanted"
}

# post STATUS URL JSON
post() {
	call "$1" -H 'Content-Type: application/json' -d "$3" "$2"
}

# value NAME: the text of the member with that name, or nothing
value() {
	sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$answer" | sed 's|\\/|/|g'
}

# ok WHAT PATTERN: it is in the answer
ok() {
	grep -Eq "$2" "$answer" || fail "$1"
	echo "ok: $1"
}

# message WHAT MEMBERS: to the customer, at $messages
to="\"messaging_product\": \"whatsapp\", \"recipient_type\": \"individual\", \"to\": \"$CUSTOMER\""
message() {
	post 200 "$messages" "{$to, $2}"
	ok "sent $1 $(grep -o 'wamid\.[^"]*' "$answer" | sed 's|\\/|/|g')" '"messages": *\[ *\{ *"id": *"wamid\.'
}

# downloaded FILE: the answer is that
downloaded() {
	cmp "$answer" "$1" || fail "the file comes back as it went"
	rm "$answer"
	echo "ok: the file comes back as it went"
}
