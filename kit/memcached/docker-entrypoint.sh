#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Options alone are options of memcached.
set -e
case "$1" in
-*) set -- memcached "$@" ;;
esac
exec "$@"
