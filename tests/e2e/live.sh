#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Observe two projects, run two statements, and believe nothing that Sluice says about itself: interface counters, the
# capture read by tcpdump, and the web server's own log must tell the same story.
. "$(dirname "$0")/lib.sh"

cp -r "$E2E_EXAMPLES/static-site" "$E2E_EXAMPLES/shortener" . || exit 1
before
"$SLUICE" observe --quick --idle 2s --driven 8s --json --quiet static-site shortener >observe.json
same "observe's status" $? 0
same "observed, reused, failed" "$(json observe.json 'j["observed"], j["reused"], j["failed"]')" "(2, 0, 0)"
"$SLUICE" catalog list --json >list.json
same "classes in the catalogue" \
    "$(json list.json 'sorted((p["name"], p["class_main"]) for p in j["projects"])')" \
    "[('shortener', 'cache'), ('static-site', 'web')]"
same "every project has a driven rate above 1 Mbit/s and flows" \
    "$(json list.json 'all(p["driven_bps"] > 1e6 and p["flows_driven"] >= 1 for p in j["projects"])')" True
cp "$SLUICE_STATE/catalog.db" first.db
"$SLUICE" observe --quick --idle 2s --driven 8s --json --quiet static-site shortener >again.json
same "a second time: observed, reused" "$(json again.json 'j["observed"], j["reused"]')" "(0, 2)"

cat >two.dtsl <<'S'
generate web traffic from h1 to h2 with 6 Mbps;
generate cache traffic from h1 to external with 2 Mbps using >= 2 flows;
S
run=run-$tag
start run run two.dtsl --name "$tag" --duration 26s --capture pcap --out out --progress none
flowing "$run" run
remember_pids "$run"
# The counters of h1, twice, each with the second of traffic at which they were read.
sample() {
    python3 - "$SLUICE" "$run" "$1" <<'P'
import json, subprocess, sys
sluice, run, path = sys.argv[1:]
state = json.loads(subprocess.check_output([sluice, "status", run, "--json"]))["runs"][0]
link = json.loads(subprocess.check_output(["ip", "-n", "sluice-" + run, "-s", "-j", "link", "show", "h1"]))[0]["stats64"]
json.dump({"t": state["t_s"], "bytes": link["rx"]["bytes"] + link["tx"]["bytes"]}, open(path, "w"))
P
}
sleep 3
sample c1.json
sleep 14
sample c2.json
ended "$child" 60
same "run's status" "$status" 0
[ -e out/summary.json ] || die "no summary.json: $(cat run.err)"
cat run.out
same "both statements within 10 %, with the flows asked for" \
    "$(json out/summary.json 'all(s["ok"] and s["flows_ok"] and abs(s["achieved_bps"] / s["asked_bps"] - 1) <= 0.10 for s in j["statements"]), len(j["statements"]), j["status"]')" \
    "(True, 2, 'ok')"

python3 - out/rates.csv c1.json c2.json <<'P'
import csv, json, sys
a, b = json.load(open(sys.argv[2])), json.load(open(sys.argv[3]))
seconds = {}
for row in csv.DictReader(open(sys.argv[1])):
    k = int(row["second"])
    # Both statements start at h1 and count both directions: their sum is what passes h1.
    seconds[k] = seconds.get(k, 0) + (float(row["achieved_bps"]) + float(row["off_class_bps"])) / 8
def upto(t):
    return sum(v * min(1, max(0, t - k)) for k, v in seconds.items())
counted, told = b["bytes"] - a["bytes"], upto(b["t"]) - upto(a["t"])
print(f"h1 between {a['t']:.2f} s and {b['t']:.2f} s: {counted} bytes by ip, {told:.0f} by rates.csv "
      f"({100 * (told / counted - 1):+.2f} %)")
sys.exit(not (b["t"] - a["t"] > 10 and counted > 5e6 and abs(told / counted - 1) < 0.05))
P
check "the interface's own counters agree with rates.csv within 5 %" test $? = 0

# The driver's address, from the flow table; the server must know it from its own side.
client=$(python3 -c 'import csv
print(next(r["src"] for r in csv.DictReader(open("out/flows.csv")) if r["class"] == "web" and r["in_class"] == "1"))')
case $client in 10.201.*) ok "the placed client is $client" ;; *) bad "the client's address is '$client'" ;; esac
same "the label book knows it" \
    "$(python3 -c 'import csv, sys
print([(r["role"], r["host"]) for r in csv.DictReader(open("out/labels.csv")) if r["address"] == sys.argv[1]])' "$client")" \
    "[('driver', 'h1')]"
cat out/logs/*web*.log >web.log
has "the web server's own log has the client's requests" web.log "^${client//./\\.} .*\"GET /[^ ]* HTTP/1\.[01]\" 200"
same "nobody else asked it, its own health check aside" \
    "$(grep -E '^[0-9.]+ .*"[A-Z]+ /' web.log | cut -d' ' -f1 | sort -u | grep -v '^127\.0\.0\.1$')" "$client"
if command -v tcpdump >/dev/null; then
    for h in h1 h2; do
        tcpdump -nr out/pcap/$h.pcap "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn and src host $client and dst port 80" \
            >syn.$h 2>/dev/null
        check "$h.pcap has $(wc -l <syn.$h) SYNs of $client" test -s syn.$h
    done
else
    say "tcpdump is not installed: the captures were not read"
fi
same "the capture lost nothing" "$(json out/metadata.json 'j["capture_drops"]')" 0
check "report.html is whole and names a project" sh -c 'grep -q static-site out/report.html && grep -q "</html>" out/report.html'
(cd out && sha256sum --quiet -c SHA256SUMS)
check "SHA256SUMS hold" test $? = 0
same "every file of the run folder is in SHA256SUMS" \
    "$(cd out && find . -type f ! -name SHA256SUMS | wc -l)" "$(wc -l <out/SHA256SUMS)"
nothing_left "$run"
same "run folders left" "$(find "$SLUICE_RUNDIR" "$SLUICE_STATE/work" -mindepth 1 -maxdepth 1 ! -name "*.lock" 2>/dev/null | wc -l)" 0
done_testing
