#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Give the data folder to the broker, then become the command. The broker changes its user by itself.
set -e
if [ "$(id -u)" = 0 ] && [ -d /mosquitto ]; then
	find /mosquitto/data /mosquitto/log \! -user mosquitto -exec chown mosquitto:mosquitto {} + 2>/dev/null || true
fi
exec "$@"
