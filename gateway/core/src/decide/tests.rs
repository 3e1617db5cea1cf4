#![allow(clippy::unwrap_used)]

mod bound;
mod codes;
mod give_back;
mod serving;
mod size;
