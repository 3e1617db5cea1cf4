//! A factory's certificate authority for development, demonstration and tests.
//!
//! It stands in for what a maker's own public key infrastructure does: it makes device
//! certificates in the manner of IEEE 802.1AR, the certificates of the maker's own services, and
//! the authority's key. Its folder:
//!
//! ```text
//! device-root.pem    device-root.key      the root of the factory
//! device-issuing.pem device-issuing.key   the CA on the line, which issues devices
//! service-ca.pem     service-ca.key       the CA of the maker's own services; no anchor has it
//! gateway.pem        gateway.key          the gateway's role certificate (OU=gateway)
//! broker.pem         broker.key           the broker's server certificate
//! authority.key      authority.pub        what signs grants, epoch 1; later ones authority-2.key …
//! devices/SERIAL.pem devices/SERIAL.key   a device's chain (leaf, issuing CA) and key
//! ```
//!
//! Certificates are PEM, keys PKCS#8 in PEM with mode 0600. Nothing is ever overwritten.

mod authority;
mod der;
mod dev;
mod device;
mod error;
mod files;
#[cfg(any(test, feature = "testing"))]
pub mod forge;
mod key_set;

pub use authority::NewAuthority;
pub use dev::{DevPki, DevPkiOptions};
pub use device::{DEV_HARDWARE_TYPE, DeviceCredentials};
pub use error::PkiError;
pub use key_set::{KeySetContent, NewRoot, make_roots, read_public_key, sign_key_set};
