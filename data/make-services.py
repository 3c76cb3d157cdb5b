#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes data/services.tsv: which name is registered for which port.

usage: make-services.py DATE SOURCE FILE > data/services.tsv
  DATE    of the registry or its copy, YYYY-MM-DD
  SOURCE  a line that says where FILE is from
  FILE    IANA's service-names-port-numbers.csv, or a file in the form of services(5)

Only names, port numbers and protocols are taken. Of several names for a port and protocol the first stands.
"""
import csv
import re
import sys

PROTOCOLS = ["tcp", "udp", "sctp", "dccp"]
HEADER = """# The IANA service name and port number registry, cut down to three facts: name, port, protocols.
# date: {date}
# source: {source}
# Made by data/make-services.py. Columns are parted by tabs; a port may be a range.
"""


def of_csv(lines):
    for row in csv.DictReader(lines):
        yield row["Service Name"].strip(), row["Port Number"].strip(), [row["Transport Protocol"].strip().lower()]


def of_services(lines):
    for line in lines:
        words = line.split("#")[0].split()
        if len(words) >= 2:
            port, *protocols = words[1].split("/")
            yield words[0], port, protocols


def main(date, source, path):
    with open(path, encoding="utf-8", newline="") as f:
        lines = f.readlines()
    rows, taken = {}, set()
    for name, port, protocols in (of_csv if lines[0].startswith("Service Name,") else of_services)(lines):
        if not name or not re.fullmatch(r"[0-9]+(-[0-9]+)?", port):
            continue
        low, high = (int(x) for x in (port + "-" + port).split("-")[:2])
        for p in protocols:
            if p in PROTOCOLS and low > 0 and (low, p) not in taken:
                taken.update((n, p) for n in range(low, high + 1))
                rows.setdefault((low, high, name), []).append(p)
    print(HEADER.format(date=date, source=source), end="")
    for (low, high, name), protocols in sorted(rows.items()):
        port = str(low) if low == high else f"{low}-{high}"
        print(name, port, ",".join(p for p in PROTOCOLS if p in protocols), sep="\t")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
