#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A hostile project tries to reach the host, the outside and another project, alone under observation and beside
# another in a live run. Each of its targets is first shown to be there. "Refused" counts as reached: somebody answered.
. "$(dirname "$0")/lib.sh"
fixture
before

port=$((20000 + $$ % 20000))
python3 - $port <<'P' &
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen(64)
while True:
    c, who = s.accept()
    c.sendall(b"here\n")
    open("visitors", "a").write(who[0] + "\n")
    c.close()
P
children+=($!)
addresses=$(ip -4 -o addr show scope global | awk '{sub("/.*", "", $4); print $4}' | grep -v "^10\.201\." | tr "\n" " ")
reachable() { python3 -c 'import socket, sys
print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).recv(4))' "$1" "$port" 2>/dev/null | grep -q here; }
for a in $addresses; do
    check "the host listens at $a:$port" until_true 3 reachable "$a"
done
rm -f visitors

mkdir hostile && cat >hostile/compose.yml <<'Y'
services:
  probe:
    image: python:3.12-slim
    command: python -u /probe.py
    volumes: ["./probe.py:/probe.py:ro"]
    ports: ["8000:8000"]
  sibling:
    image: nginx:1.25-alpine
Y
cat >hostile/probe.py <<P
import concurrent.futures, http.server, os, re, socket, struct, threading, time
HOST, PORT = "$addresses".split(), $port
P
cat >>hostile/probe.py <<'P'
REACHED, WAIT = "REACHED", 0.8

def tcp(to, port):
    try:
        socket.create_connection((to, port), WAIT).close()
        return REACHED
    except ConnectionRefusedError:
        return REACHED + " (refused)"
    except OSError as e:
        return "failed: %s" % e

def udp_dns(to):
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1"
    try:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(WAIT)
        s.sendto(query, (to, 53))
        s.recvfrom(512)
        return REACHED
    except ConnectionRefusedError:
        return REACHED + " (refused)"
    except OSError as e:
        return "failed: %s" % e

def name(n):
    begin = time.monotonic()
    try:
        result = REACHED + " " + socket.gethostbyname(n)
    except OSError as e:
        result = "failed: %s" % e
    return result + " after %.3f s" % (time.monotonic() - begin)

# Our own address, and those that other projects of the run would have.
own = [a for a in re.findall(r"(\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL", open("/proc/net/fib_trie").read())
       if not a.startswith("127.")][0]
base = struct.unpack("!I", socket.inet_aton(own))[0] & ~63
dotted = lambda n: socket.inet_ntoa(struct.pack("!I", n))
neighbours = [dotted(base + 64 * k + host) for k in (-3, -2, -1, 1, 2, 3) for host in (1, 2, 3, 4, 5)]

def one_round(pool, n):
    jobs = [("control sibling", tcp, "sibling", 80), ("control own", tcp, own, 8000),
            ("gateway", tcp, dotted(base + 1), PORT), ("gateway-ssh", tcp, dotted(base + 1), 22),
            ("google-tcp", tcp, "8.8.8.8", 53), ("google-udp", udp_dns, "8.8.8.8"),
            ("gateway-dns", udp_dns, dotted(base + 1)),
            ("metadata", tcp, "169.254.169.254", 80)]
    jobs += [("host %s" % a, tcp, a, PORT) for a in HOST]
    jobs += [("neighbour %s" % a, tcp, a, 6379) for a in neighbours]
    if os.environ.get("HOST_ONLY"): # outside the isolation nothing may leave this machine
        jobs = [j for j in jobs if j[0].startswith("host ")]
    for job, f in [(j[0], pool.submit(*j[1:])) for j in jobs]:
        print("round %d: %s: %s" % (n, job, f.result()), flush=True)
    if not os.environ.get("HOST_ONLY"):
        print("round %d: name: %s" % (n, name("example.com")), flush=True)
    print("round %d: done" % n, flush=True)

class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"<html>" + b"x" * 20000 + b"</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass

threading.Thread(target=http.server.ThreadingHTTPServer(("", 8000), Page).serve_forever, daemon=True).start()
with concurrent.futures.ThreadPoolExecutor(12) as pool:
    for n in range(1, 1000):
        one_round(pool, n)
        time.sleep(1)
P

# The probe itself is put to the test: on the engine's own network, without Sluice, it does reach the host.
docker run --rm --name "$tag" -e HOST_ONLY=1 -v "$PWD/hostile/probe.py:/probe.py:ro" python:3.12-slim timeout 4 python -u /probe.py >free.log 2>&1
if grep -q 'host .*: REACHED$' free.log && [ -s visitors ]; then
    ok "without isolation the same probe reaches the host"
else
    say "the probe does not reach the host without isolation either: this machine filters; less is shown by what follows"
fi
rm -f visitors

# judge NAME LOG: at least two whole rounds, the controls reached, everything else not, names fast.
judge() {
    local rounds
    rounds=$(grep -c 'round [0-9]*: done' "$2")
    check "$1: $rounds whole rounds of $(grep -c '' "$2") lines" test "$rounds" -ge 2
    has "$1: it reached itself" "$2" 'control own: REACHED'
    has "$1: it reached its sibling" "$2" 'control sibling: REACHED$'
    grep -E '^round [0-9]+: ' "$2" | grep -v control | grep REACHED >reached
    check "$1: nothing else was reached$(sed 's/^/; /' reached | tr -d '\n')" test ! -s reached
    for w in gateway: gateway-ssh google-tcp google-udp metadata "host " "neighbour "; do
        grep -q ": $w.*failed: " "$2" || bad "$1: '$w' was not tried"
    done
    python3 - "$2" <<'P'
import re, sys
times = [float(t) for t in re.findall(r"name: failed: .* after ([0-9.]+) s", open(sys.argv[1]).read())]
print("example.com failed to resolve %d times, slowest %.3f s" % (len(times), max(times, default=99)))
sys.exit(not times or max(times) >= 1)
P
    check "$1: looking up a name outside fails within a second" test $? = 0
    same "$1: visitors of the host's listener" "$(cat visitors 2>/dev/null)" ""
}

"$SLUICE" observe --quick --idle 4s --driven 6s --logs logs --quiet hostile >observe.txt 2>&1
same "observe's status" $? 0
cat logs/*probe*.log >observe.log
judge "observe" observe.log
"$SLUICE" catalog show hostile >show.txt
has "the catalogue lists example.com among the outside names" show.txt 'outside.*example\.com|example\.com'
"$SLUICE" catalog show hostile --json >show.json
has "and so it does in JSON" show.json 'example\.com'

cat >both.dtsl <<'S'
generate web traffic from h1 to h2 with 1 Mbps;
generate cache traffic from h1 to h2 with 1 Mbps;
S
run=run-$tag
start run run both.dtsl --name "$tag" --ban static-site --duration 8s --tolerance 50% --out out --progress none
flowing "$run" run
remember_pids "$run"
docker ps -q --filter "label=sluice.run=$run" | xargs docker inspect --format \
    '{{index .Config.Labels "sluice.service"}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' >who
store=$(sed -n 's/^store \(10\.[0-9.]*\).*/\1/p' who | head -n 1)
ended "$child" 60
check "the run's status is 0 or 6 ($status): it is not its rate that is looked at" test "$status" = 0 -o "$status" = 6
cat out/logs/*probe*.log >live.log
judge "live" live.log
has "live: the other project's address, $store, was among those tried" live.log "neighbour ${store:-none}: failed"
nothing_left "$run"
done_testing
