#!/usr/bin/env bash
# Messages to webhooks, checked by the reference library of Standard Webhooks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/built.sh
. tests/built.sh

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
cat >"$data/fleetgrant.toml" <<'TOML'
realm = "acme"

[webhooks]
allow_http = true
allow_networks = ["127.0.0.0/8"]
TOML
tests/python tests/checks/webhooks.py "$built/fleetgrant" --config "$data/fleetgrant.toml"
