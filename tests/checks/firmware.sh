#!/usr/bin/env bash
# The agent as the firmware of a Cortex-M4, built for bare metal and run by QEMU: what it takes in
# flash, memory and instructions, that what is ours cannot panic, the library for C, and what the
# firmware does with a real gateway. With --table it only prints what it takes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# rustup has no core library for the target where it cannot download one. Debian's rustc-web comes
# with the source of its own, which is built here; no other compiler can be used for that source.
# Debian's clang compiles C for every target.
packages='rustc-web libstd-rust-web-dev rust-web-src qemu-system-arm clang'

# version PACKAGE: of what is installed; nothing if it is not.
version() {
    dpkg-query --show --showformat '${Version}' "$1" 2>/dev/null || true
}

install() {
    local missing=() package
    for package in $packages; do
        [ -n "$(version "$package")" ] || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        if [ "${INSTALL:-yes}" = no ]; then
            echo "missing: ${missing[*]}"
            exit 1
        fi
        # The compiler's own source is not needed: 250 MB. The patterns' `*` crosses folders, so a
        # wider one would take the library's `core/src` with it.
        DEBIAN_FRONTEND=noninteractive as_root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends \
            -o 'DPkg::Options::=--path-exclude=/usr/src/rustc-?.??.?/src/*' \
            -o 'DPkg::Options::=--path-exclude=/usr/src/rustc-?.??.?/compiler/*' \
            "${missing[@]}" > "$scratch/apt" || { cat "$scratch/apt"; exit 1; }
    fi
    if [ "$(version rustc-web)" != "$(version rust-web-src)" ]; then
        echo "rustc-web is $(version rustc-web) and rust-web-src $(version rust-web-src): they must be equal"
        exit 1
    fi
}

linker() {
    local host found
    host=$(rustc --version --verbose | sed -n 's/^host: //p')
    found=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
    [ -x "$found" ] || { echo "rust-lld is missing: it comes with Rust as rustup installs it" >&2; exit 1; }
    echo "$found"
}

# build PROFILE: the programs of the firmware, with their core library.
build() {
    (
        cd device-agent/firmware
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
            CARGO_TARGET_THUMBV7EM_NONE_EABI_LINKER=$linker \
            CARGO_TARGET_THUMBV7EM_NONE_EABI_RUSTFLAGS='-D warnings' \
            cargo build --locked --quiet --bins --profile "$1" --target-dir "$target" \
            -Z build-std=core,compiler_builtins -Z build-std-features=compiler-builtins-mem
    )
}

# elf PROFILE PROGRAM
elf() { echo "$target/thumbv7em-none-eabi/$1/$2"; }

# emulate ELF QEMU_FLAGS…
emulate() {
    local elf=$1
    shift
    timeout 60 qemu-system-arm -M mps2-an386 -nographic -monitor none -kernel "$elf" \
        -semihosting-config enable=on,target=native "$@" < /dev/null
}

# section ELF NAME…: bytes of these sections together.
section() {
    local elf=$1
    shift
    size -A -d "$elf" | awk -v names="$*" '
        BEGIN { split(names, list, " "); for (i in list) wanted[list[i]] = 1 }
        $1 in wanted { total += $2 }
        END { print total + 0 }'
}

# figures PROFILE: one line for each figure, `NAME VALUE`.
figures() {
    local program
    for program in crypto verifier verifier_se agent agent_se fleetgrant-firmware; do
        echo "flash/$program $(section "$(elf "$1" $program)" .text .rodata .data)"
    done
    # Its buffers and its flash's page are static there, the agent's are not.
    echo "ram/agent $(section "$(elf "$1" agent)" .data .bss)"
    # An instruction takes a nanosecond of the emulated time, so the counts repeat.
    emulate "$(elf "$1" measure)" -serial none -icount shift=0 | awk '
        $1 == "size" { print "bytes/" $2, $3; next }
        { print "instructions/" $1, $2; print "stack/" $1, $3 }'
}

# What the figures may be: some percent above what they are, for other compilers, and below the goals
# where those are met. `start` is the first start of a device; `start-again` checks the stored grant.
limits='
flash/crypto 25000 29400
flash/verifier 22200 25500
flash/verifier_se 9500 9500
flash/agent 49800 54500
flash/agent_se 34200 34200
flash/fleetgrant-firmware 65000 69500
ram/agent 512 512
bytes/agent 1400 1400
stack/verify 4500 4500
stack/sign 3500 3500
stack/start 3500 3500
stack/request 5000 5000
stack/accept-grant 5200 5200
stack/acknowledge 4500 4500
stack/ask 5000 5000
stack/start-again 6500 6500
instructions/verify 11800000 7400000
instructions/sign 11500000 7000000
'

# within SIZE_FIGURES SPEED_FIGURES
within() {
    local name small fast failed=0
    while read -r name small fast; do
        [ -n "$name" ] || continue
        awk -v name="$name" -v most="$small" -v what='for size' "$within" "$1" || failed=1
        awk -v name="$name" -v most="$fast" -v what='for speed' "$within" "$2" || failed=1
    done <<< "$limits"
    # To accept a grant is to check its signature, and little else.
    local figures
    for figures in "$1" "$2"; do
        awk '{ value[$1] = $2 }
            END {
                ratio = value["instructions/accept-grant"] / value["instructions/verify"]
                if (ratio > 1.1) { print "accepting a grant takes", ratio, "times a verification"; exit 1 }
            }' "$figures" || failed=1
    done
    return $failed
}
within='
    $1 == name { found = 1; if ($2 > most) { print name, what, "is", $2 ", above", most; bad = 1 } }
    END { if (!found) print name, what, "was not measured"; exit bad || !found }'

# table SIZE_FIGURES SPEED_FIGURES
table() {
    awk 'BEGIN { printf "%-28s %14s %14s\n", "", "opt z", "arithmetic 3" }
        NR == FNR { small[$1] = $2; order[++count] = $1; next }
        { fast[$1] = $2 }
        END {
            for (i = 1; i <= count; i++) printf "%-28s %14d %14d\n", order[i], small[order[i]], fast[order[i]]
            printf "%-28s %14.2f %14.2f\n", "accept-grant / verify", \
                small["instructions/accept-grant"] / small["instructions/verify"], \
                fast["instructions/accept-grant"] / fast["instructions/verify"]
            printf "%-28s %14d %14d\n", "agent beyond crypto and CBOR", \
                small["flash/agent"] - small["flash/crypto"], fast["flash/agent"] - fast["flash/crypto"]
        }' "$1" "$2"
}

# A program that can panic has a mark in it, which the end of a panic refers to; one that cannot is
# linked without that end.
mark='this program can panic'

# cannot_panic PROGRAM: says what can, if something can.
cannot_panic() {
    local program
    program=$(elf release "$1")
    if grep --quiet --text "$mark" "$program"; then
        echo "$1 can panic:"
        nm --demangle "$program" | grep -E 'panicking|_fail(ed)?(::|$)' || true
        return 1
    fi
}

# c_library: builds the library for C as a firmware links it, and runs the device in C with it.
c_library() {
    local target_dir=$target/c library said
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
        CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
        CARGO_TARGET_THUMBV7EM_NONE_EABI_RUSTFLAGS='--cfg=sha2_backend_soft="compact" --cfg=cpubits="32"' \
        cargo rustc --locked --quiet --release --package fleetgrant-agent-ffi --lib \
        --crate-type staticlib --no-default-features --features panic-handler \
        --target thumbv7em-none-eabi --target-dir "$target_dir" \
        -Z build-std=core,compiler_builtins -Z build-std-features=compiler-builtins-mem
    library=$target_dir/thumbv7em-none-eabi/release/libfleetgrant_agent_ffi.a
    clang --target=thumbv7em-none-eabi -mcpu=cortex-m4 -mfloat-abi=soft -std=c11 -ffreestanding -Os \
        -Wall -Wextra -Werror -pedantic -I device-agent/ffi/include \
        -c device-agent/ffi/examples/bare.c -o "$scratch/bare.o"
    # An undefined symbol would be refused: there is no C library.
    "$linker" -flavor gnu --gc-sections --entry=main -T device-agent/ffi/examples/bare.ld \
        "$scratch/bare.o" "$library" -o "$scratch/bare"
    # SYS_WRITE0 of QEMU goes to its standard error.
    said=$(emulate "$scratch/bare" -serial none 2>&1)
    [ "$said" = 'the agent in C started, asked and refused' ] || { echo "in C: $said"; exit 1; }
    echo "$said"
}

(cd device-agent/firmware && cargo fmt --check)
install
linker=$(linker)
target=$PWD/target/firmware
build release
build fast
figures release > "$scratch/small"
figures fast > "$scratch/fast"
table "$scratch/small" "$scratch/fast"
[ "${1:-}" != --table ] || exit 0
within "$scratch/small" "$scratch/fast"

cannot_panic verifier_se
cannot_panic agent_se
# The curve of the p256 crate can, as far as the compiler sees: the check finds that.
if cannot_panic verifier > "$scratch/panics"; then
    echo 'verifier cannot panic: then it should be held to that, and something else tell what can'
    exit 1
fi
grep --quiet panic_bounds_check "$scratch/panics" || { cat "$scratch/panics"; exit 1; }
echo 'a verifier and an agent whose signatures are made and checked elsewhere cannot panic'

c_library

firmware=$(elf release fleetgrant-firmware)
said=$(cd "$scratch" && emulate "$firmware" -serial none) && {
    echo "without flash it must not run: $said"
    exit 1
}
[ "$said" = 'failed: there is no flash.bin' ] || { echo "unexpected: $said"; exit 1; }

# With the features of the whole workspace, so that what the other steps built is used.
cargo build --workspace --locked --quiet --example serial_bridge
CORTEX_M_FIRMWARE=$firmware SERIAL_BRIDGE=$PWD/target/debug/examples/serial_bridge \
    cargo test --workspace --locked --quiet --test served -- --ignored firmware --nocapture
