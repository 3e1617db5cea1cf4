//! Whether the history is what was written, and how it is kept so that people can be forgotten.
//!
//! Each stream is a chain of hashes ([`crate::store::event`]). A chain finds what was changed, left
//! out or put in, but not that its end was cut off, or that somebody wrote all of it anew: a signed
//! [`checkpoint`], kept elsewhere, finds that.

pub mod checkpoint;
pub mod erasure;
pub mod subject;
pub mod verify;
