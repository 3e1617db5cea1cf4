//! The HTTP API over a real port, as a program that speaks HTTP meets it.
#![allow(clippy::unwrap_used)]

#[macro_use]
extern crate fleetgrant;

mod api;
mod bulk;
mod campaigns;
mod co_term;
mod codes;
mod desk;
mod devices;
mod docs;
mod factory;
mod filters;
#[allow(dead_code, reason = "each kind of test uses a part of it")]
#[path = "../cli/folder.rs"]
mod folder;
mod health;
mod history;
mod holds;
mod imports;
mod keys;
mod limits;
mod lists;
mod oidc;
mod openapi;
mod policies;
mod problems;
mod product_lines;
mod reasons;
mod remote;
mod reports;
mod roles;
mod sorts;
mod store;
mod versions;
mod webhooks;
mod writes;
