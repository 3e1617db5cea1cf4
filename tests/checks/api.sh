#!/usr/bin/env bash
# The HTTP API, asked by a tool that makes requests from its description: no 500, no answer that the
# description does not tell of, nothing without a key.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

data=$(mktemp -d)
gateway=''
trap '[ -z "$gateway" ] || kill "$gateway" 2>/dev/null || true; rm -rf "$data"' EXIT
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
broker=$(free_port)
http=$(free_port)

cargo build --locked --quiet
"${CARGO_TARGET_DIR:-target}/debug/fleetgrant" quickstart --devices 20 --data "$data/quickstart" \
    --listen "127.0.0.1:$broker" --http "127.0.0.1:$http" >"$data/log" 2>&1 &
gateway=$!

for _ in $(seq 120); do
    grep -q '^Serving' "$data/log" && break
    kill -0 "$gateway" 2>/dev/null || break
    sleep 1
done
key=$(grep -o 'fgk_[A-Za-z0-9_-]*' "$data/log") || {
    cat "$data/log"
    exit 1
}

# The tool leaves its notes where it runs.
python=$PWD/tests/python
cd "$data"
# What a schema cannot say is refused too (a cursor of another list, a name that was used), so
# that valid requests may be rejected. Requests are slower than a key's bucket fills.
"$python" -m schemathesis.cli run "http://127.0.0.1:$http/api/v1/openapi.json" \
    --header "Authorization: Bearer $key" --rate-limit 45/s --max-examples 20 --seed 1 --no-color \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth
