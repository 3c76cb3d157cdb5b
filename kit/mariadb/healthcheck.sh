#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Is the database initialised and taking connections over TCP? Flags of the official script are accepted.
# An "access denied" is an answer too: the server is up.
answer=$(mariadb-admin --protocol=tcp --host=127.0.0.1 --user=healthcheck ping 2>&1) && exit 0
case "$answer" in
*'Access denied'*) exit 0 ;;
esac
echo "$answer" >&2
exit 1
