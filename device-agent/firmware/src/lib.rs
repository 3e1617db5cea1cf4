//! What a firmware needs around the agent, for the board that QEMU calls `mps2-an386`: a
//! Cortex-M4 with a UART. Its flash and its randomness are the host's, by semihosting.
#![no_std]

pub mod board;
pub mod built;
pub mod console;
pub mod factory;
pub mod image;
pub mod measure;
pub mod nowhere;
pub mod sample;
pub mod verifying;
