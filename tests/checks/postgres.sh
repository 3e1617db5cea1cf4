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
# A certificate for localhost, and a root that has nothing to do with it.
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
for root in ca other; do
    openssl req -x509 "${key[@]}" -keyout "$folder/$root.key" -out "$folder/$root.pem" -days 2 \
        -subj "/CN=$root" 2>/dev/null
done
openssl req "${key[@]}" -keyout "$folder/server.key" -out "$folder/server.csr" -subj /CN=localhost 2>/dev/null
openssl x509 -req -in "$folder/server.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial \
    -days 2 -extfile <(printf 'subjectAltName=DNS:localhost') -out "$folder/server.pem" 2>/dev/null
chmod 600 "$folder/server.key"
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
    "-p $port -k $folder -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200 \
     -c ssl=on -c ssl_cert_file=$folder/server.pem -c ssl_key_file=$folder/server.key" start) || {
    cat "$folder/log"
    exit 1
}
"$bin/postgres" --version

export POSTGRES_CA_FOR_TESTS="$folder/ca.pem"
export POSTGRES_FOR_TESTS="postgres://fleetgrant:$password@127.0.0.1:$port/postgres"
# The whole workspace, so that what the step `test` has built serves here as well.
cargo test --workspace --locked --no-fail-fast --lib -- \
    store:: report:: import:: history:: lifecycle:: campaign:: webhook:: doctor:: sample::
cargo test --workspace --locked --no-fail-fast --test http
# And as processes: two gateways on one database, killed in turn, and asked for the last units at once.
cargo test --workspace --locked --no-fail-fast --test crash -- two_gateways killed_gateway
cargo test --workspace --locked --no-fail-fast --test served -- race:: operator:: rerun::
