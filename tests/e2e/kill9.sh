#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The supervisor is killed without a word: its containers and drivers end within seconds all the same, and `down`
# removes the rest.
. "$(dirname "$0")/lib.sh"
fixture
before
run=run-$tag
start run run web.dtsl --name "$tag" --duration 300s --out out --progress none
flowing "$run" run
sleep 2
remember_pids "$run"
check "its containers run" test -n "$(running_containers "$run")"
check "its driver runs" grep -q driver <(noted_alive "$work/pids.$run")

none_run() { [ -z "$(running_containers "$run")" ]; }
no_process() { [ -z "$(noted_alive "$work/pids.$run")" ]; }
from=$(ms)
kill -9 "$child"
if until_true 15 none_run; then
    took=$(python3 -c "print(($(ms) - $from) / 1000)")
    check "no container runs $took s after kill -9, within 5 s" python3 -c "exit($took > 5)"
else
    bad "containers still run 15 s after kill -9"
fi
check "drivers are gone" until_true 5 no_process
no_namespace() { ! ip netns list | grep -qE "^sluice-$run(-| |\$)"; }
check "its namespaces, and with them its wires, are gone" until_true 5 no_namespace
wait "$child" 2>/dev/null
forget "$child"

"$SLUICE" status --json >status.json
same "status lists it as having no supervisor" "$(json status.json "'$run' in j['unsupervised']")" True
"$SLUICE" down "$run" --json >down.json
same "down's status" $? 0
same "down removed containers, networks and filter tables" \
    "$(json down.json 'all(j["runs"][0][k] > 0 for k in ("containers", "networks", "tables"))')" True
nothing_left "$run" 6 # the watchdog looks on for some seconds, for what the engine was still making
"$SLUICE" down "$run" >again.txt 2>&1
same "a second down's status" $? 0
has "and it says that there was nothing" again.txt "$run.*(removed 0 containers|nothing)"
"$SLUICE" run web.dtsl --name "$tag" --duration 2s --out after --progress none --dry-run >dry.txt 2>&1
same "the name can be used again" $? 0
done_testing
