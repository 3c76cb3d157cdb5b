# SPDX-License-Identifier: Apache-2.0
# What ./quickstart, ./runtests and CI share: packages, the build, a Docker Engine. Sourced by bash.

say() { printf '\n== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 5; }

build_packages="build-essential meson ninja-build pkg-config libjansson-dev libssl-dev libyaml-dev
 libcurl4-openssl-dev libsqlite3-dev libnl-3-dev libnl-route-3-dev libpcap-dev libpq-dev libmariadb-dev
 libhiredis-dev libexpat1-dev zlib1g-dev libzstd-dev libcmocka-dev libndpi-dev"
test_packages="python3-numpy libfixbuf-dev libfixbuf-tools"
run_packages="nftables iproute2 debootstrap ca-certificates"
engine_packages="docker.io docker-compose iptables"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

# Namespaces, captures and packages need root: the script starts itself again through sudo.
become_root() {
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null || die "this needs root (network namespaces, packet capture); run it as root"
    exec sudo --preserve-env=DOCKER_HOST,SLUICE_STATE,CI -- bash "$0" "$@"
}

# Installs those of the named packages that are not there.
need_packages() {
    local missing="" p
    for p in "$@"; do
        case "$p" in
        libcurl4-openssl-dev) [ -e /usr/include/curl/curl.h ] || ls /usr/include/*/curl/curl.h >/dev/null 2>&1 ||
            missing="$missing $p" ;;
        *) dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "these packages are missing, and there is no apt-get to install them:$missing"
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        die "these packages are missing; run this as root once, or install them:$missing"
    fi
    say "installing$missing"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

build_sluice() { # build folder, further meson options
    local dir=$1
    shift
    if [ -f "$dir/build.ninja" ]; then
        meson setup --reconfigure "$dir" "$@" >/dev/null
    else
        meson setup "$dir" "$@" >/dev/null
    fi
    ninja -C "$dir" --quiet
}

engine_socket() { # the socket that the engine listens on
    case "${DOCKER_HOST:-}" in
    unix://*) printf '%s' "${DOCKER_HOST#unix://}" ;;
    *) printf '/var/run/docker.sock' ;;
    esac
}

engine_answers() {
    curl -fsS --max-time 5 --unix-socket "$(engine_socket)" http://localhost/_ping >/dev/null 2>&1
}

engine_pid=""
engine_log=""

# Uses the engine that runs, else starts one of its own, which stop_engine ends again.
start_engine() {
    engine_answers && return 0
    command -v dockerd >/dev/null || need_packages $engine_packages
    need_packages curl iptables
    engine_answers && return 0 # installing it may have started it
    if [ -n "${DOCKER_HOST:-}" ] || [ "$(id -u)" != 0 ] || ! command -v dockerd >/dev/null; then
        return 1
    fi
    engine_log=$(mktemp /tmp/sluice-dockerd.XXXXXX)
    say "starting a Docker Engine (log: $engine_log)"
    setsid dockerd >"$engine_log" 2>&1 </dev/null &
    engine_pid=$!
    local i
    for i in $(seq 150); do
        engine_answers && return 0
        kill -0 "$engine_pid" 2>/dev/null || break
        sleep 0.2
    done
    stop_engine keep-log
    return 1
}

stop_engine() {
    [ -n "$engine_pid" ] || return 0
    kill "$engine_pid" 2>/dev/null || true
    local i
    for i in $(seq 100); do
        kill -0 "$engine_pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$engine_pid" 2>/dev/null || true
    engine_pid=""
    [ "${1:-}" = keep-log ] || rm -f "$engine_log"
}

# For the tests that read our tables with others' programs: node, and its packages as locked in tests/export. Without a
# registry those tests are skipped by name.
need_node_packages() {
    command -v node >/dev/null && command -v npm >/dev/null || need_packages nodejs npm
    (cd tests/export && npm ci --silent >/dev/null 2>&1) || say "npm ci failed: the tests that need its packages are skipped"
}

need_compose() {
    docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || need_packages docker-compose
    command -v docker >/dev/null || need_packages docker.io
}
