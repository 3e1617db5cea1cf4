//! Rights of an older licensing system, brought over from its export by a mapping file.
//!
//! A file is brought over whole or not at all, and what it says twice is done once. Units before are
//! units after, and that is counted before anything is kept.

mod export;
mod mapping;
mod progress;

pub use export::{Export, ExportError, MAX_EXPORT_BYTES, MAX_RIGHTS, RowFault, Unmapped};
pub use mapping::{MAX_BYTES as MAX_MAPPING_BYTES, Mapping, MappingError, parse as parse_mapping};

pub use progress::{MigrationProgress, progress, surrender};

use std::io::Cursor;
use std::sync::Arc;

use fleetgrant_core::domain::{DeviceId, EntitlementId, Timestamp};
use fleetgrant_core::operator::Publish;

use crate::import::{self, ImportError, ImportOptions, Kind};
use crate::operator::{Act, ActError, Attempt, Effects, Operator};
use crate::store::column::{Code, Micros, Octets};
use crate::store::legacy_right::{self, LegacyRight};
use crate::store::{Db, StoreError, device, entitlement, product_line, stock};
use export::Right;

/// What came of an export, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// Rights that are new here.
    pub new: u64,
    /// Rights that were here.
    pub known: u64,
    /// Units that are reserved for a device now.
    pub reserved: u64,
    /// Units that the rights give in the export.
    pub units_before: u64,
    /// Units that they give here.
    pub units_after: u64,
    /// Rights without a number of units, in the export.
    pub unlimited_before: u64,
    /// Rights without a number of units, here.
    pub unlimited_after: u64,
}

/// Why nothing was brought over.
#[derive(Debug, thiserror::Error)]
pub enum NotBrought {
    /// A right cannot be an entitlement.
    #[error("line {line}: {reason}; nothing was brought over")]
    Right {
        /// The line of the export.
        line: u64,
        /// Why.
        reason: String,
    },
    /// The sums differ.
    #[error(
        "{} units before and {} after: the export says otherwise than what was brought over before; \
         nothing was brought over",
        .0.units_before,
        .0.units_after
    )]
    UnitsDiffer(Brought),
    /// It was not recorded.
    #[error(transparent)]
    Act(#[from] ActError),
}

impl From<StoreError> for NotBrought {
    fn from(error: StoreError) -> Self {
        Self::Act(error.into())
    }
}

/// How rights are brought over.
#[derive(Clone, Debug)]
pub struct Transport {
    /// What the words mean.
    pub mapping: Mapping,
    /// What was read.
    pub export: Export,
    /// How entitlements are imported.
    pub options: ImportOptions,
}

impl Operator {
    /// Brings the rights of an export over, all or none: an entitlement for each, of the source
    /// migration, reserved for the device that takes the place of its host or dongle.
    ///
    /// # Errors
    /// See [`NotBrought`].
    pub async fn bring_over(
        &self,
        transport: Transport,
        effects: Effects,
    ) -> Result<Brought, NotBrought> {
        let transport = Arc::new(transport);
        self.until_still("migration", effects, move |operator, db, now| {
            operator.attempt_bring_over(db, &transport, now)
        })
        .await
    }

    /// One try of [`bring_over`](Self::bring_over), within a transaction that the caller ends.
    ///
    /// # Errors
    /// The database failed.
    pub fn attempt_bring_over(
        &self,
        db: &mut Db,
        transport: &Transport,
        now: Timestamp,
    ) -> Result<Attempt<Brought, NotBrought>, StoreError> {
        match self.bring_over_within(db, transport, now) {
            Ok(brought) => Ok(Attempt::Done(brought)),
            Err(Stop::Stale) => Ok(Attempt::Stale),
            Err(Stop::Refused(reason)) => Ok(Attempt::Refused(*reason)),
            Err(Stop::Store(error)) => Err(error),
        }
    }

    fn bring_over_within(
        &self,
        db: &mut Db,
        transport: &Transport,
        now: Timestamp,
    ) -> Result<Brought, Stop> {
        let Transport {
            mapping,
            export,
            options,
        } = transport;
        make_entitlements(db, mapping, export, options)?;
        let mut brought = Brought::default();
        for right in &export.rights {
            let reference = reference(mapping, right);
            let made = entitlement::by_reference(db, &mapping.customer_system, &reference)?
                .ok_or_else(|| StoreError::Corrupt(format!("entitlement {reference}")))?;
            match right.units {
                Some(units) => brought.units_before += u64::from(units),
                None => brought.unlimited_before += 1,
            }
            if made.unlimited {
                brought.unlimited_after += 1;
            } else {
                brought.units_after += made.units.unsigned_abs();
            }
            if legacy_right::exists(db, &mapping.system, &right.reference)? {
                brought.known += 1;
                continue;
            }
            brought.new += 1;
            brought.reserved += self.place(db, mapping, right, made.id.0, now)?;
        }
        let is_whole = brought.units_before == brought.units_after
            && brought.unlimited_before == brought.unlimited_after;
        if !is_whole {
            return Err(refused(NotBrought::UnitsDiffer(brought)));
        }
        Ok(brought)
    }

    /// Records where a right comes from, and reserves it for its device; how many units.
    fn place(
        &self,
        db: &mut Db,
        mapping: &Mapping,
        right: &Right,
        made: EntitlementId,
        now: Timestamp,
    ) -> Result<u64, Stop> {
        let device = match &right.serial {
            Some(serial) => Some(device_called(db, mapping, right.line, serial)?),
            None => None,
        };
        legacy_right::insert(
            db,
            &LegacyRight {
                system: mapping.system.clone(),
                reference: right.reference.clone(),
                kind: Code(mapping.kind),
                product: right.product.clone(),
                host: right.host.clone(),
                units: right.units.unwrap_or(0).into(),
                entitlement_id: Octets(made),
                device_id: device.as_ref().map(ToString::to_string),
                created_at: Micros(now),
                surrendered_at: None,
            },
        )?;
        let (Some(device), Some(units)) = (device, right.units) else {
            return Ok(0);
        };
        let assign = Act::Assign {
            entitlement: made,
            units,
            publish: Publish::AtContact,
        };
        match self.attempt(db, &device, assign, now)? {
            Attempt::Done(_) => {}
            Attempt::Stale => return Err(Stop::Stale),
            Attempt::Refused(error) => {
                return Err(refused(NotBrought::Right {
                    line: right.line,
                    reason: format!("{device}: {error}"),
                }));
            }
        }
        stock::note_migration(db, device.as_str(), made)?;
        Ok(units.into())
    }
}

/// Why a try ends.
enum Stop {
    Refused(Box<NotBrought>),
    Stale,
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn refused(reason: NotBrought) -> Stop {
    Stop::Refused(Box::new(reason))
}

/// What an entitlement is called that comes of a right: apart from what its customer's system calls
/// its own.
fn reference(mapping: &Mapping, right: &Right) -> String {
    format!("{}:{}", mapping.system, right.reference)
}

/// Imports the rights as entitlements, by the rules of every other import.
fn make_entitlements(
    db: &mut Db,
    mapping: &Mapping,
    export: &Export,
    options: &ImportOptions,
) -> Result<(), Stop> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let written = |error: csv::Error| Stop::Store(StoreError::Corrupt(error.to_string()));
    csv.write_record([
        "system",
        "entitlement",
        "owner",
        "product",
        "model",
        "units",
        "source",
        "ends_at",
    ])
    .map_err(written)?;
    for right in &export.rights {
        let units = right
            .units
            .map_or_else(|| "unlimited".to_owned(), |units| units.to_string());
        csv.write_record([
            mapping.customer_system.as_str(),
            reference(mapping, right).as_str(),
            &right.customer,
            &right.ours,
            &right.model,
            &units,
            "migration",
            &right.ends_at.map(|day| day.to_string()).unwrap_or_default(),
        ])
        .map_err(written)?;
    }
    let file = csv
        .into_inner()
        .map_err(|error| written(error.into_error().into()))?;
    let mut source = Cursor::new(file);
    let report = match import::apply(db, Kind::Entitlements, &mut source, options) {
        Ok(report) => report,
        Err(ImportError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(StoreError::Corrupt(error.to_string()).into()),
    };
    match report.errors.first() {
        None => Ok(()),
        Some(error) => {
            // Its lines follow those of the export, after a heading line.
            let place = usize::try_from(error.line.saturating_sub(2)).ok();
            let right = place.and_then(|place| export.rights.get(place));
            Err(refused(NotBrought::Right {
                line: right.map_or(error.line, |right| right.line),
                reason: match error.column {
                    Some(column) => format!("{column} {}", error.reason),
                    None => error.reason.to_string(),
                },
            }))
        }
    }
}

fn device_called(
    db: &mut Db,
    mapping: &Mapping,
    line: u64,
    serial: &str,
) -> Result<DeviceId, Stop> {
    let unknown = |reason: String| refused(NotBrought::Right { line, reason });
    let lines = product_line::all(db)?;
    let named = |name: &String| lines.iter().find(|line| line.name == *name);
    let product_line = match (&mapping.product_line, lines.as_slice()) {
        (Some(name), _) => named(name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let product_line = product_line.ok_or_else(|| {
        unknown("the mapping's product_line names none of the configuration".to_owned())
    })?;
    let found = device::by_serial(db, product_line.id, serial)?.ok_or_else(|| {
        unknown(format!(
            "no manifest names the device {serial}: import one first"
        ))
    })?;
    DeviceId::new(&found.id).map_err(|error| StoreError::Corrupt(error.to_string()).into())
}
