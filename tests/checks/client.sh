#!/usr/bin/env bash
# A client in Python, generated from the description of the API, works with a gateway that serves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/served.sh
. tests/served.sh

tests/python --version >/dev/null
# The generator formats what it makes with ruff, which is beside it.
PATH="$PWD/tests/.venv/bin:$PATH" tests/.venv/bin/openapi-python-client generate \
    --path docs/openapi.json --config tests/checks/client.yml --output-path "$data/client" \
    --fail-on-warning
PYTHONPATH="$data/client" tests/python tests/checks/client.py "http://127.0.0.1:$http" "$key"
