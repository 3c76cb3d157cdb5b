#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bring up PostgreSQL; on an empty data folder first make the cluster, the user, the database and run the init files.
#
# While initialising, the server listens on a socket in a private folder only: health checks that ask the usual socket
# or port get "no" until everything is ready. Secrets travel in files and variables, never through process
# substitution, because /dev/fd of the old user is not readable after the change of user.
set -eo pipefail

say() { echo "postgres-entrypoint: $*"; }
die() { echo "postgres-entrypoint: error: $*" >&2; exit 1; }

# value NAME DEFAULT: NAME, or the contents of the file named by NAME_FILE, or DEFAULT.
value() {
	local name=$1 file=${1}_FILE
	[ -z "${!name:-}" ] || [ -z "${!file:-}" ] || die "$name and $file are both set; set one of them"
	if [ -n "${!file:-}" ]; then
		[ -r "${!file}" ] || die "$file names '${!file}', which cannot be read"
		export "$name=$(<"${!file}")"
	else
		export "$name=${!name:-$2}"
	fi
	unset "$file"
}

run_init_files() {
	local file
	for file in /docker-entrypoint-initdb.d/*; do
		case "$file" in
		*.sh)
			say "running $file"
			if [ -x "$file" ]; then "$file"; else . "$file"; fi
			;;
		*.sql) say "running $file"; sql -f "$file" ;;
		*.sql.gz) say "running $file"; gunzip -c "$file" | sql ;;
		*.sql.xz) say "running $file"; xz -dc "$file" | sql ;;
		*.sql.zst) say "running $file"; zstd -dc "$file" | sql ;;
		*) [ ! -e "$file" ] || say "ignoring $file" ;;
		esac
	done
}

sql() { psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"; }

# The names the official image's own helpers have; init scripts in the wild call them.
docker_process_sql() { sql "$@"; }

initialise() {
	value POSTGRES_PASSWORD ''
	value POSTGRES_USER postgres
	value POSTGRES_DB "$POSTGRES_USER"
	value POSTGRES_INITDB_ARGS ''
	if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
		die "no password for the superuser: set POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE), or allow" \
			"everybody in with POSTGRES_HOST_AUTH_METHOD=trust"
	fi

	local private; private=$(mktemp -d)
	printf '%s\n' "$POSTGRES_PASSWORD" >"$private/password"
	local -a waldir=()
	[ -z "${POSTGRES_INITDB_WALDIR:-}" ] || waldir=(--waldir "$POSTGRES_INITDB_WALDIR")
	local -a auth=(--auth-local=trust --auth-host=trust)
	[ -z "$POSTGRES_PASSWORD" ] || auth+=(--pwfile="$private/password")
	eval "initdb --username=\"\$POSTGRES_USER\" --no-sync \"\${auth[@]}\" \"\${waldir[@]}\" $POSTGRES_INITDB_ARGS" >"$private/log" 2>&1 ||
		{ cat "$private/log" >&2; die "initdb failed"; }
	rm -f "$private/password" "$private/log"

	local method=${POSTGRES_HOST_AUTH_METHOD:-}
	[ -n "$method" ] || method=$(postgres -C password_encryption -D "$PGDATA" 2>/dev/null || echo scram-sha-256)
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

	export PGHOST=$private
	if [ "${1:-}" = postgres ]; then shift; fi
	local options=''
	[ $# -eq 0 ] || options=$(printf '%q ' "$@")
	pg_ctl -D "$PGDATA" -w -s -o "$options -c listen_addresses='' -c unix_socket_directories='$private' -c fsync=off" start
	if [ "$POSTGRES_DB" != postgres ]; then
		psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password -q -U "$POSTGRES_USER" -d postgres -v db="$POSTGRES_DB" <<-'SQL'
			SELECT format('CREATE DATABASE %I', :'db') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'db') \gexec
		SQL
	fi
	export PGDATABASE=$POSTGRES_DB
	run_init_files
	unset PGDATABASE
	pg_ctl -D "$PGDATA" -m fast -w -s stop
	unset PGHOST
	rm -rf "$private"
	say "initialised; ready to start"
}

[ "${1:0:1}" != - ] || set -- postgres "$@"

if [ "$1" = postgres ]; then
	case " $* " in
	*' --help '* | *' -? '* | *' --version '* | *' -V '* | *' --describe-config '*) exec "$@" ;;
	esac
	if [ "$(id -u)" = 0 ]; then
		mkdir -p "$PGDATA" /var/run/postgresql
		chmod 700 "$PGDATA"
		find "$PGDATA" \! -user postgres -exec chown postgres:postgres {} +
		find /var/run/postgresql \! -user postgres -exec chown postgres:postgres {} +
		if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
			mkdir -p "$POSTGRES_INITDB_WALDIR"
			chown -R postgres:postgres "$POSTGRES_INITDB_WALDIR"
		fi
		# Secret files may be readable by root only: read them before the change of user.
		for name in POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB POSTGRES_INITDB_ARGS; do
			file=${name}_FILE
			[ -z "${!file:-}" ] || value "$name" ''
		done
		HOME=/var/lib/postgresql exec setpriv --reuid=postgres --regid=postgres --init-groups "$BASH_SOURCE" "$@"
	fi
	if [ ! -s "$PGDATA/PG_VERSION" ]; then
		initialise "$@"
	else
		say "data folder is in use already; initialisation left out"
	fi
fi
exec "$@"
