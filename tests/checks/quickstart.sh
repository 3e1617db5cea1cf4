#!/usr/bin/env bash
# The README's first command from beginning to end, twice: the second time finds everything done.
set -euo pipefail
# shellcheck source=tests/built.sh
. tests/built.sh

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

run() {
    "$built/fleetgrant" quickstart --devices 20 --exit \
        --data "$data/quickstart" --listen "127.0.0.1:$port" --http 127.0.0.1:0
}

expect() { # REPORT LINE
    grep -qE "$2" <<<"$1" || {
        printf 'expected /%s/ in:\n%s\n' "$2" "$1"
        exit 1
    }
}

for attempt in first second; do
    report=$(run)
    printf '%s run:\n%s\n' "$attempt" "$report"
    expect "$report" 'admitted +20$'
    expect "$report" 'activated +40$'
done
