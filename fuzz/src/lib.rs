//! What the targets share: two readings of a message, and a device whose key believes anything.

pub mod device;
pub mod reading;
