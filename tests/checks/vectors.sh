#!/usr/bin/env bash
# The vectors, judged by tools that share no code with us, and read by the device in Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tests/python tests/checks/vectors.py
tests/python tests/python_device/vectors.py
