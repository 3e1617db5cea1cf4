#!/usr/bin/env bash
# The gateway's tests once more, on a PostgreSQL of their own: every test that opens a store opens
# it there. Tests that are about one database say "skipped" on the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bin=$(dirname "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -1)")
[ -x "$bin/initdb" ] || {
    echo "PostgreSQL is missing: install the package postgresql"
    exit 1
}
# The server refuses to run as root.
server=()
[ "$(id -u)" != 0 ] || server=(runuser -u postgres --)

folder=$(mktemp -d)
trap '"${server[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate -s stop 2>/dev/null || true; rm -rf "$folder"' EXIT
password=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf '%s\n' "$password" >"$folder/password"
chmod 711 "$folder"
[ "$(id -u)" != 0 ] || chown -R postgres "$folder"

# A locale whose order is not that of bytes, where the server knows one: lists must not care.
initdb() {
    (cd "$folder" && "${server[@]}" "$bin/initdb" -D "$folder/data" -U fleetgrant --pwfile="$folder/password" \
        --auth=scram-sha-256 --encoding=UTF8 --no-sync "$@" >"$folder/initdb.log" 2>&1)
}
initdb --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US || {
    "${server[@]}" rm -rf "$folder/data"
    initdb --locale=C.UTF-8 || { cat "$folder/initdb.log"; exit 1; }
}
# Without fsync: the data is thrown away, and what a power cut does is the server's own test.
(cd "$folder" && "${server[@]}" "$bin/pg_ctl" -D "$folder/data" -s -w -l "$folder/log" -o \
    "-p $port -k $folder -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200" start) || {
    cat "$folder/log"
    exit 1
}
"$bin/postgres" --version

export POSTGRES_FOR_TESTS="postgres://fleetgrant:$password@127.0.0.1:$port/postgres"
# The whole workspace, so that what the step `test` has built serves here as well.
cargo test --workspace --locked --no-fail-fast --lib -- \
    store:: report:: import:: history:: lifecycle:: campaign:: webhook:: doctor:: sample::
cargo test --workspace --locked --no-fail-fast --test http
