#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start RabbitMQ as its own user, with the default user, password and virtual host of the environment.
set -eo pipefail

die() { echo "rabbitmq-entrypoint: error: $*" >&2; exit 1; }

if [ "$1" = rabbitmq-server ]; then
	conf=/etc/rabbitmq/conf.d/20-environment.conf
	if [ "$(id -u)" = 0 ]; then
		for name in RABBITMQ_DEFAULT_USER RABBITMQ_DEFAULT_PASS RABBITMQ_DEFAULT_VHOST RABBITMQ_ERLANG_COOKIE; do
			file=${name}_FILE
			if [ -n "${!file:-}" ]; then
				[ -r "${!file}" ] || die "$file names '${!file}', which cannot be read"
				export "$name=$(<"${!file}")"
				unset "$file"
			fi
		done
		{
			[ -z "${RABBITMQ_DEFAULT_USER:-}" ] || echo "default_user = $RABBITMQ_DEFAULT_USER"
			[ -z "${RABBITMQ_DEFAULT_PASS:-}" ] || echo "default_pass = $RABBITMQ_DEFAULT_PASS"
			[ -z "${RABBITMQ_DEFAULT_VHOST:-}" ] || echo "default_vhost = $RABBITMQ_DEFAULT_VHOST"
			# The server looks at the machine's memory, not at the container's limit: tell it the smaller one.
			for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
				if [ -r "$limit" ] && grep -qE '^[0-9]{1,15}$' "$limit"; then
					echo "total_memory_available_override_value = $(<"$limit")"
					break
				fi
			done
		} >"$conf"
		chmod 640 "$conf"
		cookie=/var/lib/rabbitmq/.erlang.cookie
		if [ -n "${RABBITMQ_ERLANG_COOKIE:-}" ]; then
			printf '%s' "$RABBITMQ_ERLANG_COOKIE" >"$cookie"
			chmod 400 "$cookie"
		fi
		# Bind-mounted configuration may be read-only.
		find /var/lib/rabbitmq /var/log/rabbitmq /etc/rabbitmq \! -user rabbitmq -exec chown rabbitmq:rabbitmq {} + 2>/dev/null || true
		exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$BASH_SOURCE" "$@"
	fi
	# The runtime makes a table as large as the file limit, and threads for every core of the machine.
	[ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -le 65536 ] || ulimit -n 65536
	cores=$(nproc)
	if [ "$cores" -gt 4 ]; then
		export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 4:4 +SDcpu 4:4 ${RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:-}"
	fi
	# Busy waiting helps nobody who shares cores.
	export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none ${RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:-}"
fi
exec "$@"
