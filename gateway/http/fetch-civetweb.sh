#!/bin/sh
# Puts Debian's pinned CivetWeb source tarball into a directory.
#
# usage: fetch-civetweb.sh DIR
#
# CIVETWEB_TARBALL names a local copy. Without it apt fetches the tarball from
# the mirror that this machine already uses, with private lists: neither root
# nor a change to the system's lists is needed. The tarball is trusted by its
# SHA-256 alone.
set -eu

VERSION=1.15+dfsg
REVISION=4
TARBALL=civetweb_$VERSION.orig.tar.xz
SHA256=ec372e9737bc820118bbb735f46a07d41f795814ca0f38bc6e67048e7a460f33
SUITE=bookworm
ETC_APT=${ETC_APT:-/etc/apt}

fail()
{
	echo "fetch-civetweb: $*" >&2
	exit 1
}

matches()
{
	[ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$SHA256" ]
}

# Prints "URI<TAB>signed-by" of each apt source that serves the suite's main
# component, from both formats apt knows.
sources()
{
	for list in "$ETC_APT"/sources.list "$ETC_APT"/sources.list.d/*.list; do
		[ -f "$list" ] || continue
		awk -v suite="$SUITE" '
			$1 == "deb" || $1 == "deb-src" {
				sub(/#.*/, "")
				signed = ""
				if (match($0, /\[[^]]*\]/)) {
					options = substr($0, RSTART + 1, RLENGTH - 2)
					$0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
					count = split(options, option, " ")
					for (i = 1; i <= count; i++)
						if (option[i] ~ /^signed-by=/)
							signed = substr(option[i], 11)
				}
				for (i = 4; i <= NF; i++)
					if ($3 == suite && $i == "main")
						print $2 "\t" signed
			}' "$list"
	done
	for list in "$ETC_APT"/sources.list.d/*.sources; do
		[ -f "$list" ] || continue
		awk -v suite="$SUITE" '
			function has(words, word,    list, i, count)
			{
				count = split(words, list, " ")
				for (i = 1; i <= count; i++)
					if (list[i] == word)
						return 1
				return 0
			}
			function flush(    list, i, count)
			{
				if (has(field["suites"], suite) && has(field["components"], "main") &&
				    tolower(field["enabled"]) !~ /no|false|off|disable|0/) {
					count = split(field["uris"], list, " ")
					for (i = 1; i <= count; i++)
						print list[i] "\t" field["signed-by"]
				}
				split("", field)
			}
			/^#/ { next }
			/^[ \t]*$/ { flush(); next }
			/^[^ \t]/ {
				name = tolower($1)
				sub(/:.*/, "", name)
				sub(/^[^:]*:[ \t]*/, "")
				field[name] = $0
				next
			}
			{ field[name] = field[name] " " $0 }
			END { flush() }' "$list"
	done
}

[ $# -eq 1 ] || fail "usage: fetch-civetweb.sh DIR"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
matches "$dir/$TARBALL" && exit 0

if [ -n "${CIVETWEB_TARBALL:-}" ]; then
	matches "$CIVETWEB_TARBALL" || fail "CIVETWEB_TARBALL=$CIVETWEB_TARBALL is not the pinned $TARBALL (SHA-256 $SHA256)."
	cp "$CIVETWEB_TARBALL" "$dir/$TARBALL"
	exit 0
fi

command -v apt-get >/dev/null || fail "there is no apt-get here; set CIVETWEB_TARBALL to a copy of $TARBALL."
work=$(mktemp -d "$dir/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/parts" "$work/lists/partial" "$work/archives/partial" "$work/out"

tab=$(printf '\t')
sources | sort -u | while IFS="$tab" read -r uri signed; do
	printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$SUITE"
	case $signed in
	/*) printf 'Signed-By: %s\n' "$signed" ;;
	esac
	echo
done >"$work/parts/civetweb.sources"
[ -s "$work/parts/civetweb.sources" ] ||
	fail "no apt source here serves $SUITE main; set CIVETWEB_TARBALL to a copy of $TARBALL."

private_apt()
{
	apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/parts" \
		-o Dir::State::Lists="$work/lists" -o Dir::Cache="$work" -o Dir::Cache::Archives="$work/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User= "$@"
}

(
	cd "$work/out"
	private_apt -o Debug::NoLocking=1 update
	private_apt source --download-only "civetweb=$VERSION-$REVISION"
) >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	fail "apt could not fetch civetweb=$VERSION-$REVISION; set CIVETWEB_TARBALL to a copy of $TARBALL."
}
matches "$work/out/$TARBALL" || fail "what apt fetched is not the pinned $TARBALL (SHA-256 $SHA256)."
mv "$work/out/$TARBALL" "$dir/$TARBALL"
