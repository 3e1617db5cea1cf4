#!/usr/bin/env bash
# The vectors, judged by tools that share no code with us.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tests/python tests/checks/vectors.py
