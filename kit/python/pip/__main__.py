# SPDX-License-Identifier: Apache-2.0
"""A stand-in for pip where no Python package index can be reached.

It installs Debian's python3-* packages under the names requirements use. Versions are Debian's: a pin that asks
for another one is reported and passed over. A requirement without a package fails the command, by name.
"""
import os
import re
import subprocess
import sys

TABLE = os.path.join(os.path.dirname(__file__), "names.tsv")
# Options of 'pip install' that are followed by a value of no use here.
WITH_VALUE = {
    "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "-t", "--target", "--prefix",
    "--root", "--timeout", "--default-timeout", "--retries", "--cache-dir", "--platform", "--python-version",
    "--no-binary", "--only-binary", "-c", "--constraint", "--progress-bar", "--proxy", "--cert", "--src",
    "--upgrade-strategy", "--log",
}


def say(text):
    print("pip (stand-in): " + text, file=sys.stderr, flush=True)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def table():
    names = {}
    with open(TABLE, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, packages = line.rstrip("\n").split("\t")
                names[name] = [] if packages == "-" else packages.split()
    return names


def requirement(text):
    """'Name[extra]>=1; marker' -> (name, pin), or None for what is not a plain name."""
    text = text.split(";")[0].strip()
    match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^]]*\])?\s*(\(?\s*[<>=!~].*)?", text)
    return (canonical(match.group(1)), (match.group(3) or "").strip()) if match else None


def read_file(path, wanted, refused):
    try:
        with open(path, encoding="utf-8-sig") as handle:
            text = handle.read().replace("\\\n", " ")
    except OSError as err:
        say(f"cannot read requirements file '{path}': {err.strerror}")
        sys.exit(1)
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        line = re.sub(r"\s--(hash|global-option|config-settings?)[= ]\S+", "", line)
        if not line:
            continue
        if line.startswith(("-r", "--requirement")):
            inner = re.sub(r"^(-r|--requirement)[ =]*", "", line)
            read_file(os.path.join(os.path.dirname(path), inner), wanted, refused)
        elif line.startswith("-e") or line.startswith("--editable"):
            refused.append(line)
        elif not line.startswith("-"):
            add(line, wanted, refused)


def add(text, wanted, refused):
    found = requirement(text)
    if found:
        wanted.append(found)
    else:
        refused.append(text)


def run(*command, **options):
    return subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, text=True, **options)


def choose(names, known):
    """Debian packages for each name; the names without one."""
    guesses = {}
    for name in names:
        if name in known:
            guesses[name] = [known[name]]
            continue
        bare = re.sub(r"^(python|py)-?", "", name) or name
        guesses[name] = [["python3-" + name], ["python3-" + name.replace("-", ".")],
                         ["python3-" + name.replace("-", "")], ["python3-" + bare]]
    asked = sorted({package for options in guesses.values() for option in options for package in option})
    shown = run("apt-cache", "show", "--no-all-versions", *asked, capture_output=True).stdout if asked else ""
    there = dict(re.findall(r"^Package: (\S+)\n(?:.*\n)*?Version: (\S+)", shown, re.M))
    packages, missing = {}, []
    for name, options in guesses.items():
        for option in options:
            if all(package in there for package in option):
                packages[name] = [(package, there[package]) for package in option]
                break
        else:
            missing.append(name)
    return packages, missing


def install(arguments):
    wanted, refused = [], []
    items = iter(arguments)
    for item in items:
        if item in ("-r", "--requirement"):
            read_file(next(items, ""), wanted, refused)
        elif item.startswith("--requirement="):
            read_file(item.split("=", 1)[1], wanted, refused)
        elif item.startswith("-r") and len(item) > 2:
            read_file(item[2:], wanted, refused)
        elif item in ("-e", "--editable"):
            refused.append("-e " + next(items, ""))
        elif item in WITH_VALUE:
            next(items, None)
        elif item.startswith("-"):
            continue
        else:
            add(item, wanted, refused)
    if refused:
        for text in refused:
            say(f"cannot install '{text}': only plain requirement names are understood")
        return 1
    if not wanted:
        return 0
    if os.geteuid() != 0:
        say("needs to run as root: put this RUN line before the USER line")
        return 1
    names = list(dict.fromkeys(name for name, _ in wanted))
    had_lists = any(entry.endswith(("Packages", "Packages.lz4", "InRelease")) for entry in os.listdir("/var/lib/apt/lists")) \
        if os.path.isdir("/var/lib/apt/lists") else False
    if not had_lists and run("apt-get", "-qq", "update").returncode != 0:
        say("apt-get update failed: is a Debian mirror reachable during the build?")
        return 1
    packages, missing = choose(names, table())
    if missing:
        for name in missing:
            say(f"no Debian package found for requirement '{name}'")
        say(f"{len(missing)} of {len(names)} requirements have no stand-in; nothing was installed")
        return 1
    versions = {name: found[0][1] for name, found in packages.items() if found}
    for name, pin in wanted:
        if pin.startswith("==") and name in versions:
            upstream = re.sub(r"^\d+:", "", versions[name]).split("-")[0]
            if not upstream.startswith(pin.lstrip("= ")):
                say(f"'{name}{pin}' asked for, {upstream} of Debian taken")
    final = sorted({package for found in packages.values() for package, _ in found})
    if final:
        done = run("apt-get", "-qq", "install", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *final,
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            print(done.stdout[-4000:], file=sys.stderr)
            say("apt-get install failed for: " + " ".join(final))
            return 1
    if not had_lists:
        run("sh", "-c", "rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*")
    print("Successfully installed " + " ".join(names))
    return 0


def main():
    arguments = sys.argv[1:]
    while arguments and arguments[0].startswith("-"):
        if arguments[0] in ("-V", "--version"):
            print("pip 23.0 (stand-in: installs Debian packages) (python 3.11)")
            return 0
        arguments.pop(0)
    command = arguments[0] if arguments else "help"
    if command == "install":
        return install(arguments[1:])
    if command in ("list", "freeze", "check", "cache", "config", "uninstall", "help"):
        if command in ("list", "freeze"):
            run("sh", "-c", "dpkg-query -W -f '${Package}==${Version}\\n' 'python3-*' | sed s/^python3-//")
        return 0
    say(f"'{command}' is not understood; only install, list and freeze are")
    return 1


sys.exit(main())
