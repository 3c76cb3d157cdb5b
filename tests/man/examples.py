#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the commands that pages show, so that what users copy works.

usage: examples.py SLUICE SOURCE-ROOT PAGE...

Man pages: the code blocks of EXAMPLES. Other pages: the code blocks whose first line names sluice. Each page has a
scratch folder of its own with the captures and specs of examples/ in it, also under examples/, and the program on the
path and as build/sluice. A block runs under `sh -e`; lines with sudo are left out. Every block must end with status 0.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile


def blocks_of(path):
    text = open(path, encoding="utf-8").read()
    if path.endswith(".scd"):
        text = text.partition("\n# EXAMPLES\n")[2].partition("\n# ")[0]
    found = re.findall(r"^```[a-z]*\n(.*?)^```$", text, re.M | re.S)
    found += [re.sub(r"^    ", "", b, flags=re.M) for b in re.findall(r"(?:^    .*\n)+", text, re.M)]
    if not path.endswith(".scd"):
        found = [b for b in found if re.match(r"(?:build/)?sluice (?:flows|graph|compare) [^.\n]*\.[^.]", b)]
    runnable = ("\n".join(line for line in b.splitlines() if "sudo" not in line) for b in found)
    return [b for b in runnable if b.strip()]


def scratch(folder, sluice, root):
    shutil.copytree(os.path.join(root, "examples", "captures"), os.path.join(folder, "examples", "captures"))
    for where in "examples/captures", "examples":
        for f in os.listdir(os.path.join(root, where)):
            if f.endswith((".pcap", ".csv", ".dtsl")):
                shutil.copy(os.path.join(root, where, f), folder)
            if f.endswith(".dtsl"):
                shutil.copy(os.path.join(root, where, f), os.path.join(folder, "examples"))
    os.mkdir(os.path.join(folder, "build"))
    os.symlink(sluice, os.path.join(folder, "build", "sluice"))


def run_page(page, sluice, root):
    env = {k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}
    env["PATH"] = os.path.dirname(sluice) + ":" + env["PATH"]
    wrong, blocks = 0, blocks_of(page)
    with tempfile.TemporaryDirectory() as folder:
        scratch(folder, sluice, root)
        for block in blocks:
            r = subprocess.run(["sh", "-e", "-c", block], cwd=folder, env=env, capture_output=True, text=True, check=False,
                               errors="replace", stdin=subprocess.DEVNULL)
            if r.returncode:
                wrong += 1
                print(f"{page}: status {r.returncode} of\n{block}\n{r.stdout[-2000:]}{r.stderr[-2000:]}")
    if not blocks:
        print(f"{page}: no example was found")
    return len(blocks), wrong or not blocks


def main(sluice, root, *pages):
    total, bad = 0, 0
    for page in pages:
        n, wrong = run_page(os.path.join(root, page), os.path.abspath(sluice), root)
        total, bad = total + n, bad + wrong
    print(f"examples: {total} blocks of {len(pages)} pages, {bad} failed")
    return 1 if bad or not pages else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
