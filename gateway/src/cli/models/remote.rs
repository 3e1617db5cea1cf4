//! The same, on another gateway.

use super::{Args, Command, show_list};
use crate::cli::remote::Query;
use crate::cli::{Failure, Remote};
use crate::http::license_models::LicenseModel;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let Command::List(args) = &args.command;
    let query = Query::default().with("state", args.state);
    let key = |model: &LicenseModel| model.id.to_string();
    let models = gateway.list("/license-models", query, &args.list, args.after, key)?;
    show_list(args, models)
}
