#!/bin/sh
# Breaks one rule of the store, in a copy of one of its files: the power cuts must then find a loss.
#
# usage: break-store.sh WHICH OUT.c
#
# An edit that does not match exactly one line fails: then the store has new words for that rule, and the edit is to follow.
set -eu

fail()
{
	echo "break-store: $*" >&2
	exit 1
}

[ $# -eq 2 ] || fail "usage: break-store.sh WHICH OUT.c"
work=$2.tmp
trap 'rm -f "$work" "$work.next" "$work.hits"' EXIT

# edit SCRIPT: it writes the line that it changed to the file of hits.
edit()
{
	: >"$work.hits"
	sed -e "$1w $work.hits" "$work" >"$work.next"
	hits=$(grep -c "$2" "$work.hits" || true)
	[ "$hits" -eq 1 ] || fail "\"$2\" is on $hits lines instead of one"
	mv "$work.next" "$work"
}

case $1 in
normal) # a commit does not wait for the disk
	cp store/db.c "$work"
	edit 's/synchronous = FULL/synchronous = NORMAL/' 'synchronous'
	;;
early) # callers are answered, then their group is committed
	cp store/writer.c "$work"
	edit 's/query_start(db, "COMMIT")/query_start(db, "SELECT 1")/' 'query_start'
	edit 's/^\tgroup_wake(group);$/&\n\tif (!dead)\n\t\tdead = is_final(db_run(\&w->db, "COMMIT"));/' 'group_wake'
	;;
retry) # a failed commit is not the end: the next one may do better
	cp store/writer.c "$work"
	edit '/query_start(db, "COMMIT")/,/^\t}/s/err = STORE_FAILED;/err = STORE_FULL;/' 'STORE_FULL'
	;;
small) # nothing is broken, but the log is brought into the file every few commits
	cp store/writer.c "$work"
	edit 's/^#define CHECKPOINT_FRAMES 4000 /#define CHECKPOINT_FRAMES 30 /' 'CHECKPOINT_FRAMES'
	;;
*) fail "no such rule: $1" ;;
esac
mv "$work" "$2"
