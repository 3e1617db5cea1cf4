//! The embedded broker and the gateway's link to it, over real mutual TLS.
#![allow(clippy::unwrap_used)]

mod access;
mod harness;
mod hostile;
mod link;
mod memory;
mod pki;
mod redelivery;
mod restart;
mod scripted;
