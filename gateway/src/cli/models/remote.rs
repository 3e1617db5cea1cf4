//! The same, on another gateway.

use super::{Args, Command, show_list};
use crate::cli::remote::Query;
use crate::cli::{Failure, Remote};

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let Command::List(args) = &args.command;
    let query = Query::default().with("state", args.state);
    let models = gateway.list("/license-models", query, &args.list)?;
    show_list(args, models)
}
