#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong is told, with the right exit status, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
fixture
before

# fails STATUS TEXT COMMAND...: runs it with its output in out.txt and err.txt.
fails() {
    local want=$1 text=$2
    shift 2
    "$@" >out.txt 2>err.txt
    same "$text: exit status" $? "$want"
}
nothing_in_state() {
    same "$1: folders of runs left" "$(find "$SLUICE_RUNDIR" "$SLUICE_STATE/work" -mindepth 1 -maxdepth 1 ! -name "*.lock" 2>/dev/null |
        tr '\n' ' ')" ""
}

# ---- a wrong spec
printf 'generate web traffic from h1 to h2 with 4 Mbps;\ngenerate wob traffic from h1 to h2 with 4 Mbps;\n' >wrong.dtsl
fails 3 "a wrong spec" "$SLUICE" run wrong.dtsl --progress none
has "the place is told" err.txt '^(.*/)?wrong\.dtsl:2:10: error: '
fails 3 "a wrong spec, --json" "$SLUICE" run wrong.dtsl --json --quiet
same "line and column" "$(json out.txt 'j["error"]["line"], j["error"]["col"]')" "(2, 10)"

# ---- Compose files of the careless and of the hostile
mkdir cut priv sock root link
printf 'services:\n  a: {image: nginx\n  b: [\n' >cut/compose.yml
fails 3 "a Compose file cut short" "$SLUICE" repair cut
has "the place is told" err.txt 'cut/compose\.yml:3:[0-9]+: error: '
fails 3 "observing it" "$SLUICE" observe --quiet --json cut
same "the reason is stored" "$(json out.txt 'j["projects"][0]["reason"]')" yaml_error
cat >priv/compose.yml <<'Y'
services:
  a: {image: "nginx:1.25-alpine", privileged: true, pid: host, ipc: host, cap_add: [ALL], devices: ["/dev/kvm"]}
Y
cat >sock/compose.yml <<'Y'
services:
  a: {image: "nginx:1.25-alpine", volumes: ["/var/run/docker.sock:/var/run/docker.sock"]}
Y
cat >root/compose.yml <<'Y'
services:
  a: {image: "nginx:1.25-alpine", volumes: ["/:/host", "/etc:/hostetc:ro", "../..:/up"]}
Y
ln -s /etc link/data
cat >link/compose.yml <<'Y'
services:
  a: {image: "nginx:1.25-alpine", volumes: ["./data:/data", "v:/v"]}
volumes:
  v: {driver: local, driver_opts: {type: none, o: bind, device: /}}
Y
for p in priv sock root link; do
    fails 0 "repair $p" "$SLUICE" repair $p
    cat out.txt err.txt >$p.txt
    has "$p: what was dropped is told" $p.txt 'compose\.yml:[0-9]+:[0-9]+: policy '
    # Comments aside, nothing of it is in the file that would run.
    sed -n '/^services:/,$p' out.txt >$p.yml
    check "$p: there is a file to run" grep -q nginx $p.yml
    check "$p: no trace of it there" sh -c "! grep -nE 'privileged:|pid:|ipc:|ALL_|kvm|docker\.sock|device|driver_opts|type: \"bind\"|/etc' $p.yml"
    same "$p: capabilities" "$(grep -cE '"(ALL|SYS_ADMIN|NET_RAW|NET_ADMIN)"' $p.yml)" "$(grep -c cap_drop $p.yml)"
done

# One of them for real: what the engine was told is what counts.
start link observe --quick --idle 4s --driven 1s --progress none link
inspected=
inspect() {
    local r c v
    for r in "$SLUICE_RUNDIR"/obs-*; do [ -d "$r" ] || continue
        c=$(docker ps -q --filter "label=sluice.run=${r##*/}" --filter label=sluice.role=service | head -n 1)
        [ -n "$c" ] || continue
        v=$(docker inspect --format '{{range .Mounts}}{{.Name}}{{end}}' "$c")
        inspected=$(docker inspect --format \
            '{{.HostConfig.Privileged}} [{{.HostConfig.PidMode}}] {{range .Mounts}}{{.Type}} {{.Destination}} {{end}}' "$c")
        inspected+=$(docker volume inspect --format '{{.Driver}} {{len .Options}}' "$v")
    done
    [ -n "$inspected" ]
}
until_true 30 inspect || bad "no service was seen under observation: $(cat link.err)"
same "running: privileged, pid mode, mounts, the volume's options" "$inspected" "false [] volume /v local 0"
ended "$child" 60
same "observing it: exit status" "$status" 0

# ---- no engine
for c in "doctor" "observe --again $E2E_FIXTURE/store" "run web.dtsl --out none" "status" "down run-${tag}none"; do
    # shellcheck disable=SC2086 # words are meant
    fails 5 "no engine: ${c%% *}" env DOCKER_HOST=unix:///nonexistent "$SLUICE" $c --json --quiet
    check "no engine: ${c%% *}: valid JSON" json out.txt 'j and ""'
    has "no engine: ${c%% *}: it says which socket" out.txt /nonexistent
done
nothing_in_state "no engine"

# ---- images that cannot be had, services that end
mkdir unhad early
cat >unhad/compose.yml <<'Y'
services:
  a: {image: "registry.invalid/nobody/has-this:1"}
Y
cat >early/compose.yml <<'Y'
services:
  a:
    image: debian:bookworm-slim
    command: ["bash", "-c", "echo giving up; exit 3"]
Y
for p in unhad:image_unavailable early:exited_early; do
    fails 1 "observe ${p%:*}" "$SLUICE" observe --quick --json --quiet --settle 20s --logs logs ${p%:*}
    "$SLUICE" catalog list --json >list.json
    same "${p%:*}: the stored reason" \
        "$(json list.json "[p['reason'] for p in j['projects'] if p['name'] == '${p%:*}'][0]")" "${p#*:}"
done
cat logs/*early*.log >early.log
has "the log of what ended early is kept" early.log "giving up"
nothing_in_state "failed observations"

fails 1 "observe both" "$SLUICE" observe --quick --again --json --quiet --settle 20s unhad early
same "an image that cannot be had does not keep the next project from its turn" \
    "$(json out.txt 'sorted((p["project"], p["reason"]) for p in j["projects"])')" \
    "[('early', 'exited_early'), ('unhad', 'image_unavailable')]"

# ---- a full disk
full() { # full FOLDER SIZE COMMAND...: with a tiny file system there, seen by this command only
    local folder=$1 size=$2
    shift 2
    mkdir -p "$folder"
    unshare -m --propagation private sh -c 'mount -t tmpfs -o size="$2" none "$1" && shift 2 && exec "$@"' sh "$folder" "$size" "$@"
}
if full try 64k true 2>err.txt; then
    fails 1 "the run folder's disk is full" full out 64k "$SLUICE" run web.dtsl --name "${tag}d" --duration 20s \
        --capture pcap --out out/run --progress none
    has "it says which file" err.txt 'out/run.*: (No space left on device|the disk is full)'
    nothing_left "run-${tag}d"
    for size in 16k 64k; do
        fails 1 "the state's disk is full at $size" full full-state $size env SLUICE_STATE="$work/full-state" "$SLUICE" \
            observe --quick --again --progress none "$E2E_FIXTURE/store"
        has "it says what" err.txt "full-state/catalog.db'"
        has "and what to do" err.txt '^hint: .*make room'
    done
    nothing_in_state "a full disk"
else
    say "not tried, a full disk: $(cat err.txt)"
fi

# ---- a service that dies in the middle
run=run-$tag
start dies run web.dtsl --catalog "$E2E_FIXTURE/catalog.db" --name "$tag" --duration 16s --out dies --progress none
flowing "$run" dies
remember_pids "$run"
sleep 3
victim=$(docker ps -q --filter "label=sluice.run=$run" --filter label=sluice.service=web --filter label=sluice.role=service)
# By the engine's order, so that its restart policy does not bring it back.
check "its container is killed" docker kill "$victim"
sleep 2
check "the run goes on" kill -0 "$child"
ended "$child" 60
same "a dead service: exit status" "$status" 6
same "status" "$(json dies/summary.json 'j["status"]')" missed
json dies/summary.json 'j["statements"][0]["reason"]' >reason.txt
has "the reason names the service: $(cat reason.txt)" reason.txt '\bweb\b.*(exited|137|killed|ended)'
has "and so do the events" dies/events.ndjson '"service".*web'
nothing_left "$run"
done_testing
