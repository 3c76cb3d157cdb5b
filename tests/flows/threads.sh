#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: threads.sh SLUICE FOLDER
# The captures of the examples and those of flows-captures.py, both in the source tree FOLDER: the tables, the graph, the
# rates and the confusion have the same bytes with one thread and with several.
set -eu
sluice=$1
root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$root/tests/golden/flows-captures.py" "$work/captures"
truth=$root/examples/captures/office.csv

beside() { # threads, capture
    "$sluice" flows -q -j "$1" --max-flows 16 --profile full --truth "$truth" --confusion --graph "$work/graph.json" \
        --rates "$work/rates.csv" --format csv -o - "$2" 2>&1
    cat "$work/graph.json" "$work/rates.csv"
}

formats() { # threads (one digit: Parquet holds the command line), capture
    for format in csv jsonl parquet npy zeek; do
        "$sluice" flows -q -j "$1" --format $format -o - "$2" | LC_ALL=C sed 's/-j [0-9]/-j N/'
    done
}

same() { # what, capture, threads...
    what=$1
    capture=$2
    shift 2
    $what 1 "$capture" >"$work/one"
    test -s "$work/one"
    for threads; do
        $what "$threads" "$capture" >"$work/more"
        cmp "$work/one" "$work/more" || { echo "$capture: $what differ with $threads threads"; exit 1; }
    done
}

n=0
for capture in "$root"/examples/captures/*.pcap; do
    same formats "$capture" 2 9
    same beside "$capture" 2 3 9
    n=$((n + 1))
done
for capture in "$work"/captures/*.pcap; do
    same beside "$capture" 3
    n=$((n + 1))
done
echo "$n captures are the same with one thread and with several"
test $n -gt 10
