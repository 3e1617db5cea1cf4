//! Factory manifests: the devices that were made.

use fleetgrant_core::domain::{CredentialState, DeviceState, PartyId, StorageClass};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_schemas::id::KeyThumbprint;
use fleetgrant_schemas::limits;

use super::cells::{Cells, Column};
use super::diff::{Changes, Diff, Maybe};
use super::rows::Run;
use super::shipments::expected;
use super::{Effect, Halt, Reason, Row, lookup, refuse};
use crate::store::column::{Code, Micros, Octets};
use crate::store::conversation;
use crate::store::device::{self, Device};
use crate::store::event::{self, Stream};
use crate::store::{Db, batch, party};

pub(super) const COLUMNS: &[Column] = &[
    Column::required("serial"),
    Column::optional("product_line"),
    Column::optional("hwmodel"),
    Column::optional("system"),
    Column::optional("owner"),
    Column::optional("order"),
    Column::optional("line"),
    Column::optional("key_thumbprint"),
    Column::optional("batch"),
    Column::optional("manufacturer"),
    Column::optional("storage_class"),
    Column::optional("site"),
];

#[derive(Debug)]
pub(super) struct ManifestRow {
    serial: String,
    product_line: Option<String>,
    hwmodel: Option<String>,
    system: Option<String>,
    owner: Option<String>,
    order: Option<(String, String)>,
    key: Option<KeyThumbprint>,
    batch: Option<String>,
    manufacturer: Option<String>,
    storage: StorageClass,
    site: Option<String>,
}

impl Row for ManifestRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let serial = cells.text("serial", 128);
        let product_line = cells.optional("product_line", 64);
        let hwmodel = cells.optional("hwmodel", limits::MAX_HWMODEL);
        let system = cells.optional("system", 32);
        let owner = cells.optional("owner", 64);
        let order = cells.optional("order", 64);
        let line = cells.optional("line", 32);
        let key = cells.hex("key_thumbprint", 32);
        let batch = cells.optional("batch", 64);
        let manufacturer = cells.optional("manufacturer", 64);
        let storage = cells.parsed_or("storage_class", StorageClass::Unprotected);
        let site = cells.optional("site", 200);
        if hwmodel
            .as_ref()
            .is_some_and(|m| m.len() > limits::MAX_HWMODEL)
        {
            let max = limits::MAX_HWMODEL;
            cells.fault("hwmodel", Reason::TooLong { max });
        }
        if order.is_some() != line.is_some() {
            let reason = Reason::Unfit("an order and a line go together".to_owned());
            cells.fault("line", reason);
        }
        let names_others = owner.is_some() || order.is_some() || manufacturer.is_some();
        if names_others && system.is_none() {
            let reason = Reason::Unfit(
                "is empty, and owner, order and manufacturer are ids of a system".to_owned(),
            );
            cells.fault("system", reason);
        }
        let key = key.and_then(|bytes| match <[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Some(KeyThumbprint(bytes)),
            Err(_) => {
                let reason = Reason::Invalid {
                    value: data_encoding::HEXLOWER.encode(&bytes),
                    expected: "a COSE Key Thumbprint (RFC 9679): 32 bytes in hex".to_owned(),
                };
                cells.fault("key_thumbprint", reason);
                None
            }
        });
        Some(Self {
            serial: serial?,
            product_line,
            hwmodel,
            system,
            owner,
            order: order.zip(line),
            key,
            batch,
            manufacturer,
            storage,
            site,
        })
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        let product_line = lookup::product_line(db, self.product_line.as_deref())?;
        let known = device::by_serial(db, product_line.id, &self.serial)?;
        if let Some(own) = run.manufacturer() {
            self.check_own(db, own, known.as_ref())?;
        }
        let base = match &known {
            Some(known) => known.clone(),
            None => expected(run, &product_line, &self.serial)?,
        };
        let given = self.facts(db, run, base)?;
        let (effect, kind, changes) = match known {
            None => {
                device::insert(db, &given)?;
                let none = Changes::default();
                (Effect::Created, EventKind::DeviceExpected, none)
            }
            // Known by a shipment or its own word only: the manifest says so for the first time.
            Some(known) if !known.on_manifest => {
                let changes = self.difference(db, &known, &given)?.applied();
                self.check_owner(db, &known, &given)?;
                device::update(db, &given)?;
                (Effect::Created, EventKind::DeviceExpected, changes)
            }
            Some(known) => {
                let differs = self.difference(db, &known, &given)?;
                let Some(changes) = differs.settle(run.amend(), "device-changed")? else {
                    return Ok(Effect::Unchanged);
                };
                self.check_owner(db, &known, &given)?;
                check_key(&known, &given)?;
                device::update(db, &given)?;
                (Effect::Amended, EventKind::DeviceAmended, changes)
            }
        };
        let mut happened = Event::new(kind)
            .with("serial", self.serial.as_str())
            .with("storage_class", self.storage.as_str())
            .with_some("key", self.key)
            .with_some("hwmodel", self.hwmodel.as_deref())
            .with_some("batch", self.batch.as_deref());
        if let Some(owner) = given.owner_id {
            happened = happened.with("owner", owner.0.to_string().as_str());
        }
        if let Some(line) = given.order_line_id {
            happened = happened.with("order_line", line.0.to_string().as_str());
        }
        let happened = changes.told(happened);
        event::append(db, Stream::Device(&given.id), run.occasion(), &[happened])?;
        Ok(effect)
    }
}

impl ManifestRow {
    /// The device with what the row says of it. The end user of its order owns it, if no owner is
    /// named.
    fn facts(&self, db: &mut Db, run: &Run<'_>, base: Device) -> Result<Device, Halt> {
        let system = self.system.as_deref().unwrap_or_default();
        let line = match &self.order {
            Some((order, line)) => Some(lookup::order_line(db, system, order, line)?),
            None => None,
        };
        let owner = lookup::optional_party(db, system, self.owner.as_deref(), "owner")?;
        let owner = owner
            .map(|owner| owner.id)
            .or(line.as_ref().map(|(order, _)| order.end_user_id))
            // A shipment that came later knows the buyer of what was built to stock.
            .or(base.owner_id);
        let manufacturer =
            lookup::optional_party(db, system, self.manufacturer.as_deref(), "manufacturer")?;
        let batch = match &self.batch {
            Some(reference) => {
                let own = run.manufacturer().map(Octets);
                let manufacturer = own.or(manufacturer.map(|party| party.id));
                Some(batch::ensure(db, reference, manufacturer, run.now())?)
            }
            None => None,
        };
        let line = line.map(|(_, line)| line.id).or(base.order_line_id);
        // A row that names no key takes none away from a device that an operator admitted; nor does one
        // that names a key which the device had before, as that of a board that was replaced.
        let admitted_with = base
            .expected_key
            .filter(|_| base.state.0 == DeviceState::Admitted);
        let named = match self.key {
            Some(key) if was_its_key(db, &base, key)? => base.expected_key,
            Some(key) => Some(Octets(key)),
            None => admitted_with,
        };
        Ok(Device {
            on_manifest: true,
            hwmodel: self.hwmodel.clone().map(String::into_bytes),
            storage_class: Code(self.storage),
            expected_key: named,
            batch_id: batch,
            owner_id: owner,
            order_line_id: line,
            site: self.site.clone(),
            changed_at: Micros(run.now()),
            ..base
        })
    }

    fn difference(&self, db: &mut Db, known: &Device, given: &Device) -> Result<Diff, Halt> {
        let mut diff = Diff::default();
        let text = |bytes: &Option<Vec<u8>>| {
            Maybe(
                bytes
                    .as_ref()
                    .map(|b| String::from_utf8_lossy(b).into_owned()),
            )
        };
        diff.field("hwmodel", &text(&known.hwmodel), &text(&given.hwmodel));
        if known.owner_id != given.owner_id {
            let system = self.system.as_deref().unwrap_or_default();
            let mut name =
                |party: Option<Octets<PartyId>>| lookup::party_name(db, system, party).map(Maybe);
            diff.field("owner", &name(known.owner_id)?, &name(given.owner_id)?);
        }
        if known.order_line_id != given.order_line_id {
            let mut name = |line| lookup::line_name(db, line).map(Maybe);
            diff.field(
                "line",
                &name(known.order_line_id)?,
                &name(given.order_line_id)?,
            );
        }
        let key = |device: &Device| Maybe(device.expected_key.map(|key| key.0));
        diff.field("key_thumbprint", &key(known), &key(given));
        let batch = |device: &Device| Maybe(device.batch_id.map(|batch| batch.0));
        diff.field("batch", &batch(known), &batch(given));
        diff.field(
            "storage_class",
            &known.storage_class.0,
            &given.storage_class.0,
        );
        diff.personal(
            "site",
            &Maybe(known.site.as_deref()),
            &Maybe(given.site.as_deref()),
        );
        Ok(diff)
    }

    /// What a contract manufacturer tells of is its own: a batch of its own, a device that is of one or
    /// is new. Whom devices are for is the maker's to say.
    fn check_own(&self, db: &mut Db, own: PartyId, known: Option<&Device>) -> Result<(), Halt> {
        let named = [
            ("owner", self.owner.is_some()),
            ("order", self.order.is_some()),
        ];
        if let Some((column, _)) = named.iter().find(|(_, is_named)| *is_named) {
            let reason = "is the maker's to say: leave it empty";
            return refuse(column, Reason::Unfit(reason.to_owned()));
        }
        let system = self.system.as_deref().unwrap_or_default();
        if let Some(called) = &self.manufacturer {
            let is_own =
                party::by_external_id(db, system, called)?.is_some_and(|party| party.id.0 == own);
            if !is_own {
                let reason = "names another than the key's own party";
                return refuse("manufacturer", Reason::Unfit(reason.to_owned()));
            }
        }
        let Some(reference) = &self.batch else {
            let reason = "is empty: a contract manufacturer tells of its own batches";
            return refuse("batch", Reason::Unfit(reason.to_owned()));
        };
        // Whether somebody else has such a batch or device is not told.
        let of_another = batch::by_reference(db, reference)?
            .is_some_and(|batch| batch.manufacturer_id != Some(Octets(own)));
        if of_another {
            let reason = "cannot be one of its own: give it another name";
            return refuse("batch", Reason::Unfit(reason.to_owned()));
        }
        if let Some(known) = known
            && batch::manufacturer_of(db, &known.id)? != Some(own)
        {
            let reason = "cannot be one of its own: the maker imports it";
            return refuse("serial", Reason::Unfit(reason.to_owned()));
        }
        Ok(())
    }

    /// Rights of one owner do not stay on a device of another.
    fn check_owner(&self, db: &mut Db, known: &Device, given: &Device) -> Result<(), Halt> {
        if known.owner_id.is_none() || known.owner_id == given.owner_id {
            return Ok(());
        }
        if device::holds_units(db, &known.id)? {
            let reason = Reason::Fixed {
                what: format!(
                    "the owner of {}, which holds rights of its owner,",
                    known.id
                ),
                remedy: "return them on the device first",
            };
            return refuse("owner", reason);
        }
        Ok(())
    }
}

/// Whether the device had this key, and has it no more.
fn was_its_key(db: &mut Db, device: &Device, key: KeyThumbprint) -> Result<bool, Halt> {
    let known = conversation::recorded(db, key)?;
    Ok(known.is_some_and(|known| {
        known.device.as_str() == device.id && known.state != CredentialState::Current
    }))
}

/// A device that was admitted is pinned to the key that it proved.
fn check_key(known: &Device, given: &Device) -> Result<(), Halt> {
    if known.state.0 == DeviceState::Admitted && known.expected_key != given.expected_key {
        let reason = Reason::Fixed {
            what: format!("the key of {}, which was admitted with it,", known.id),
            remedy: "if its board was replaced, record that with `fleetgrant devices repair`",
        };
        return refuse("key_thumbprint", reason);
    }
    Ok(())
}
