#!/usr/bin/env bash
# Every command of the README, as it stands there, in an empty folder and with ports that are free.
# Programs are as the other steps have built them, or with RELEASE=yes a release build.
set -euo pipefail
# shellcheck source=tests/built.sh
. tests/built.sh

top=$PWD
scratch=$(mktemp -d)
served='' device=''
trap 'kill $served $device 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
broker=$(free_port) http=$(free_port)

# The commands between ```sh and ```, a block each, and a NUL after it.
blocks() {
    awk '/^ *```sh$/ { inside = 1; next } /^ *```$/ && inside { inside = 0; printf "%c", 0; next } inside' \
        "$top/README.md"
}

# What only this check says: where the programs are, which ports are free, and smaller fleets.
here() {
    sed -e "s|tests/python|$top/tests/python|g" \
        -e "s|-- quickstart|-- quickstart --listen 127.0.0.1:$broker --http 127.0.0.1:$http|" \
        -e "s|--example device -- |--example device -- --broker localhost:$broker |" \
        -e "s|scale --devices 1000,10000|scale --devices 100,1000|" \
        -e "s|127.0.0.1:8080|127.0.0.1:$http|" \
        -e "s|cargo run --release -- |$built/fleetgrant |" \
        -e "s|cargo run -p fleetgrant-agent --features std --example device -- |$built/examples/device |" <<<"$1"
}

wait_for() { # FILE WORDS
    for _ in $(seq 600); do
        grep -q "$2" "$1" 2>/dev/null && return
        sleep 0.5
    done
    echo "no \"$2\" in:"
    cat "$1"
    exit 1
}

cd "$scratch"
ran=0
while IFS= read -r -d '' block; do
    command=$(here "$block")
    printf '%s\n' "$block"
    case $block in
        tests/run*) continue ;; # This is it.
        *--\ quickstart*)
            bash -c "exec $command" >quickstart.out &
            served=$!
            wait_for quickstart.out 'Serving until'
            KEY=$(grep -o 'fgk_[A-Za-z0-9_-]*' quickstart.out)
            export KEY
            ;;
        *--example\ device*)
            bash -c "exec $command" >device.out &
            device=$!
            wait_for device.out 'sent ack'
            ;;
        *) bash -euc "$command" >command.out || { cat command.out; exit 1; } ;;
    esac
    ran=$((ran + 1))
done < <(blocks)
[ "$ran" -ge 8 ] || { echo "only $ran blocks of commands were found"; exit 1; }
grep -q '"state":"activated"' <(curl -sf -H "Authorization: Bearer $KEY" \
    "http://127.0.0.1:$http/api/v1/activations?device=dev-MY-1") ||
    { echo 'the device of the README is not activated'; exit 1; }
