#![allow(clippy::unwrap_used)]

mod additions;
mod bound;
mod codes;
mod give_back;
mod moves;
mod on_hold;
mod order;
mod product_lines;
mod serving;
mod size;
mod temporary;
