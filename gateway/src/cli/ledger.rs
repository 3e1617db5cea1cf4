//! What the commands share that look at the ledger or change it.

use std::sync::Arc;

use anyhow::anyhow;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fleetgrant_core::campaign::Command;
use fleetgrant_core::domain::{
    ActivationId, CaseId, DeviceId, EntitlementId, KeyThumbprint, OrderId, PartyId, ProductLineId,
};
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::party::PartyAct;

use super::output::Format;
use super::{Failure, Global};
use crate::approval::{ApprovalError, Decision, Outage};
use crate::campaign::{CampaignError, Terms};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway;
use crate::lifecycle::{Deed, EntitlementActError, EntitlementChange, PartyChange, Resale};
use crate::operator::{Act, ActError, Effects, Operator};
use crate::order_change::{OrderAct, OrderChange, OrderError};
use crate::store::campaign::Row;
use crate::store::listing::{self, EntitlementRow, Part, Placed, Sort, SortBy, Unsortable};
use crate::store::party::Belongings;
use crate::store::{Db, Store, StoreError, StoreOptions, product_line};

/// In which order a list comes.
#[derive(Debug, clap::Args)]
pub(super) struct SortArgs<F: SortBy> {
    /// What the rows come in the order of; with - before it, the greatest first
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true, value_parser = sort::<F>())]
    pub(super) sort: Option<Sort<F>>,
}

impl<F: SortBy> SortArgs<F> {
    /// All of the list, in its order.
    pub(super) fn whole(&self) -> Part<F> {
        Part::new(self.sort.unwrap_or_default(), None).unwrap_or_default()
    }
}

fn sort<F: SortBy>() -> impl TypedValueParser<Value = Sort<F>> {
    PossibleValuesParser::new(F::NAMES).try_map(|name| name.parse())
}

/// What every list takes.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs<F: SortBy> {
    #[command(flatten)]
    pub(super) order: SortArgs<F>,
    /// Goes on after this row, as the end of the part before says it
    #[arg(long, value_name = "ROW")]
    pub(super) after: Option<String>,
    /// Rows at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    pub(super) output: Format,
}

impl<F: SortBy> ListArgs<F> {
    /// In which order, and which part.
    pub(super) fn part(&self) -> Result<Part<F>, Failure> {
        let sort = self.order.sort.unwrap_or_default();
        Part::new(sort, self.after.as_deref()).ok_or_else(|| {
            Failure::input(anyhow!(
                "--after: no row of this list stands there, if it is ordered by {sort}: give what the \
                 end of the part before said, with the same --sort"
            ))
        })
    }

    /// One more than is shown, so that it is known whether more follow.
    pub(super) fn rows_to_read(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts the row too many, and tells how to go on after the last.
    pub(super) fn cut<T: Placed<By = F>>(&self, mut rows: Vec<T>) -> Vec<T> {
        if rows.len() > self.limit() {
            rows.truncate(self.limit());
            if let Some(last) = rows.last() {
                let by = self.order.sort.unwrap_or_default().by;
                Self::tell_of_more(&last.place(by).to_string());
            }
        }
        rows
    }

    /// Rows at most.
    pub(super) const fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Tells how to go on after the last row that is shown.
    pub(super) fn tell_of_more(place: &str) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(&byte);
        let place = if !place.is_empty() && place.bytes().all(is_plain) {
            place.to_owned()
        } else {
            // As a shell takes it for one word.
            format!("'{}'", place.replace('\'', "'\\''"))
        };
        super::note(&format!("more follow: go on with --after {place}"));
    }
}

/// The ledger of the configured installation.
pub(super) struct Ledger {
    config: Config,
    store: Store,
}

impl Ledger {
    /// Opens it; its schema must be this version's.
    pub(super) fn open(global: &Global) -> Result<Self, Failure> {
        if let Some((server, _)) = global.server()? {
            return Err(Failure::LocalOnly(server));
        }
        let (config, _telemetry) = global.start()?;
        let options = StoreOptions {
            readers: 1,
            reason: global.reason.clone(),
            ..StoreOptions::default()
        };
        let store = Store::open_at(&config.database, options).map_err(Failure::database)?;
        Ok(Self { config, store })
    }

    /// What the installation is told.
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// Its database.
    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// Looks at one state of it.
    pub(super) fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        Ok(self.store.read_blocking("cli", query)?)
    }

    /// The parties that people call so; there must be one.
    pub(super) fn parties(&self, called: Option<&str>) -> Result<Option<Vec<PartyId>>, Failure> {
        let Some(called) = called else {
            return Ok(None);
        };
        let name = called.to_owned();
        let found = self.read(move |db| listing::parties_called(db, &name))?;
        if found.is_empty() {
            return Err(Failure::refused(anyhow!(
                "no party has the name, the external id or the id {called:?}: list them with \
                 `fleetgrant parties list`"
            )));
        }
        Ok(Some(found))
    }

    /// The product line of a name; there must be one.
    pub(super) fn product_line(
        &self,
        name: Option<&str>,
    ) -> Result<Option<ProductLineId>, Failure> {
        let Some(name) = name else {
            return Ok(None);
        };
        let lines = self.read(product_line::all)?;
        if let Some(line) = lines.iter().find(|line| line.name == name) {
            return Ok(Some(line.id.0));
        }
        let known: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
        let remedy = match known.is_empty() {
            true => "a trust anchor names one, and the first import or device makes it".to_owned(),
            false => format!("it must be one of {}", known.join(", ")),
        };
        Err(Failure::refused(anyhow!(
            "there is no product line {name:?}: {remedy}"
        )))
    }

    /// The one party of a name or an id that some system calls it by.
    pub(super) fn party(&self, called: &str) -> Result<PartyId, Failure> {
        let found = self.parties(Some(called))?.unwrap_or_default();
        match found.as_slice() {
            [party] => Ok(*party),
            _ => Err(Failure::refused(anyhow!(
                "{} parties are called {called:?}: name it by an id that one system calls it by",
                found.len()
            ))),
        }
    }

    /// The one entitlement of an id or a reference.
    pub(super) fn entitlement(&self, text: &str) -> Result<EntitlementRow, Failure> {
        let called = text.to_owned();
        let mut found = self.read(move |db| match id(&called).map(EntitlementId) {
            Ok(id) => {
                let filter = listing::EntitlementFilter {
                    id: Some(id),
                    ..listing::EntitlementFilter::default()
                };
                listing::entitlements(db, &filter, 1)
            }
            Err(_) => listing::entitlement_named(db, &called),
        })?;
        match (found.pop(), found.is_empty()) {
            (Some(row), true) => Ok(row),
            (Some(_), false) => Err(Failure::refused(anyhow!(
                "several systems call an entitlement {text:?}: give its id, from `fleetgrant \
                 entitlements list --reference {text}`"
            ))),
            (None, _) => Err(Failure::refused(anyhow!(
                "there is no entitlement {text:?}: list them with `fleetgrant entitlements list`"
            ))),
        }
    }

    /// Does something to a device in the name of whoever runs this process.
    pub(super) fn act(&self, device: &DeviceId, act: Act) -> Result<Outcome, Failure> {
        Ok(self.try_act(device, act)??)
    }

    /// As [`Self::act`], with the reason of a refusal.
    pub(super) fn try_act(
        &self,
        device: &DeviceId,
        act: Act,
    ) -> Result<Result<Outcome, ActError>, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.act(device, act)))
    }

    /// What an act would do; nothing of it is kept.
    pub(super) fn preview(&self, device: &DeviceId, act: Act) -> Result<Outcome, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.preview(device, act))?)
    }

    /// Does something to an entitlement in the name of whoever runs this process.
    pub(super) fn act_on(
        &self,
        entitlement: EntitlementId,
        deed: Deed,
        effects: Effects,
    ) -> Result<EntitlementChange, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.act_on(entitlement, deed, effects))?)
    }

    /// Gives a device with its rights to another party.
    pub(super) fn transfer_device(
        &self,
        device: &DeviceId,
        to: PartyId,
        effects: Effects,
    ) -> Result<Resale, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.transfer_device(device, to, effects))?)
    }

    /// Holds or releases a party.
    pub(super) fn act_on_party(
        &self,
        party: PartyId,
        act: PartyAct,
        effects: Effects,
    ) -> Result<PartyChange, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.act_on_party(party, act, effects))?)
    }

    /// Makes a party part of another.
    pub(super) fn merge_parties(
        &self,
        from: PartyId,
        into: PartyId,
        effects: Effects,
    ) -> Result<Belongings, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.merge_parties(from, into, effects))?)
    }

    /// Changes an order in the name of whoever runs this process.
    pub(super) fn change_order(
        &self,
        order: OrderId,
        act: OrderAct,
        effects: Effects,
    ) -> Result<OrderChange, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.change_order(order, act, effects))?)
    }

    /// Decides a case that waits for an approval.
    pub(super) fn decide_case(
        &self,
        case: CaseId,
        decision: Decision,
        effects: Effects,
    ) -> Result<Vec<Outcome>, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.decide_case(case, decision, effects))?)
    }

    /// Puts a device in the place of a broken one; with `preview`, nothing of it is kept.
    pub(super) fn bridge_outage(
        &self,
        outage: Outage,
        preview: bool,
    ) -> Result<Vec<Outcome>, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.bridge_outage(outage, preview))?)
    }

    /// Makes a campaign in the name of whoever runs this process.
    pub(super) fn create_campaign(&self, terms: Terms) -> Result<Row, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.create_campaign(terms))?)
    }

    /// What making a campaign would come to; nothing of it is kept.
    pub(super) fn preview_campaign(&self, terms: Terms) -> Result<Row, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.preview_campaign(terms))?)
    }

    /// Starts, pauses, resumes or aborts a campaign.
    pub(super) fn tell_campaign(&self, called: &str, told: Command) -> Result<Row, Failure> {
        let operator = self.operator()?;
        Ok(runtime()?.block_on(operator.tell_campaign(called, told))?)
    }

    /// Acts in the name of whoever runs this process.
    pub(super) fn operator(&self) -> Result<Operator, Failure> {
        Ok(Operator {
            store: self.store.clone(),
            rules: Arc::new(gateway::rules(&self.config)?),
            clock: Clock::system(),
            actor: actor(),
        })
    }
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(Failure::unavailable)
}

/// Who runs this process, as the system has it.
pub(super) fn actor() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|variable| std::env::var(variable).ok())
        .filter(|name| !name.is_empty() && name.len() <= 64);
    name.map_or_else(|| "operator".to_owned(), |name| format!("operator {name}"))
}

impl From<Unsortable> for Failure {
    fn from(error: Unsortable) -> Self {
        Self::input(error)
    }
}

impl From<ApprovalError> for Failure {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Act(error) => error.into(),
            _ => Self::refused(error),
        }
    }
}

impl From<EntitlementActError> for Failure {
    fn from(error: EntitlementActError) -> Self {
        match error {
            EntitlementActError::Act(error) => error.into(),
            error => Self::refused(error),
        }
    }
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Act(error) => error.into(),
            _ => Self::refused(error),
        }
    }
}

impl From<CampaignError> for Failure {
    fn from(error: CampaignError) -> Self {
        match error {
            CampaignError::Act(error) => error.into(),
            _ => Self::refused(error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error)
    }
}

impl From<ActError> for Failure {
    fn from(error: ActError) -> Self {
        match error {
            ActError::UnknownDevice(_)
            | ActError::OtherKeyExpected(_)
            | ActError::SeveralKeysWait { .. }
            | ActError::NotItsKey(_)
            | ActError::NoKey(_)
            | ActError::Refused(_)
            | ActError::Waits { .. } => Self::refused(error),
            ActError::Clock(_) | ActError::Contended | ActError::Store(_) => {
                Self::unavailable(error)
            }
        }
    }
}

/// A device id on the command line.
pub(super) fn device_id(text: &str) -> Result<DeviceId, String> {
    DeviceId::new(text).map_err(|error| error.to_string())
}

/// An activation id on the command line.
pub(super) fn activation_id(text: &str) -> Result<ActivationId, String> {
    id(text).map(ActivationId)
}

/// A case id on the command line.
pub(super) fn case_id(text: &str) -> Result<CaseId, String> {
    id(text).map(CaseId)
}

/// An order id on the command line.
pub(super) fn order_id(text: &str) -> Result<OrderId, String> {
    id(text).map(OrderId)
}

/// A key's thumbprint on the command line.
pub(super) fn key_thumbprint(text: &str) -> Result<KeyThumbprint, String> {
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .map(KeyThumbprint)
        .ok_or_else(|| format!("{text:?} is no thumbprint: 64 hexadecimal digits"))
}

pub(super) fn id(text: &str) -> Result<[u8; 16], String> {
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("{text:?} is no id: 32 hexadecimal digits, as the lists show them"))
}
