//! Who may ask the HTTP API: keys, made and revoked by people, each in the history.
//!
//! A key is 256 random bits. It is shown when it is made and kept nowhere; the database has its
//! SHA-256, and that is enough, since nobody guesses 256 bits. Finding a key by its hash takes no
//! time that tells anything of it.

mod key;
mod name;
mod oidc;
mod token;

pub use key::{Grant, KeyError, Made, NewKey, create, revoke};
pub use name::{InvalidKeyName, KeyName};
pub(crate) use oidc::secured;
pub use oidc::{OidcVerifier, Person, TokenError};
pub use token::{Token, TokenHash};
