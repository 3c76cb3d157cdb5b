#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One golden case:   run.sh CASE-FOLDER FOLDER-WITH-PROGRAMS...
#
# A case holds `cmd` (shell, run in a copy of the folder with the programs on PATH), `stdout`, `stderr`
# (absent = nothing is printed) and `status` (absent = 0). `needs` names files of the source tree, one a line, that the
# command finds in its folder too. `filter`, a sed script, takes out what differs from
# run to run. GOLDEN_UPDATE=1 writes what the command prints now: read the difference before you commit it.
set -u
case=$1
shift
path=/usr/bin:/bin
for folder in "$@"; do path=$folder:$path; done
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
mkdir "$work/in" && cp -R "$case/." "$work/in/" && cd "$work/in" || exit 99
if [ -f needs ]; then
    while read -r file; do cp "$case/../../../$file" . || exit 99; done <needs
fi
rm -f stdout stderr status filter needs

env -i PATH="$path" HOME="$work" LC_ALL=C.UTF-8 TERM=dumb SLUICE_STATE="$work/state" \
    sh -c "$(cat cmd)" >"$work/stdout" 2>"$work/stderr" </dev/null
echo $? >"$work/status"
if [ -f "$case/filter" ]; then
    for f in stdout stderr; do sed -E -i -f "$case/filter" "$work/$f"; done
fi

if [ -n "${GOLDEN_UPDATE:-}" ]; then
    for f in stdout stderr; do
        rm -f "$case/$f"
        if [ -s "$work/$f" ]; then cp "$work/$f" "$case/$f"; fi
    done
    rm -f "$case/status"
    [ "$(cat "$work/status")" = 0 ] || cp "$work/status" "$case/status"
    exit 0
fi
bad=0
for f in stdout stderr status; do
    want=$case/$f
    if [ ! -f "$want" ]; then
        want=$work/default
        if [ $f = status ]; then echo 0 >"$want"; else : >"$want"; fi
    fi
    diff -u --label "$f (expected)" --label "$f (got)" "$want" "$work/$f" || bad=1
done
exit $bad
