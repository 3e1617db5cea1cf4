#![no_std]
//! The Fleetgrant device agent.
