//! The same, on another gateway.

use super::{
    Args, Command, Devices, List, Show, Which, found, show_devices, show_list, show_sheet,
    tell_of_creation, tell_of_selection,
};
use crate::cli::remote::{Body, Query, segment};
use crate::cli::{Failure, Remote, note};
use crate::http::campaigns::CampaignSheet;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Create(args) => {
            let terms = args.terms();
            let sheet: CampaignSheet = gateway.post(
                "/campaigns",
                &Query::preview(args.preview),
                &Body::Json(&terms),
            )?;
            if args.preview {
                tell_of_selection(&args.name, sheet.would_select.unwrap_or_default());
                return Ok(());
            }
            tell_of_creation(&sheet.campaign.name);
            Ok(())
        }
        Command::List(args) => list(gateway, args),
        Command::Show(args) => show(gateway, args),
        Command::Devices(args) => devices(gateway, args),
        Command::Start(which) => tell(gateway, which, "start"),
        Command::Pause(which) => tell(gateway, which, "pause"),
        Command::Resume(which) => tell(gateway, which, "resume"),
        Command::Abort(which) => tell(gateway, which, "abort"),
    }
}

fn path(which: &Which) -> String {
    format!("/campaigns/{}", segment(&which.campaign))
}

fn tell(gateway: &Remote, which: &Which, verb: &str) -> Result<(), Failure> {
    let path = format!("{}/{verb}", path(which));
    let sheet: CampaignSheet = gateway.post(&path, &Query::default(), &Body::None)?;
    note(&format!(
        "{} is {}",
        sheet.campaign.name, sheet.campaign.state
    ));
    Ok(())
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let query = Query::default().with("state", args.state);
    show_list(args, gateway.list("/campaigns", query, &args.list)?)
}

fn show(gateway: &Remote, args: &Show) -> Result<(), Failure> {
    let sheet = gateway.find(&path(&args.which))?;
    show_sheet(args, found(sheet, &args.which)?.0)
}

fn devices(gateway: &Remote, args: &Devices) -> Result<(), Failure> {
    let path = format!("{}/devices", path(&args.which));
    let query = Query::default().with("step", args.step);
    let devices = gateway.list(&path, query, &args.list)?;
    show_devices(args, devices)
}
