#!/usr/bin/env bash
# The HTTP API, asked by a tool that makes requests from its description: no 500, no answer that the
# description does not tell of, nothing without a key.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/served.sh
. tests/served.sh

# The tool leaves its notes where it runs.
python=$PWD/tests/python
export SCHEMATHESIS_HOOKS=$PWD/tests/checks/hooks.py
export FLEETGRANT_API="http://127.0.0.1:$http" FLEETGRANT_KEY=$key
cd "$data"
# What a schema cannot say is refused too (a cursor of another list, a name that was used), so
# that valid requests may be rejected. Requests are slower than a key's bucket fills.
"$python" -m schemathesis.cli run "http://127.0.0.1:$http/api/v1/openapi.json" \
    --header "Authorization: Bearer $key" --rate-limit 45/s --max-examples 10 --seed 1 --no-color \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth
