#!/bin/sh
# Turns the page's files into a C file: embed.sh OUT.c phone.html phone.css phone.js ...
set -eu
out=$1
shift
{
	printf '/* Made by examples/sandbox/embed.sh. */\n#include "examples/sandbox/control.h"\n\n'
	n=0
	for file in "$@"; do
		printf 'static const unsigned char asset_%d[] = {\n' "$n"
		od -An -v -tx1 "$file" | sed 's/ \(..\)/0x\1,/g'
		printf '};\n'
		n=$((n + 1))
	done
	printf 'const struct asset assets[] = {\n'
	n=0
	for file in "$@"; do
		name=$(basename "$file")
		case $name in
		*.html) type='text/html; charset=utf-8' path=/${name%.html} ;;
		*.css) type='text/css; charset=utf-8' path=/$name ;;
		*.js) type='text/javascript; charset=utf-8' path=/$name ;;
		*) exit 2 ;;
		esac
		printf '\t{"%s", "%s", asset_%d, sizeof(asset_%d)},\n' "$path" "$type" "$n" "$n"
		n=$((n + 1))
	done
	printf '};\nconst size_t assets_len = sizeof(assets) / sizeof(assets[0]);\n'
} >"$out.tmp"
mv "$out.tmp" "$out"
