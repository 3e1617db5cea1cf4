//! The vectors in `vectors/`: written here, and read as they say.
//!
//! `FLEETGRANT_WRITE_VECTORS=1 cargo test -p fleetgrant-schemas --test vectors` writes them anew.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod arbitrary;
mod codes;
mod differential;
mod files;
mod invalid;
mod item;
mod judgements;
mod material;
mod names;
mod prose;
mod reading;
mod valid;
mod worked;

pub(crate) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
