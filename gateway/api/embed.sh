#!/bin/sh
# Turns the API's description into a C file: embed.sh OUT.c openapi.yaml
set -eu
case $# in 2) ;; *) exit 2 ;; esac
case $1 in *.c) ;; *) exit 2 ;; esac
{
	printf '/* Made by gateway/api/embed.sh. */\n#include "gateway/api/internal.h"\n\nconst char api_openapi[] = {\n'
	od -An -v -tx1 "$2" | sed 's/ \(..\)/0x\1,/g'
	printf '};\nconst size_t api_openapi_len = sizeof(api_openapi);\n'
} >"$1.tmp"
mv "$1.tmp" "$1"
