//! The same, on another gateway.

use super::{Args, Command, List, Show, Void, show_codes, show_list, tell_of_void};
use crate::cli::remote::{Body, Query, segment};
use crate::cli::{Failure, Remote};
use crate::code_void::Codes;
use crate::http::code_acts::CodesVoided;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(gateway, args),
        Command::Show(args) => show(gateway, args),
        Command::Void(args) => void(gateway, args),
    }
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let query = Query::default().with("partner", gateway.party_if(args.partner.as_deref())?);
    show_list(args, gateway.whole("/packs", query, &args.order)?)
}

fn show(gateway: &Remote, args: &Show) -> Result<(), Failure> {
    let path = format!("/packs/{}/codes", segment(&args.pack));
    let query = Query::default().with("state", args.state);
    show_codes(args, gateway.list(&path, query, &args.list)?)
}

fn void(gateway: &Remote, args: &Void) -> Result<(), Failure> {
    let path = match args.which()? {
        Codes::One(id) => format!("/codes/{id}/void"),
        Codes::Pack(pack) => format!("/packs/{}/void", segment(&pack)),
    };
    let query = Query::preview(args.preview);
    let voided: CodesVoided = gateway.post(&path, &query, &Body::None)?;
    tell_of_void(args, &voided);
    Ok(())
}
