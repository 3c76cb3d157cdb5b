#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ctrl-C at any time: status 130 within 20 s, and nothing is left.
. "$(dirname "$0")/lib.sh"
fixture
before

# interrupted RUN WHEN: sends SIGINT to $child and waits.
interrupted() {
    remember_pids "$1"
    kill -INT "$child"
    ended "$child" 40
    same "$2: exit status" "$status" 130
    check "$2: ended $took s after SIGINT, within 20 s" python3 -c "exit($took > 20)"
    nothing_left "$1"
}

start live run web.dtsl --name "${tag}a" --duration 120s --out live --progress none
flowing "run-${tag}a" live
check "containers run" test -n "$(running_containers "run-${tag}a")"
sleep 3
interrupted "run-${tag}a" "during traffic"
same "the report of what was done says so" "$(json live/summary.json 'j["status"]')" interrupted

# Holders exist, services not yet: the compose tool is at work.
some_container() { [ -n "$(containers "$1")" ]; }
start early run web.dtsl --name "${tag}b" --duration 120s --out early --progress none
until_true 60 some_container "run-${tag}b" || die "no container after 60 s: $(cat early.err)"
check "traffic does not flow yet" test "$(state_of "run-${tag}b")" != traffic
interrupted "run-${tag}b" "during bring-up"

start observe observe --again --quick --idle 30s --progress none "$E2E_FIXTURE/static-site"
obs=
observing() {
    obs=$(cd "$SLUICE_RUNDIR" 2>/dev/null && ls -d obs-* 2>/dev/null | head -n 1)
    [ -n "$obs" ] && some_container "$obs"
}
until_true 60 observing || die "no observation after 60 s: $(cat observe.err)"
interrupted "$obs" "during observe"
"$SLUICE" catalog show static-site --json >show.json
has "what was known before is still known" show.json '"reason": "ok"'
done_testing
