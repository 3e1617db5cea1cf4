//! The same, on another gateway.

use super::{Command, Which, tell};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Remote};
use crate::http::order_acts::{ActOnOrder, OrderVerb};

pub(in crate::cli) fn run(gateway: &Remote, command: &Command) -> Result<(), Failure> {
    let of = |act| ActOnOrder {
        act,
        line: None,
        quantity: None,
        revoke: false,
        preview: false,
    };
    match command {
        Command::Amend(args) => {
            let asked = ActOnOrder {
                line: Some(args.line.clone()),
                quantity: Some(args.quantity),
                ..of(OrderVerb::Amend)
            };
            change(gateway, &args.which, &asked)
        }
        Command::Cancel(args) => {
            let asked = ActOnOrder {
                line: args.line.clone(),
                revoke: args.revoke,
                ..of(OrderVerb::Cancel)
            };
            change(gateway, &args.which, &asked)
        }
        Command::Hold(which) => change(gateway, which, &of(OrderVerb::Hold)),
        Command::Release(which) => change(gateway, which, &of(OrderVerb::Release)),
    }
}

fn change(gateway: &Remote, which: &Which, asked: &ActOnOrder) -> Result<(), Failure> {
    let found = gateway.order(&which.reference, which.system.as_deref())?;
    let path = format!("/orders/{}/acts", found.id);
    let query = Query::preview(which.preview);
    tell(which, gateway.post(&path, &query, &Body::Json(asked))?)
}
