#!/usr/bin/env bash
# The agent for C: its tests under valgrind, mistakes of a C program under the sanitizers, a library
# that needs neither a standard library nor an allocator, and a device in C with a real gateway.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
ffi=device-agent/ffi

for tool in cc valgrind; do
    command -v "$tool" > /dev/null || { echo "$tool is missing: run tests/run --only setup"; exit 1; }
done

# --- The library, and what it links ---------------------------------------------------------------

# library CARGO_FLAGS…: builds the static library; its path.
library() {
    cargo rustc --locked --quiet --package fleetgrant-agent-ffi --lib --target-dir target/ffi \
        --crate-type staticlib --message-format json "$@" > "$scratch/artifacts" || return 1
    sed -n 's/.*"filenames":\["\([^"]*libfleetgrant_agent_ffi\.a\)".*/\1/p' "$scratch/artifacts"
}

# What a compiler calls by itself and every C library for bare metal has.
allowed='memcpy|memmove|memset|memcmp|bcmp|strlen|fg_panic|rust_eh_personality'

bare=$(CARGO_PROFILE_DEV_PANIC=abort CARGO_PROFILE_DEV_OPT_LEVEL=1 \
    library --no-default-features --features panic-handler)
# Linked into one object, so that only what is needed from outside is undefined; without the core
# library's bitcode, which Debian's nm gives to a plugin that is too old for it.
ld -r --whole-archive "$bare" -o "$scratch/whole.o" 2> "$scratch/ld" || { cat "$scratch/ld"; exit 1; }
objcopy --remove-section .llvmbc --remove-section .llvmcmd "$scratch/whole.o" "$scratch/bare.o"
if undefined=$(nm --undefined-only "$scratch/bare.o" | awk '{ print $2 }' | grep -vxE "$allowed"); then
    echo "the library without std needs from outside:"
    echo "$undefined"
    exit 1
fi
# What can be written to; what is only relocated is constant.
if found=$(objdump --syms --demangle "$scratch/bare.o" | grep -E ' \.t?(bss|data)' |
    grep -v ' \.data\.rel\.ro' | grep -E 'fleetgrant|fg_'); then
    echo "the library keeps state of its own:"
    echo "$found"
    exit 1
fi
# Not through a pipe: a grep that has found it ends, and nm with it, which would count as a failure.
nm "$scratch/bare.o" > "$scratch/symbols"
grep -q ' T fg_agent_start$' "$scratch/symbols" || { echo "fg_agent_start is not in it"; exit 1; }
echo 'the library without std needs nothing but the memory functions and fg_panic, and keeps no state'

hosted=$(library)

# --- Its tests, and mistakes, where every access is watched -----------------------------------------

cargo test --locked --quiet --package fleetgrant-agent-ffi
cargo test --locked --quiet --package fleetgrant-agent-ffi --no-run --message-format json \
    > "$scratch/artifacts"
programs=$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$scratch/artifacts")
count=0
for program in $programs; do
    case $program in *header*) continue ;; esac
    valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
        "$program" --test-threads 1 > "$scratch/valgrind" 2>&1 || { cat "$scratch/valgrind"; exit 1; }
    grep -q '^test result: ok' "$scratch/valgrind" || { cat "$scratch/valgrind"; exit 1; }
    count=$((count + 1))
done
[ "$count" = 3 ] || { echo "$count programs ran under valgrind, not 3"; exit 1; }
echo 'its tests pass under valgrind'

compile() { # NAME FLAGS…
    local name=$1
    shift
    cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -pedantic -g -O1 "$@" -I "$ffi/include" \
        "$ffi/examples/$name.c" "$hosted" -lpthread -ldl -lm -o "$scratch/$name"
}
compile misuse -fsanitize=address,undefined -fno-sanitize-recover=all
"$scratch/misuse"
# The header is C++ too.
echo '#include "fleetgrant.h"' | cc -x c++ -std=c++17 -Wall -Wextra -Werror -pedantic -fsyntax-only -I "$ffi/include" -

# --- A device in C, with a real gateway -------------------------------------------------------------

compile device -fsanitize=address,undefined -fno-sanitize-recover=all
cargo build --workspace --locked --quiet --example serial_bridge
C_DEVICE=$scratch/device SERIAL_BRIDGE=$PWD/target/debug/examples/serial_bridge \
    cargo test --workspace --locked --quiet --test served -- --ignored c_device --nocapture
