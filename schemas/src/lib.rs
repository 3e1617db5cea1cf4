#![no_std]
//! The Fleetgrant wire protocol.
