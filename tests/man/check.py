#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the man pages against the program: the option tables in the code are the truth.

usage: check.py SLUICE DOCS_MAN
For every command that is there: it has a page (or, without options of its own, stands in sluice.1), the page has
EXAMPLES, every option of --help is in it, and it names no option that --help does not have.
"""
import os
import re
import subprocess
import sys


def run(program, *args):
    env = {k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}
    return subprocess.run([program, *args], capture_output=True, text=True, env=env, check=False)


def options_of(help_text, section):
    """The long options of one section of --help."""
    found = re.search(rf"^{section}:\n((?:  .*\n?)*)", help_text, re.M)
    return set(re.findall(r"^ .{4} --([a-z0-9-]+)", found.group(1), re.M)) if found else set()


def options_in(page):
    """The options a page explains: "*-d*, *--duration* _TIME_" at the start of a line."""
    return set(re.findall(r"^(?:\*-[a-zA-Z]\*, )?\*--([a-z0-9-]+)\*", page, re.M))


def read(path):
    return open(path, encoding="utf-8").read() if os.path.exists(path) else None


def check_command(name, help_text, page, main_page):
    own = options_of(help_text, "options")
    if page is None:
        if own:
            return [f"sluice-{name}.1.scd is missing: the command has options {sorted(own)}"]
        return [] if f"*{name}*" in main_page else [f"'{name}' has no page and is not in sluice.1.scd"]
    wrong = []
    if "\n# EXAMPLES\n" not in page:
        wrong.append(f"sluice-{name}.1.scd has no EXAMPLES")
    if f"*sluice {name}*" not in page:
        wrong.append(f"sluice-{name}.1.scd does not show '*sluice {name}*' in its synopsis")
    wrong += [f"sluice-{name}.1.scd does not explain --{o}" for o in sorted(own - options_in(page))]
    wrong += [f"sluice-{name}.1.scd explains --{o}, which the command does not have"
              for o in sorted(options_in(page) - own - options_of(help_text, "global options"))]
    return wrong


def main(sluice, folder):
    main_page = read(os.path.join(folder, "sluice.1.scd")) or ""
    names = re.findall(r"^  ([a-z]+) ", run(sluice, "help").stdout, re.M)
    wrong, there, global_options = [], 0, set()
    for name in names:
        shown = run(sluice, name, "--help")
        if shown.returncode != 0:
            print(f"# {name}: not there yet")
            continue
        there += 1
        global_options |= options_of(shown.stdout, "global options")
        page = read(os.path.join(folder, f"sluice-{name}.1.scd"))
        wrong += check_command(name, shown.stdout, page, main_page)
    wrong += [f"sluice.1.scd does not explain --{o}" for o in sorted(global_options - options_in(main_page))]
    pages = {f[len("sluice-"):-len(".1.scd")] for f in os.listdir(folder) if f.startswith("sluice-")}
    wrong += [f"sluice-{p}.1.scd describes a command that the table does not have" for p in sorted(pages - set(names))]
    if there < 2 or not global_options:
        wrong.append("no command was found: is this the program?")
    for line in wrong:
        print(line)
    if not wrong:
        print(f"man pages: {there} commands agree with their pages")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
