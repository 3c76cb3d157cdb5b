# SPDX-License-Identifier: Apache-2.0
# Shared by the end-to-end tests: skipping, a temp folder with state of its own, checks, and that nothing is left.
#
# Each test has its own SLUICE_STATE and SLUICE_RUNDIR, names its runs "$tag...", and ends what it started itself.
# Never `down --all` here: it would end the runs of others on this machine.
set -uo pipefail
umask 022
test_name=$(basename "$0" .sh)
here=$(cd "$(dirname "$0")" && pwd)
SLUICE=${SLUICE:-$here/../../build/sluice}
E2E_FIXTURE=${E2E_FIXTURE:-$(cd "$(dirname "$SLUICE")" && pwd)/tests/e2e/fixture}
E2E_EXAMPLES=${E2E_EXAMPLES:-$here/../../examples/projects}
export TERM=dumb
unset DOCKER_HOST SLUICE_SUBNETS

skip() {
    echo "$*"
    exit 77
}

[ "${SLUICE_TEST_IMAGES:-}" != no ] || skip "SLUICE_TEST_IMAGES=no: there are no base images"
[ "$(id -u)" = 0 ] || skip "needs root: namespaces, and the engine's containers"
[ -S /var/run/docker.sock ] || skip "no Docker Engine listens at /var/run/docker.sock"
for p in docker curl python3 ip nft; do
    command -v $p >/dev/null || skip "the program '$p' is not installed"
done
curl -fs --max-time 5 --unix-socket /var/run/docker.sock http://d/_ping >/dev/null ||
    skip "the Docker Engine does not answer"
docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || skip "no compose tool"
for i in nginx:1.25-alpine redis:7-alpine python:3.12-slim debian:bookworm-slim; do
    docker image inspect $i >/dev/null 2>&1 ||
        skip "the base image $i is not there: sluice images build --set quick"
done

work=$(mktemp -d "/tmp/e2e.XXXX")
export SLUICE_STATE=$work/s SLUICE_RUNDIR=$work/r
tag=e$$$(printf %.3s "$test_name")
cd "$work" || exit 1
children=() # processes this test started
failures=0
zero=$SECONDS

finish() {
    local status=$? p r
    trap - EXIT INT TERM
    for p in "${children[@]}"; do
        kill -TERM "$p" 2>/dev/null # not INT: what a script puts in the background may ignore that
    done
    for p in "${children[@]}"; do
        wait "$p" 2>/dev/null
    done
    for r in "$SLUICE_RUNDIR"/*; do [ -d "$r" ] || continue
        [ -e "$r" ] && "$SLUICE" down "$(basename "$r")" --quiet >/dev/null
    done
    [ $status -ne 0 ] && [ -n "${E2E_KEEP:-}" ] || rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '[%3d s] %s\n' $((SECONDS - zero)) "$*"; }
ok() { say "ok: $*"; }
bad() {
    say "FAILED: $*"
    failures=$((failures + 1))
}
die() {
    bad "$*"
    done_testing
}
# check TEXT COMMAND...: the command must succeed.
check() {
    local text=$1
    shift
    if "$@"; then ok "$text"; else bad "$text"; fi
}
same() { # same TEXT GOT WANTED
    if [ "$2" = "$3" ]; then ok "$1: $2"; else bad "$1: '$2', not '$3'"; fi
}
has() { # has TEXT FILE PATTERN
    if grep -qE -- "$3" "$2"; then ok "$1"; else
        bad "$1: no '$3' in $2, which says:"
        tail -n 15 "$2"
    fi
}
done_testing() {
    [ "$failures" = 0 ] || {
        say "$failures checks failed"
        exit 1
    }
    say "all checks passed"
    exit 0
}

# json FILE EXPRESSION: the expression over j, the object in the file; fails on invalid JSON.
json() {
    python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
print(eval(sys.argv[2], {"j": j, "abs": abs, "sorted": sorted, "any": any, "all": all, "len": len}))' "$1" "$2"
}

ms() { date +%s%3N; }

# until_true SECONDS COMMAND...: tries ten times a second.
until_true() {
    local end=$(($(ms) + $1 * 1000))
    shift
    until "$@"; do
        [ "$(ms)" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# ---- projects and a catalogue -------------------------------------------------------------------

# A web site and a key-value store, observed once for all tests of this build. The fixture keeps its place, for the
# catalogue names projects by their folder.
fixture() {
    mkdir -p "$E2E_FIXTURE" "$SLUICE_STATE" || exit 1
    exec 9>"$E2E_FIXTURE/lock"
    flock 9
    if ! [ "$E2E_FIXTURE/catalog.db" -nt "$SLUICE" ]; then
        rm -rf "$E2E_FIXTURE"/{catalog.db,new,static-site,store}
        cp -r "$E2E_EXAMPLES/static-site" "$E2E_FIXTURE/" && mkdir "$E2E_FIXTURE"/{store,new} || exit 1
        cat >"$E2E_FIXTURE/store/compose.yml" <<'Y'
services:
  store:
    image: redis:7-alpine
    command: redis-server --save ""
    ports: ["6379:6379"]
Y
        say "observing the fixture's projects"
        "$SLUICE" observe --quick --idle 1s --driven 6s --quiet --catalog "$E2E_FIXTURE/new/catalog.db" \
            "$E2E_FIXTURE/static-site" "$E2E_FIXTURE/store" || die "the fixture cannot be observed"
        mv "$E2E_FIXTURE/new/catalog.db" "$E2E_FIXTURE/"
    fi
    cp "$E2E_FIXTURE/catalog.db" "$SLUICE_STATE/catalog.db" || exit 1
    exec 9>&-
    printf 'generate web traffic from h1 to h2 with 4 Mbps;\n' >web.dtsl
}

# ---- runs -----------------------------------------------------------------------------------------

# start OUT ARGUMENTS...: sluice in the background; its output in OUT.out and OUT.err; $child is its process.
start() {
    local out=$1
    shift
    "$SLUICE" "$@" >"$out.out" 2>"$out.err" &
    child=$!
    children+=("$child")
}

# ended PID SECONDS: waits for a child; its exit status in $status, the seconds it took in $took.
ended() {
    local from end
    from=$(ms)
    end=$((from + $2 * 1000))
    while kill -0 "$1" 2>/dev/null && [ "$(ms)" -lt $end ]; do
        sleep 0.1
    done
    took=$(python3 -c "print(($(ms) - $from) / 1000)")
    if kill -0 "$1" 2>/dev/null; then
        status=running
        kill -TERM "$1" # the test has failed by now; let it end in order
    else
        wait "$1"
        status=$?
        forget "$1"
    fi
}
forget() { # a child that ended: its number may be another's by now
    local p rest=()
    for p in "${children[@]}"; do
        [ "$p" = "$1" ] || rest+=("$p")
    done
    children=("${rest[@]}")
}

state_of() { # RUN: what its supervisor says, "" when it does not answer
    "$SLUICE" status "$1" --json 2>/dev/null | python3 -c '
import json, sys
try:
    print(json.load(sys.stdin)["runs"][0]["state"])
except Exception:
    print("")'
}
in_state() { [ "$(state_of "$1")" = "$2" ]; }
# flowing RUN OUT: waits until traffic flows in $child's run; its error output is OUT.err.
flowing() {
    local end=$((SECONDS + 90))
    until in_state "$1" traffic; do
        kill -0 "$child" 2>/dev/null && [ $SECONDS -lt $end ] || die "no traffic in $1: $(cat "$2.err")"
        sleep 0.2
    done
}
remember_pids() { cat "$SLUICE_RUNDIR/$1/pids" >"$work/pids.$1" 2>/dev/null; }

# pid and start time as `pids` has them: alive when both match.
noted_alive() {
    local pid born what
    while read -r pid born what; do
        [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$born" ] && echo "$what($pid)"
    done <"$1"
}

containers() { docker ps -aq --filter "label=sluice.run=$1"; }
running_containers() { docker ps -q --filter "label=sluice.run=$1"; }

links() { ip -o link show | cut -d: -f2 | cut -d@ -f1 | tr -d ' ' | sort; }
# Bridges of networks that exist belong to runs of others (that none of ours is left is checked before), and so do
# veths in them. Those between two states of the engine are given a moment.
strange_links() {
    local l m
    for l in $(comm -13 "$1" <(links)); do
        case $l in
        br-*) docker network inspect "${l#br-}" >/dev/null 2>&1 && continue ;;
        veth*)
            m=$(ip -o link show "$l" 2>/dev/null | sed -n 's/.* master \([^ ]*\).*/\1/p')
            case $m in br-*) docker network inspect "${m#br-}" >/dev/null 2>&1 && continue ;; esac
            ;;
        esac
        [ -e "/sys/class/net/$l" ] && echo "$l"
    done
}
no_strange_links() { [ -z "$(strange_links "$1")" ]; }

before() { links >"$work/links.before"; }

# Noted ones, and those of our own that carry our run folder in their environment.
processes_of() {
    local p
    [ ! -s "$work/pids.$1" ] || noted_alive "$work/pids.$1"
    for p in /proc/[0-9]*; do
        case $(readlink "$p/exe" 2>/dev/null) in */sluice | */sluice-drive) ;; *) continue ;; esac
        grep -qzF "SLUICE_RUNDIR=$SLUICE_RUNDIR" "$p/environ" 2>/dev/null &&
            echo "$(cat "$p/comm" 2>/dev/null)(${p#/proc/})"
    done
}
no_process_of() { [ -z "$(processes_of "$1")" ]; }

# nothing_left RUN [SECONDS]: engine, namespaces, filters, links, folders, and processes, which have SECONDS to go.
nothing_left() {
    local run=$1 was=$failures
    same "$run: containers left" "$(containers "$run" | wc -l)" 0
    same "$run: networks left" "$(docker network ls -q --filter "label=sluice.run=$run" | wc -l)" 0
    same "$run: volumes left" "$(docker volume ls -q --filter "label=sluice.run=$run" | wc -l)" 0
    same "$run: namespaces left" "$(ip netns list | grep -cE "^sluice-$run(-| |\$)")" 0
    same "$run: filter tables left" "$(nft list tables | grep -cE " sluice-$run\$")" 0
    until_true 10 no_strange_links "$work/links.before" || bad "links left: $(strange_links "$work/links.before")"
    [ ! -e "$SLUICE_RUNDIR/$run" ] || bad "the folder $SLUICE_RUNDIR/$run is left"
    [ ! -e "$SLUICE_STATE/work/$run" ] || bad "the folder $SLUICE_STATE/work/$run is left"
    until_true "${2:-0}" no_process_of "$run" || bad "$run: processes left: $(processes_of "$run")"
    [ $was = $failures ] && ok "nothing of $run is left"
}
