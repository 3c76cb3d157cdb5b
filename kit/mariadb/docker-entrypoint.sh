#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bring up MariaDB, also in the place of MySQL; on an empty data folder first make the system tables, the users, the
# database and run the init files.
#
# While initialising, the server listens on a socket in a private folder only, so health checks that ask the usual
# socket or port get "no" until everything is ready.
set -eo pipefail

say() { echo "mariadb-entrypoint: $*"; }
die() { echo "mariadb-entrypoint: error: $*" >&2; exit 1; }

# setting NAME [DEFAULT]: print MARIADB_NAME, MYSQL_NAME or what one of their _FILE forms holds.
setting() {
	local name file
	for name in "MARIADB_$1" "MYSQL_$1"; do
		file=${name}_FILE
		if [ -n "${!name:-}" ]; then
			printf '%s' "${!name}"
			return
		elif [ -n "${!file:-}" ]; then
			[ -r "${!file}" ] || die "$file names '${!file}', which cannot be read"
			cat "${!file}"
			return
		fi
	done
	printf '%s' "${2:-}"
}

# quoted TEXT: an SQL string. identifier TEXT: an SQL name.
quoted() { local t=${1//\\/\\\\}; printf "'%s'" "${t//\'/\'\'}"; }
identifier() { printf '`%s`' "${1//\`/\`\`}"; }

sql() { mariadb --defaults-extra-file="$private/client.cnf" --protocol=socket --binary-mode "$@"; }

# The name the official image's own helper has; init scripts in the wild call it.
docker_process_sql() { sql ${database:+"$database"} "$@"; }

run_init_files() {
	local file
	for file in /docker-entrypoint-initdb.d/*; do
		case "$file" in
		*.sh)
			say "running $file"
			if [ -x "$file" ]; then "$file"; else . "$file"; fi
			;;
		*.sql) say "running $file"; sql $database <"$file" ;;
		*.sql.gz) say "running $file"; gunzip -c "$file" | sql $database ;;
		*.sql.xz) say "running $file"; xz -dc "$file" | sql $database ;;
		*.sql.zst) say "running $file"; zstd -dc "$file" | sql $database ;;
		*) [ ! -e "$file" ] || say "ignoring $file" ;;
		esac
	done
}

write_client() { # password
	{
		printf '[client]\nuser=root\nsocket=%s/init.sock\n' "$private"
		[ -z "$1" ] || { local p=${1//\\/\\\\}; printf 'password="%s"\n' "${p//\"/\\\"}"; }
	} >"$private/client.cnf"
}

initialise() {
	local root_password random empty user password root_host
	database=$(setting DATABASE)
	root_password=$(setting ROOT_PASSWORD)
	root_host=$(setting ROOT_HOST %)
	random=$(setting RANDOM_ROOT_PASSWORD)
	empty=$(setting ALLOW_EMPTY_PASSWORD "$(setting ALLOW_EMPTY_ROOT_PASSWORD)")
	user=$(setting USER)
	password=$(setting PASSWORD)
	if [ -z "$root_password$random$empty" ]; then
		die "no password for root: set MARIADB_ROOT_PASSWORD (or MYSQL_ROOT_PASSWORD, or a _FILE form)," \
			"MARIADB_RANDOM_ROOT_PASSWORD or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD"
	fi
	[ "$user" != root ] || die "MYSQL_USER is 'root', which exists already; remove MYSQL_USER and MYSQL_PASSWORD"
	if [ -n "$random" ]; then
		root_password=$(od -An -N18 -tx1 /dev/urandom | tr -d ' \n')
		say "GENERATED ROOT PASSWORD: $root_password"
	fi

	private=$(mktemp -d)
	mariadb-install-db --datadir="$datadir" --auth-root-authentication-method=normal --skip-test-db \
		--skip-log-bin >"$private/log" 2>&1 || { cat "$private/log" >&2; die "mariadb-install-db failed"; }
	"$@" --skip-networking --socket="$private/init.sock" --pid-file="$private/init.pid" --skip-log-bin \
		--loose-innodb-flush-log-at-trx-commit=0 --expire-logs-days=0 >"$private/log" 2>&1 &
	local server=$! i
	write_client ''
	for ((i = 0; i < 300; i++)); do
		! sql -e 'SELECT 1' >/dev/null 2>&1 || break
		kill -0 "$server" 2>/dev/null || { cat "$private/log" >&2; die "the server did not start"; }
		sleep 0.1
	done
	[ "$i" -lt 300 ] || { cat "$private/log" >&2; die "the server did not answer within 30 s"; }

	{
		echo "SET @@SESSION.SQL_LOG_BIN=0; SET @@SESSION.sql_mode='';"
		echo "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');"
		echo "DELETE FROM mysql.proxies_priv WHERE Host NOT IN ('', 'localhost'); FLUSH PRIVILEGES;"
		echo "CREATE USER IF NOT EXISTS 'healthcheck'@'127.0.0.1' IDENTIFIED BY ''; GRANT USAGE ON *.* TO 'healthcheck'@'127.0.0.1';"
		if [ "$root_host" != localhost ]; then
			echo "CREATE USER IF NOT EXISTS 'root'@$(quoted "$root_host") IDENTIFIED BY $(quoted "$root_password");"
			echo "GRANT ALL ON *.* TO 'root'@$(quoted "$root_host") WITH GRANT OPTION;"
		fi
		[ -z "$database" ] || echo "CREATE DATABASE IF NOT EXISTS $(identifier "$database");"
		if [ -n "$user" ] && [ -n "$password" ]; then
			echo "CREATE USER IF NOT EXISTS $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$password");"
			[ -z "$database" ] || echo "GRANT ALL ON $(identifier "${database//_/\\_}").* TO $(quoted "$user")@'%';"
		elif [ -n "$user$password" ]; then
			echo "mariadb-entrypoint: warning: a user needs both MYSQL_USER and MYSQL_PASSWORD; no user was made" >&2
		fi
		echo "SET PASSWORD FOR 'root'@'localhost' = PASSWORD($(quoted "$root_password"));"
	} | sql
	write_client "$root_password"

	# What init scripts run finds the private socket by itself.
	export MYSQL_UNIX_PORT=$private/init.sock
	run_init_files
	unset MYSQL_UNIX_PORT
	kill "$server"
	wait "$server" || true
	rm -rf "$private"
	say "initialised; ready to start"
}

[ "${1:0:1}" != - ] || set -- mariadbd "$@"

case "$1" in
mysqld | mariadbd)
	case " $* " in
	*' --help '* | *' -? '* | *' --version '* | *' -V '* | *' --verbose '*) exec "$@" ;;
	esac
	if [ "$(id -u)" = 0 ]; then
		mkdir -p /run/mysqld /var/lib/mysql
		find /run/mysqld /var/lib/mysql \! -user mysql -exec chown mysql:mysql {} +
		for name in ROOT_PASSWORD PASSWORD USER DATABASE; do
			for prefix in MARIADB MYSQL; do
				file=${prefix}_${name}_FILE
				[ -z "${!file:-}" ] || [ ! -r "${!file}" ] || { export "${prefix}_$name=$(<"${!file}")"; unset "$file"; }
			done
		done
		exec setpriv --reuid=mysql --regid=mysql --init-groups "$BASH_SOURCE" "$@"
	fi
	# Options and names only MySQL 8 knows would stop MariaDB: leave the former out, translate the latter.
	args=()
	for arg; do
		case "$arg" in
		--default-authentication-plugin* | --default_authentication_plugin* | --authentication-policy* | --mysqlx* | \
			--caching-sha2* | --mysql-native-password* | --mysql_native_password* | --gtid-mode* | --gtid_mode* | \
			--enforce-gtid-consistency* | --enforce_gtid_consistency* | --binlog-expire-logs-auto-purge* | \
			--log-error-suppression-list* | --disabled-storage-engines* | --secure-file-priv=NULL)
			say "leaving out $arg, which MariaDB does not know"
			;;
		*utf8mb4_0900_*) args+=("${arg%utf8mb4_0900_*}utf8mb4_unicode_ci") ;;
		*) args+=("$arg") ;;
		esac
	done
	set -- "${args[@]}"
	datadir=/var/lib/mysql
	for arg; do
		case "$arg" in --datadir=*) datadir=${arg#--datadir=} ;; esac
	done
	if [ ! -d "$datadir/mysql" ]; then
		initialise "$@"
	else
		say "data folder is in use already; initialisation left out"
	fi
	;;
esac
exec "$@"
