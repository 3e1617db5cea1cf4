//! What happens to devices before they are heard for the first time.

mod grants;

pub use grants::{Built, Line, NotBuilt};
