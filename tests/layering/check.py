#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the include graph of src/ against layers.txt.

usage: check.py SRC LAYERS      check a tree
       check.py --self SRC LAYERS   check the checker: each deliberately wrong include must be caught
"""
import os
import re
import sys
import tempfile

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def read_layers(path):
    parts, libraries = {}, {}
    for line in open(path, encoding="utf-8"):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, allowed = line.partition(":")
        if name.startswith("library "):
            libraries[name.split()[1]] = allowed.split()
        else:
            parts[name.strip()] = allowed.split()
    return parts, libraries


def wrong_part(part, target, parts, beside):
    """Why a quoted include is wrong, or None. A bare name that is not beside the file is a generated header."""
    other = target.split("/")[0]
    if "/" not in target:
        return "includes are written from src/: \"PART/HEADER.h\"" if target in beside else None
    if other == part:
        return None
    if other not in parts:
        return f"there is no part '{other}' in layers.txt"
    if other == "cli":
        return "nothing includes cli"
    allowed = parts[part]
    if "*" in allowed or other in allowed or target in allowed:
        return None
    return f"'{part}' may include: {' '.join(allowed) or 'nothing'}"


def wrong_library(part, file, target, libraries):
    for prefix, owners in libraries.items():
        if target.startswith(prefix) and part not in owners and file not in owners:
            return f"'{prefix}' belongs to {', '.join(owners)}"
    return None


def check(src, parts, libraries):
    """All wrong includes of a tree, as lines for people."""
    wrong = []
    for folder, _, names in sorted(os.walk(src)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            file = os.path.relpath(path, src)
            part = file.split(os.sep)[0]
            if not name.endswith((".c", ".h")):
                continue
            if part not in parts:
                wrong.append(f"src/{file}: part '{part}' is not in layers.txt")
                continue
            text = open(path, encoding="utf-8").read()
            for found in INCLUDE.finditer(text):
                target = found.group(2)
                why = (wrong_part(part, target, parts, names) if found.group(1) == '"'
                       else wrong_library(part, file, target, libraries))
                if why:
                    line = text.count("\n", 0, found.start()) + 1
                    wrong.append(f"src/{file}:{line}: includes {target}: {why}")
    return wrong


def cycles(parts):
    """Parts must be listed bottom to top: a part knows only what stands above its own line."""
    seen, wrong = set(), []
    for part, allowed in parts.items():
        for a in allowed:
            if a != "*" and a.split("/")[0] not in seen:
                wrong.append(f"layers.txt: '{part}' may include '{a}', which does not stand above it")
        seen.add(part)
    return wrong


def against_meson(meson, parts):
    """The build's list of parts and the table name the same ones."""
    listed = re.search(r"foreach part : \[([^\]]*)\]", open(meson, encoding="utf-8").read())
    names = set(re.findall(r"'([a-z]+)'", listed.group(1))) if listed else set()
    return [f"'{p}' is in only one of meson.build and layers.txt" for p in sorted(names ^ set(parts))]


# What a careless change would add, one each: (file, line, words of the complaint).
MISTAKES = [
    ("base/x.c", '#include "net/packet.h"', "'base' may include: nothing"),
    ("plan/x.c", '#include "catalog/catalog.h"', "'plan' may include"),
    ("engine/x.c", '#  include "netns/netns.h"', "'engine' may include"),
    ("live/x.c", '#include "cli/cli.h"', "nothing includes cli"),
    ("plan/x.c", "#include <sqlite3.h>", "belongs to catalog"),
    ("compose/x.c", "#include <jansson.h>", "belongs to base/json.h"),
    ("cli/x.c", "#include <curl/curl.h>", "belongs to engine, drive"),
    ("observe/x.c", '#include "sneaky/x.h"', "no part 'sneaky'"),
    ("sneaky/x.c", '#include "base/error.h"', "is not in layers.txt"),
]
FINE = [("plan/x.c", '#include "catalog/record.h"'), ("catalog/x.c", "#include <sqlite3.h>"),
        ("cli/x.c", '#include "live/live.h"'), ("base/json.h", "#include <jansson.h>")]


def self_check(parts, libraries):
    failures = []
    for file, line, *words in MISTAKES + FINE:
        with tempfile.TemporaryDirectory() as src:
            os.makedirs(os.path.join(src, os.path.dirname(file)))
            with open(os.path.join(src, file), "w", encoding="utf-8") as f:
                f.write("// a file\n" + line + "\n")
            found = check(src, parts, libraries)
            if words and not (len(found) == 1 and words[0] in found[0]):
                failures.append(f"not caught: {file}: {line} (said: {found})")
            if not words and found:
                failures.append(f"wrongly caught: {found[0]}")
    return failures


def main(argv):
    self_test = argv[0] == "--self"
    src, layers = argv[1:] if self_test else argv
    parts, libraries = read_layers(layers)
    wrong = self_check(parts, libraries) if self_test else (
        cycles(parts) + against_meson(os.path.join(src, "..", "meson.build"), parts) + check(src, parts, libraries))
    for line in wrong:
        print(line)
    if not wrong:
        print("self-check: every wrong include is caught" if self_test else "layering: ok")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
