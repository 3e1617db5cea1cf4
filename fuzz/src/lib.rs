//! What the targets share: two readings of a message, a device whose key believes anything, the
//! gateway's reading of certificates, and its core.

pub mod device;
pub mod gateway;
pub mod identity;
pub mod reading;

mod crypto;
