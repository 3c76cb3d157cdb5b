#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Start Redis as the user redis, reachable from other containers unless the command line or a file says otherwise.
set -e

case "$1" in
-* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ]; then
	if [ "$(id -u)" = 0 ]; then
		find . \! -user redis -exec chown redis:redis {} +
		exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
	fi
	um=$(umask)
	[ "$um" != 0022 ] || umask 0077
	# Protected mode refuses all but loopback when there is no password. In a container the network is the guard.
	case " $* " in
	*' --protected-mode '*) ;;
	*)
		conf=
		case "${2:-}" in *.conf) conf=$2 ;; esac
		if [ -z "$conf" ] || ! grep -qi '^[[:space:]]*protected-mode' "$conf"; then
			set -- "$@" --protected-mode no
		fi
		;;
	esac
fi
exec "$@"
