//! What happens to devices before they are heard for the first time.

mod grants;
mod line;
mod reserve;
pub mod yields;

pub use grants::{Built, Line, NotBuilt};
pub use line::{Closed, LineError, close_runs, open_run, put_station, scrap};
pub use reserve::{NotReserved, Reservation, Reserved};
