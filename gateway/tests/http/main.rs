//! The HTTP API over a real port, as a program that speaks HTTP meets it.
#![allow(clippy::unwrap_used)]

mod api;
mod health;
mod limits;
mod problems;
