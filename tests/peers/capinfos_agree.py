#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packets and bytes of captures as `sluice flows` and capinfos count them.

usage: capinfos_agree.py SLUICE CAPTURE...

Status 77 when there is no capinfos, or none of the captures is there; the last line says which.
"""
import json
import os
import shutil
import subprocess
import sys


def main(sluice, *captures):
    there = [c for c in captures if os.path.exists(c)]
    if not shutil.which("capinfos") or not there:
        print("no capinfos here" if there else "no captures here: " + ", ".join(os.path.basename(c) for c in captures))
        return 77
    wrong = 0
    for capture in there:
        row = subprocess.run(["capinfos", "-M", "-T", "-r", "-c", "-d", capture], capture_output=True, text=True, check=True)
        theirs = [int(n) for n in row.stdout.split("\t")[1:3]]
        run = subprocess.run([sluice, "flows", capture, "--no-table", "--json", "--quiet"], capture_output=True, text=True,
                             check=True)
        packets = json.loads(run.stdout)["packets"]
        ours = [packets["read"], packets["wire_bytes"]]
        wrong += ours != theirs
        print(f"{os.path.basename(capture)}: {ours[0]} packets, {ours[1]} bytes; capinfos {theirs[0]}, {theirs[1]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
