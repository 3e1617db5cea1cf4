#!/usr/bin/env bash
# The device agent links without std, without an allocator and without a C library, with software
# keys and without; and the check itself refuses a program that allocates or uses std.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

source=tests/checks/agent-no-std.rs
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What the compiler itself calls, and a bare-metal core library brings; and the symbol by which the
# host's core library, built to unwind, names what an aborting program never calls.
linked_by_the_compiler='memcpy memmove memset memcmp bcmp strlen rust_eh_personality _Unwind_Resume'

# artifact CRATE: the library that cargo built last.
artifact() {
    sed -n 's/.*"filenames":\["\([^"]*lib'"$1"'[^"]*\.rlib\)".*/\1/p' "$scratch/artifacts"
}

# build NAME CARGO_FLAGS… -- RUSTC_FLAGS…: links the firmware in $source to $scratch/NAME.
build() {
    local name=$1 cargo_flags=() library schemas definitions=() symbol
    shift
    while [ "$1" != -- ]; do cargo_flags+=("$1"); shift; done
    shift
    cargo build --locked --quiet --package fleetgrant-agent --lib "${cargo_flags[@]}" \
        --message-format json > "$scratch/artifacts"
    library=$(artifact fleetgrant_agent)
    schemas=$(artifact fleetgrant_schemas)
    for symbol in $linked_by_the_compiler; do
        definitions+=(-C "link-arg=-Wl,--defsym=$symbol=0")
    done
    rustc --edition 2024 --crate-name firmware --crate-type bin -C panic=abort -C opt-level=1 \
        -C relocation-model=static -C link-dead-code=yes \
        -C link-arg=-nostartfiles -C link-arg=-nodefaultlibs -C link-arg=-static \
        "${definitions[@]}" -L "dependency=$(dirname "$schemas")" \
        --extern "fleetgrant_agent=$library" --extern "fleetgrant_schemas=$schemas" \
        "$@" -o "$scratch/$name" "$source"
}

# What is in the program, by demangled name, must be of core, of ours and of the libraries.
inspect() {
    local name=$1 found
    nm --demangle "$scratch/$name" > "$scratch/$name.symbols"
    grep -q 'fleetgrant_agent::agent::Agent' "$scratch/$name.symbols" || {
        echo "$name: the agent is not in the program, so nothing is proven"
        return 1
    }
    if found=$(grep -E '__rust_(alloc|dealloc|realloc)|__rdl_|__rg_|(^|[^:[:alnum:]_])(std|alloc)::|\b(malloc|free)$' \
        "$scratch/$name.symbols"); then
        echo "$name: linked in:"
        echo "$found"
        return 1
    fi
    if found=$(nm --undefined-only "$scratch/$name" | grep .); then
        echo "$name: undefined:"
        echo "$found"
        return 1
    fi
    echo "$name: $(grep -c ' [tT] ' "$scratch/$name.symbols") functions, none of std or an allocator"
}

# refused NAME REASON RUSTC_FLAGS…: the firmware must not build, for that reason.
refused() {
    local name=$1 reason=$2
    shift 2
    if build "$name" --no-default-features -- "$@" 2> "$scratch/$name.errors"; then
        echo "$name: it linked, so this check proves nothing"
        return 1
    fi
    grep -q "$reason" "$scratch/$name.errors" || {
        echo "$name: it failed for another reason:"
        cat "$scratch/$name.errors"
        return 1
    }
}

build secure-element --no-default-features --
inspect secure-element
build software-keys --no-default-features --features p256 -- --cfg software
inspect software-keys
refused allocates 'no global memory allocator' --cfg allocates
refused uses-std 'duplicate lang item\|found duplicate' --cfg uses_std
