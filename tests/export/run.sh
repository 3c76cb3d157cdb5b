#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh TABLE-PROGRAM INTERPRETER SCRIPT: the table is written to a folder of its own, then read by others.
[ "$2" = python3 ] && /usr/bin/python3 -c 'import numpy' 2>/dev/null && set -- "$1" /usr/bin/python3 "$3" # Debian's
command -v "$2" >/dev/null || { echo "$2 is not there"; exit 77; }
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
"$1" "$folder" || exit 1
"$2" "$3" "$folder"
