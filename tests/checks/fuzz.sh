#!/usr/bin/env bash
# Fuzzes every parser that faces the wire, some seconds each, beginning with the vectors. With a
# number it takes so many seconds a target: `tests/checks/fuzz.sh 3600`. What is found is kept in
# fuzz/artifacts and runs first from then on.
#
# It does what `cargo fuzz` does, without it: that tool takes longer to build than all of this. The
# sanitizer is left out, since no code here is unsafe; overflows and assertions are checked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../fuzz"

seconds=${1:-6}
targets=${2:-'message payload text line records device certificate intake'}
target=$PWD/../target/fuzz
host=$(rustc --version --verbose | sed -n 's/^host: //p')

# A counter at every edge, and comparisons told, so that the fuzzer sees what an input reaches.
flags='--cfg fuzzing -C codegen-units=1 -C passes=sancov-module'
for flag in sanitizer-coverage-level=4 sanitizer-coverage-inline-8bit-counters \
    sanitizer-coverage-pc-table sanitizer-coverage-trace-compares \
    simplifycfg-branch-fold-threshold=0; do
    flags+=" -C llvm-args=-$flag"
done

cargo fmt --check
# With --target the flags are not for build scripts and macros.
RUSTFLAGS=$flags cargo build --locked --quiet --release --target "$host" --target-dir "$target"

corpus=$target/corpus
python3 corpus.py ../schemas/vectors "$corpus"
# Finds for $seconds what makes one target fail, and prints how much it saw.
fuzz() {
    local name=$1 log=$target/$1.log
    mkdir -p "artifacts/$name" "$target/found/$name"
    # What earlier runs found comes first, then the vectors, then what the fuzzer makes of them.
    "$target/$host/release/$name" "$target/found/$name" "artifacts/$name" "$corpus/$name" \
        -artifact_prefix="artifacts/$name/" -max_total_time="$seconds" -max_len=5000 -timeout=5 \
        -rss_limit_mb=1024 -print_final_stats=1 > "$log" 2>&1 || {
        tail -n 40 "$log"
        echo "$name: the input is in fuzz/artifacts/$name"
        exit 1
    }
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    # A fuzzer that reached nothing would prove nothing.
    [ "${runs:-0}" -gt 1000 ] && [ "${edges:-0}" -gt 40 ] || {
        tail -n 20 "$log"
        echo "$name: $runs runs, $edges edges: too few"
        exit 1
    }
    echo "$name: $runs runs, $edges edges"
}

# Each takes one core.
export -f fuzz
export seconds target host corpus
# shellcheck disable=SC2086
printf '%s\n' $targets | xargs -P "$(nproc)" -I{} bash -euo pipefail -c 'fuzz {}'
