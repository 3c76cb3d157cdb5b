#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make the kit's base image from Debian packages: make.sh TAG...
#
# Needs root, debootstrap and a reachable Docker Engine. MIRROR, SUITE and DOCKER may be set from outside.
# What is left out (package lists, archives, manuals, translations) is listed in exclude.txt beside this file.
set -eu
[ $# -gt 0 ] || { echo "usage: make.sh TAG..." >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
docker=${DOCKER:-docker}
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
work=$(mktemp -d "${TMPDIR:-/tmp}/kit-base.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

debootstrap --variant=minbase "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 || {
	tail -n 20 "$work/log" >&2
	echo "debootstrap failed: is '$mirror' reachable, and are we root?" >&2
	exit 1
}
# Keep what is installed later small too, here and in the images of the projects.
cat >"$work/root/etc/apt/apt.conf.d/90kit" <<'END'
Acquire::Languages "none";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
END
cat >"$work/root/etc/dpkg/dpkg.cfg.d/90kit" <<'END'
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
END
first=$1
tar -C "$work/root" --numeric-owner -X "$here/exclude.txt" -c . |
	$docker import -c 'CMD ["bash"]' -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$first" >/dev/null
shift
for tag; do
	$docker tag "$first" "$tag"
done
