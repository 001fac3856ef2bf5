#!/bin/sh
# Turns migrations into a C file: embed.sh OUT.c 0001_*.sql 0002_*.sql ...
set -eu
out=$1
shift
{
	echo '/* Made by store/embed.sh from migrations/. */'
	echo '#include "store/core.h"'
	echo 'const struct migration store_migrations[] = {'
	n=0
	for file in "$@"; do
		n=$((n + 1))
		name=$(basename "$file" .sql)
		case $name in
		$(printf '%04d' "$n")_*) ;;
		*)
			echo "embed.sh: $file is not migration number $n" >&2
			exit 1
			;;
		esac
		printf '{"%s",\n' "$name"
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$/\\n"/' "$file"
		echo '},'
	done
	echo '};'
	echo 'const size_t store_migrations_len = sizeof(store_migrations) / sizeof(store_migrations[0]);'
} >"$out.tmp"
mv "$out.tmp" "$out"
