//! What happens to devices before they are heard for the first time.

mod grants;
mod reserve;

pub use grants::{Built, Line, NotBuilt};
pub use reserve::{NotReserved, Reservation, Reserved};
