#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fill the templates' ${NAME} with the environment. Only names that are set are filled, so $uri and friends stay.
set -eu
from=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
to=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
filter=${NGINX_ENVSUBST_FILTER:-}

[ -d "$from" ] || exit 0
if [ ! -w "$to" ]; then
	echo "$0: '$to' is not writable, templates left alone" >&2
	exit 0
fi
names=$(awk -v filter="$filter" 'BEGIN { for (name in ENVIRON) if (name ~ /^[A-Za-z_][A-Za-z0-9_]*$/ && name ~ filter) printf "${%s} ", name }')
find "$from" -follow -type f -name "*$suffix" | while IFS= read -r template; do
	name=${template#"$from"/}
	target=$to/${name%"$suffix"}
	mkdir -p "$(dirname "$target")"
	envsubst "$names" <"$template" >"$target"
done
