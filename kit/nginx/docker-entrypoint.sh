#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run what lies in /docker-entrypoint.d in name order, then become the command.
set -e

case "$1" in
nginx | nginx-debug)
	for part in /docker-entrypoint.d/*; do
		case "$part" in
		*.envsh)
			[ ! -x "$part" ] || . "$part"
			;;
		*.sh)
			if [ -x "$part" ]; then
				"$part"
			else
				echo "$0: $part is not executable, left out" >&2
			fi
			;;
		esac
	done
	# A kernel without IPv6 refuses every "listen [::]:..." line: take it out of the stock site.
	site=/etc/nginx/conf.d/default.conf
	if [ ! -e /proc/net/if_inet6 ] && [ -w "$site" ] && ! grep -q " $site " /proc/self/mountinfo; then
		sed '/listen *\[::\]:80;/d' "$site" >/tmp/default.conf && cat /tmp/default.conf >"$site"
		rm -f /tmp/default.conf
	fi
	[ "$1" = nginx ] || { shift; set -- nginx "$@"; }
	;;
esac
exec "$@"
