//! The pure core of the gateway.
