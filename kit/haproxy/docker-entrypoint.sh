#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run HAProxy in the foreground, master and worker, so that reloads and stops work as documented.
set -e
case "$1" in
-*) set -- haproxy "$@" ;;
esac
if [ "$1" = haproxy ]; then
	shift
	set -- haproxy -W -db "$@"
fi
exec "$@"
