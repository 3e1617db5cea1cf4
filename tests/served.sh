# Sourced by checks that ask the HTTP API: a quickstart of 20 devices that serves until the check ends.
# Sets `data`, a folder of its own; `http`, its port; `key`, a key for admins.

data=$(mktemp -d)
gateway=''
trap '[ -z "$gateway" ] || kill "$gateway" 2>/dev/null || true; rm -rf "$data"' EXIT
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
broker=$(free_port)
http=$(free_port)

# shellcheck source=tests/built.sh
. tests/built.sh
"$built/fleetgrant" quickstart --devices 20 --data "$data/quickstart" \
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
