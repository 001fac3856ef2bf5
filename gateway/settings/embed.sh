#!/bin/sh
# Turns the pages' assets into a C file: embed.sh OUT.c settings.css page.js ...
set -eu
out=$1
shift
{
	printf '/* Made by gateway/settings/embed.sh. */\n#include "gateway/settings/internal.h"\n\n'
	n=0
	for file in "$@"; do
		printf 'static const unsigned char asset_%d[] = {\n' "$n"
		od -An -v -tx1 "$file" | sed 's/ \(..\)/0x\1,/g'
		printf '};\n'
		n=$((n + 1))
	done
	printf 'const struct asset settings_assets[] = {\n'
	n=0
	for file in "$@"; do
		name=$(basename "$file")
		case $name in
		*.css) type='text/css; charset=utf-8' ;;
		*.js) type='text/javascript; charset=utf-8' ;;
		*.svg) type='image/svg+xml' ;;
		*) exit 2 ;;
		esac
		printf '\t{"%s", "%s", asset_%d, sizeof(asset_%d)},\n' "$name" "$type" "$n" "$n"
		n=$((n + 1))
	done
	printf '};\nconst size_t settings_assets_len = sizeof(settings_assets) / sizeof(settings_assets[0]);\n'
	printf 'const char settings_assets_version[] = "%s";\n' "$(cat "$@" | sha256sum | cut -c1-12)"
} >"$out.tmp"
mv "$out.tmp" "$out"
