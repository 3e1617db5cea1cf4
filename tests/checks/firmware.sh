#!/usr/bin/env bash
# The agent as the firmware of a Cortex-M4, built for bare metal and run by QEMU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# rustup has no core library for the target where it cannot download one. Debian's rustc-web comes
# with the source of its own, which is built here; no other compiler can be used for that source.
packages='rustc-web libstd-rust-web-dev rust-web-src qemu-system-arm'

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

# build CARGO_FLAGS…: the firmware, with its core library.
build() {
    (
        cd device-agent/firmware
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
            CARGO_TARGET_THUMBV7EM_NONE_EABI_LINKER=$linker \
            CARGO_TARGET_THUMBV7EM_NONE_EABI_RUSTFLAGS='-D warnings -C link-arg=-Tlink.x' \
            cargo build --release --locked --quiet --target thumbv7em-none-eabi --target-dir "$target" \
            -Z build-std=core,compiler_builtins -Z build-std-features=compiler-builtins-mem "$@"
    )
}

# emulate ELF QEMU_FLAGS…
emulate() {
    local elf=$1
    shift
    timeout 60 qemu-system-arm -M mps2-an386 -nographic -monitor none -kernel "$elf" "$@" < /dev/null
}

(cd device-agent/firmware && cargo fmt --check)
install
linker=$(linker)
target=$PWD/target/firmware
build
firmware=$target/thumbv7em-none-eabi/release/fleetgrant-firmware

said=$(cd "$scratch" && emulate "$firmware" -serial none -semihosting-config enable=on,target=native) && {
    echo "without flash it must not run: $said"
    exit 1
}
[ "$said" = 'failed: there is no flash.bin' ] || { echo "unexpected: $said"; exit 1; }

# With the features of the whole workspace, so that what the other steps built is used.
cargo build --workspace --locked --quiet --example serial_bridge
CORTEX_M_FIRMWARE=$firmware SERIAL_BRIDGE=$PWD/target/debug/examples/serial_bridge \
    cargo test --workspace --locked --quiet --test served -- --ignored firmware --nocapture
