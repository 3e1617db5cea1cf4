//! The HTTP API over a real port, as a program that speaks HTTP meets it.
#![allow(clippy::unwrap_used)]

mod api;
mod docs;
mod health;
mod imports;
mod keys;
mod limits;
mod lists;
mod openapi;
mod problems;
mod reports;
mod roles;
mod writes;
