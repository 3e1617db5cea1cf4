#![allow(clippy::unwrap_used)]

mod admission;
mod challenge;
mod held;
mod number;
mod repeat;
mod uses;
