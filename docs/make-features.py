#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/features.md, the list of all columns, from the feature table that the program has.

usage: make-features.py SLUICE            writes the page
       make-features.py SLUICE --check    compares: status 1 when the page is out of date
"""
import json
import os
import subprocess
import sys

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "features.md")
PROFILES = [
    ("all", "In every table", "Identity: these columns are in every profile."),
    ("basic", "Profile basic", "Who, when, how much."),
    ("cic", "Profile cic", "What CICFlowMeter and its corrected fork have, mended, and what belongs to it."),
    ("full", "Profile full", "What TCP did, what the payload says, and the first packets one by one."),
    ("labels", "Labels", "In every table: what the ports say."),
    ("dpi", "With --dpi", "What nDPI says."),
    ("truth", "With --truth", "What the orchestration knows."),
]
HEAD = """# Columns of flow tables

Made by `docs/make-features.py` from the one table in the code, src/flow/feature.def; do not edit. `sluice flows
--list-features` prints the same, with `--json` for programs. How flows are made: [flows.md](flows.md).

Units: B bytes, us microseconds, ns nanoseconds since 1970 UTC, 1 a number or a count, 1/s per second. A statistic of
nothing is 0; what was not seen is an empty cell (null, or INT64_MIN in NumPy). Never NaN or infinity, but for the cic
semantics, which print what CICFlowMeter prints.
"""


def cell(text):
    return text.replace("|", "\\|") or "-"


def page(features):
    known = {p for p, _, _ in PROFILES}
    strange = sorted({f["profile"] for f in features} - known)
    if strange:
        sys.exit(f"make-features.py: it knows nothing of profile {', '.join(strange)}: add it to PROFILES")
    out = [HEAD]
    for profile, title, about in PROFILES:
        rows = [f for f in features if f["profile"] == profile]
        if not rows:
            continue
        out.append(f"## {title}\n\n{about}\n\n| column | type | unit | what it is | CICFlowMeter's name | from |\n"
                   "| --- | --- | --- | --- | --- | --- |")
        out += [f"| `{f['name']}` | {f['type']} | {cell(f['unit'])} | {cell(f['formula'])} | {cell(f['cic_name'])} | "
                f"{cell(f['source'])} |" for f in rows]
        out.append("")
    return "\n".join(out)


def main(argv):
    if len(argv) < 2 or argv[2:] not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    listed = subprocess.run([argv[1], "flows", "--list-features", "--json"], stdout=subprocess.PIPE, check=True).stdout
    want = page(json.loads(listed)["features"])
    if argv[2:]:
        with open(PAGE, encoding="utf-8") as f:
            if f.read() == want:
                return 0
        print(f"docs/features.md is not what the feature table says: run docs/make-features.py {argv[1]}")
        return 1
    with open(PAGE, "w", encoding="utf-8", newline="\n") as f:
        f.write(want)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
