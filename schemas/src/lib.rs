#![no_std]
//! The Fleetgrant wire protocol, version 1.

pub mod id;
pub mod limits;
