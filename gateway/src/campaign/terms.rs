//! What a campaign is to do, for which devices and how, as people write it; and read from that.

use std::num::NonZeroU32;

use fleetgrant_core::campaign::{
    InvalidPercent, InvalidPlan, Late, OnFailure, OnSuccess, Percent, Plan,
};
use fleetgrant_core::domain::{DeviceId, InvalidText, Timestamp, UnknownName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::KeyName;
use crate::when::{InvalidWhen, When};

/// Values of one kind that a selection may name.
const MAX_NAMED: usize = 10_000;
/// Bytes of a name that a selection may bear.
const LONGEST_NAME: usize = 256;

/// What a campaign is to do, for which devices and how.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What people call it: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub name: String,
    /// The entitlement that devices are given units of: its id or its reference.
    pub give: Option<String>,
    /// Units that each is to have of it in total; 1, if it is not said.
    #[schema(minimum = 1)]
    pub total: Option<u32>,
    /// The entitlement whose rights are taken from them, that `give` replaces, or that is upgraded.
    pub take: Option<String>,
    /// The product whose rights are taken from them, that `give` replaces, or that is upgraded: its
    /// code.
    pub take_product: Option<String>,
    /// The product that what is taken is upgraded to, unit by unit: the code of one that replaces
    /// it.
    pub upgrade_to: Option<String>,
    /// Which devices: those that fit all of it.
    #[serde(default)]
    pub devices: Selection,
    /// How it goes on.
    #[serde(default)]
    pub plan: PlanTerms,
}

/// Which devices: of those that are admitted, those that fit every list that is not empty.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Of these owners: their names, or ids that some system calls them by.
    pub customers: Vec<String>,
    /// Of these product lines.
    pub product_lines: Vec<String>,
    /// Of these hardware models, as `report platforms` shows them.
    pub models: Vec<String>,
    /// That say they run these versions.
    pub versions: Vec<String>,
    /// These.
    pub ids: Vec<String>,
}

/// How a campaign goes on.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlanTerms {
    /// The sizes of its waves, as `10` or `5%`; what is left over is one more.
    pub waves: Vec<String>,
    /// The share of a wave that must succeed before the next begins.
    #[schema(pattern = "^[0-9]{1,3}%$")]
    pub success: String,
    /// `next`, or `pause` to wait for somebody between waves.
    pub on_success: String,
    /// The share of a wave at which its failures are too many.
    #[schema(pattern = "^[0-9]{1,3}%$")]
    pub failure: String,
    /// `pause` or `stop`.
    pub on_failure: String,
    /// How many devices get their turn in how long, as `100/min`.
    pub rate: String,
    /// Seconds that a device has to sign, before it counts as failed.
    pub patience_seconds: u32,
    /// Until when devices that fit later join, as a date or an instant; never, if it is not said.
    pub late_until: Option<String>,
    /// Of an upgrade: whether units that no device uses become the other product's as well, once it
    /// has finished.
    pub move_free_units: bool,
}

impl Default for PlanTerms {
    fn default() -> Self {
        Self {
            waves: vec!["1%".to_owned(), "10%".to_owned()],
            success: "95%".to_owned(),
            on_success: OnSuccess::Next.to_string(),
            failure: "5%".to_owned(),
            on_failure: OnFailure::Pause.to_string(),
            rate: "100/min".to_owned(),
            patience_seconds: 7 * 86_400,
            late_until: None,
            move_free_units: false,
        }
    }
}

/// Terms that make no campaign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTerms {
    /// It cannot be called so.
    #[error("name: it has 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name,
    /// It does nothing.
    #[error("it gives nothing and takes nothing: name an entitlement to give, or what to take")]
    Nothing,
    /// It says too much.
    #[error("take and take_product: name one of them")]
    TakesTwice,
    /// Units of another entitlement, or of nothing that they had.
    #[error("upgrade_to: it goes with take or take_product, and not with give")]
    UpgradesNothing,
    /// Free units of what is not upgraded.
    #[error("plan.move_free_units: it goes with upgrade_to")]
    MovesNothing,
    /// Units of nothing, or none of something.
    #[error("total: it goes with give, and is at least 1")]
    Total,
    /// It is for nobody in particular.
    #[error("devices: choose some by customer, product line, model, version or id")]
    Everybody,
    /// The selection is too long.
    #[error("devices: {0} names are too many, {MAX_NAMED} at most; of {LONGEST_NAME} bytes each")]
    TooManyNames(usize),
    /// No device has such an id.
    #[error("devices: {0:?}: {1}")]
    DeviceId(String, InvalidText),
    /// No share.
    #[error(transparent)]
    Percent(#[from] InvalidPercent),
    /// No such word.
    #[error(transparent)]
    Word(#[from] UnknownName),
    /// No plan.
    #[error(transparent)]
    Plan(#[from] InvalidPlan),
    /// No time.
    #[error("patience_seconds: at least 1")]
    Patience,
    /// No instant.
    #[error("late_until: {0}")]
    When(#[from] InvalidWhen),
}

impl Terms {
    /// That they are whole; what they name is looked up elsewhere.
    ///
    /// # Errors
    /// See [`InvalidTerms`].
    pub fn check(&self) -> Result<Plan, InvalidTerms> {
        // A campaign acts in its own name, as a key does.
        self.name
            .parse::<KeyName>()
            .map_err(|_| InvalidTerms::Name)?;
        match (&self.give, self.total) {
            (None, Some(_)) | (_, Some(0)) => return Err(InvalidTerms::Total),
            _ => {}
        }
        if self.take.is_some() && self.take_product.is_some() {
            return Err(InvalidTerms::TakesTwice);
        }
        let takes = self.take.is_some() || self.take_product.is_some();
        if self.upgrade_to.is_some() && (self.give.is_some() || !takes) {
            return Err(InvalidTerms::UpgradesNothing);
        }
        if self.plan.move_free_units && self.upgrade_to.is_none() {
            return Err(InvalidTerms::MovesNothing);
        }
        if self.give.is_none() && !takes {
            return Err(InvalidTerms::Nothing);
        }
        self.devices.check()?;
        self.plan.read()
    }
}

impl Selection {
    fn check(&self) -> Result<(), InvalidTerms> {
        let lists = [
            &self.customers,
            &self.product_lines,
            &self.models,
            &self.versions,
            &self.ids,
        ];
        if lists.iter().all(|list| list.is_empty()) {
            return Err(InvalidTerms::Everybody);
        }
        for list in lists {
            let is_long = list.iter().any(|name| name.len() > LONGEST_NAME);
            if list.len() > MAX_NAMED || is_long {
                return Err(InvalidTerms::TooManyNames(list.len()));
            }
        }
        for id in &self.ids {
            DeviceId::new(id).map_err(|error| InvalidTerms::DeviceId(id.clone(), error))?;
        }
        Ok(())
    }
}

impl PlanTerms {
    /// The plan.
    ///
    /// # Errors
    /// See [`InvalidTerms`].
    pub fn read(&self) -> Result<Plan, InvalidTerms> {
        let sizes = self.waves.iter().map(|size| size.parse());
        let plan = Plan {
            sizes: sizes.collect::<Result<_, _>>()?,
            success: self.success.parse::<Percent>()?,
            on_success: self.on_success.parse()?,
            failure: self.failure.parse::<Percent>()?,
            on_failure: self.on_failure.parse()?,
            rate: self.rate.parse()?,
            patience: NonZeroU32::new(self.patience_seconds).ok_or(InvalidTerms::Patience)?,
            late: match &self.late_until {
                Some(until) => Late::Until(instant(until)?),
                None => Late::Never,
            },
        };
        plan.check()?;
        Ok(plan)
    }
}

fn instant(text: &str) -> Result<Timestamp, InvalidWhen> {
    Ok(text.parse::<When>()?.at(&jiff::tz::TimeZone::UTC))
}
