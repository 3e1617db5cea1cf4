//! The device's row and its conversation's.

use diesel::prelude::*;
use fleetgrant_core::ask::{Facts, Hardware, Held};
use fleetgrant_core::device::{Acked, Device, LastRequest, Pin};
use fleetgrant_core::domain::{
    Cti, DeviceId, DeviceState, Generation, KeyLoss, KeyThumbprint, MessageDigest, OrderLineId,
    PartyId, ProductLineId, Purpose, Seq, SetKey, StorageClass, Timestamp,
};
use fleetgrant_core::set::CommittedSet;
use fleetgrant_core::snapshot::{Holdings, Snapshot};

use super::cache::Stamp;
use super::{Provenance, corrupt, memory, pin, unsigned};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::prepared::Fix as _;
use crate::store::schema::{catalogue_stamps, conversations, credentials, devices, product_lines};

condition!(
    /// The credential is the device's current one.
    pub(super) IsCurrent = "credentials.state = 1"
);

#[derive(Queryable, Selectable)]
#[diesel(table_name = devices)]
struct DeviceRow {
    state: Code<DeviceState>,
    storage_class: Code<StorageClass>,
    owner_id: Option<Octets<PartyId>>,
    product_line_id: Octets<ProductLineId>,
    order_line_id: Option<Octets<OrderLineId>>,
    said_maker: Option<String>,
    said_hwmodel: Option<Vec<u8>>,
    software_name: Option<String>,
    software_version: Option<String>,
    key_loss: Option<Code<KeyLoss>>,
}

/// What was stored before a decision, so that only what changed is written.
#[derive(Clone, Debug)]
pub struct Basis {
    state: DeviceState,
    owner: Option<PartyId>,
    pin: Pin,
    facts: Facts,
    /// Of the set that it last acknowledged; 0, if none. What came before is settled.
    pub(super) acknowledged: i64,
    /// The set that is out and that the device has not acknowledged.
    pub(super) delivering: Option<SetKey>,
}

impl Basis {
    /// Of the snapshot that is to be decided on.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self::new(&snapshot.device, snapshot.sets.last())
    }

    /// As [`of`](Self::of), of what an acknowledgement is to be decided on.
    #[must_use]
    pub fn of_holdings(holdings: &Holdings) -> Self {
        Self::new(&holdings.device, holdings.sets.last())
    }

    /// The key the device was pinned to.
    #[must_use]
    pub const fn key(&self) -> Option<KeyThumbprint> {
        match self.pin {
            Pin::To(key) => Some(key),
            Pin::Open | Pin::Lost(_) => None,
        }
    }

    fn new(device: &Device, latest: Option<&CommittedSet>) -> Self {
        let latest = latest.map(CommittedSet::held);
        Self {
            state: device.state,
            owner: device.owner,
            pin: device.pin,
            facts: device.facts.clone(),
            acknowledged: device
                .acked
                .map_or(0, |acked| acked.held.key.generation.get() as i64),
            delivering: latest
                .filter(|latest| Some(*latest) != device.acked.map(|acked| acked.held))
                .map(|latest| latest.key),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = conversations)]
struct ConversationRow {
    last_seq: Option<i64>,
    last_digest: Option<Octets<MessageDigest>>,
    last_answer: Option<Vec<u8>>,
    key_set_generation: i64,
    max_down: i64,
    generation: i64,
    acked_epoch: Option<i64>,
    acked_generation: Option<i64>,
    acked_cti: Option<Octets<Cti>>,
    acked_n: Option<i64>,
    acked_at: Option<Micros>,
    frozen: bool,
    returns_stopped: bool,
    memory: Vec<u8>,
    first_contact_at: Option<Micros>,
    last_contact_at: Option<Micros>,
    boot_count: Option<i64>,
    said_clock_at: Option<Micros>,
}

type Loaded = (
    DeviceRow,
    Option<ConversationRow>,
    Option<Octets<KeyThumbprint>>,
    Option<i64>,
);

/// The device, and the stamp of what hardly ever changes.
pub(super) fn load(db: &mut Db, id: &DeviceId) -> Result<Option<(Device, Stamp)>, StoreError> {
    let row: Option<Loaded> = on!(db, c => devices::table
        .left_join(conversations::table)
        .left_join(credentials::table.on(
            credentials::device_id.eq(devices::id).and(IsCurrent),
        ))
        .filter(devices::id.eq(id.as_str()))
        .select((
            DeviceRow::as_select(),
            Option::<ConversationRow>::as_select(),
            credentials::key_thumbprint.nullable(),
            catalogue_stamps::table.select(catalogue_stamps::stamp).single_value(),
        ))
        .fixed()
        .get_result(c)
        .optional())?;
    row.map(|row| device(id, row)).transpose()
}

fn device(
    id: &DeviceId,
    (row, conversation, key, stamp): Loaded,
) -> Result<(Device, Stamp), StoreError> {
    let stamp = stamp.ok_or_else(|| corrupt("catalogue_stamps is empty"))?;
    let mut device = Device::new(id.clone(), row.state.0);
    device.pin = match (key, row.key_loss) {
        (Some(key), _) => Pin::To(key.0),
        (None, Some(loss)) => Pin::Lost(loss.0),
        (None, None) => Pin::Open,
    };
    device.owner = row.owner_id.map(|owner| owner.0);
    device.product_line = Some(row.product_line_id.0);
    device.order_line = row.order_line_id.map(|line| line.0);
    device.storage = row.storage_class.0;
    device.facts = Facts {
        hardware: row
            .said_maker
            .zip(row.said_hwmodel)
            .map(|(maker, model)| Hardware { maker, model }),
        software: row.software_name,
        version: row.software_version,
        ..Facts::default()
    };
    if let Some(conversation) = conversation {
        take_up(&mut device, conversation)?;
    }
    Ok((device, Stamp(stamp)))
}

fn take_up(device: &mut Device, row: ConversationRow) -> Result<(), StoreError> {
    device.acked = acked(&row)?;
    if let (Some(seq), Some(digest), Some(answer)) =
        (row.last_seq, row.last_digest, &row.last_answer)
    {
        device.last = Some(LastRequest {
            seq: Seq::new(unsigned("last_seq", seq)?).map_err(corrupt)?,
            digest: digest.0,
            answer: memory::decode_answer(answer)?,
        });
    }
    device.generation =
        Generation::new(unsigned("generation", row.generation)?).map_err(corrupt)?;
    device.max_down = unsigned("max_down", row.max_down)?;
    device.key_set = unsigned("key_set_generation", row.key_set_generation)?;
    memory::take_up(device, &row.memory, row.frozen, row.returns_stopped)?;
    device.first_contact_at = row.first_contact_at.map(|at| at.0);
    device.last_contact_at = row.last_contact_at.map(|at| at.0);
    device.facts.boot_count = row
        .boot_count
        .map(|count| unsigned("boot_count", count))
        .transpose()?;
    device.facts.clock = row.said_clock_at.map(|at| at.0);
    Ok(())
}

fn acked(row: &ConversationRow) -> Result<Option<Acked>, StoreError> {
    let (Some(epoch), Some(generation), Some(cti), Some(n), Some(at)) = (
        row.acked_epoch,
        row.acked_generation,
        row.acked_cti,
        row.acked_n,
        row.acked_at,
    ) else {
        return Ok(None);
    };
    let key = memory::set_key(
        unsigned("acked_epoch", epoch)?,
        unsigned("acked_generation", generation)?,
    )?;
    Ok(Some(Acked {
        held: Held { key, cti: cti.0 },
        n: unsigned("acked_n", n)?,
        at: at.0,
    }))
}

pub(super) fn save(
    db: &mut Db,
    basis: &Basis,
    device: &Device,
    now: Timestamp,
) -> Result<(), StoreError> {
    if (device.state, device.owner) != (basis.state, basis.owner) {
        let changes = columns!(devices {
            state: Code(device.state),
            owner_id: device.owner.map(Octets),
            changed_at: Micros(now),
        });
        on!(db, c => update!(devices::table.find(device.id.as_str()), changes).execute(c))?;
    }
    if device.pin != basis.pin {
        pin::follow(db, &device.id, basis.pin, device.pin, now)?;
    }
    if device.state == DeviceState::Admitted && basis.state != device.state {
        let admitted = columns!(devices {
            admitted_at: Some(Micros(now))
        });
        on!(db, c => update!(devices::table.find(device.id.as_str()), admitted).execute(c))?;
    }
    if is_news(&device.facts, &basis.facts) {
        let facts = &device.facts;
        let hardware = facts.hardware.as_ref();
        let facts = columns!(devices {
            said_maker: hardware.map(|hardware| hardware.maker.as_str()),
            said_hwmodel: hardware.map(|hardware| hardware.model.as_slice()),
            software_name: facts.software.as_deref(),
            software_version: facts.version.as_deref(),
        });
        on!(db, c => update!(devices::table.find(device.id.as_str()), facts).execute(c))?;
    }
    let row = conversation(device)?;
    let own = conversations::table.find(device.id.as_str());
    let row = columns!(conversations {
        last_seq: row.last_seq,
        last_digest: row.last_digest,
        last_answer: row.last_answer,
        key_set_generation: row.key_set_generation,
        max_down: row.max_down,
        generation: row.generation,
        acked_epoch: row.acked_epoch,
        acked_generation: row.acked_generation,
        acked_cti: row.acked_cti,
        acked_n: row.acked_n,
        acked_at: row.acked_at,
        frozen: row.frozen,
        returns_stopped: row.returns_stopped,
        memory: row.memory,
        first_contact_at: row.first_contact_at,
        last_contact_at: row.last_contact_at,
        boot_count: row.boot_count,
        said_clock_at: row.said_clock_at,
    });
    let updated = on!(db, c => update!(own, &row).execute(c))?;
    if updated == 0 {
        let own = columns!(conversations {
            device_id: device.id.as_str()
        });
        on!(db, c => insert!(conversations::table, (own, &row)).execute(c))?;
    }
    Ok(())
}

fn conversation(device: &Device) -> Result<ConversationRow, StoreError> {
    let last = device.last.as_ref();
    let acked = device.acked.as_ref();
    Ok(ConversationRow {
        last_seq: last.map(|last| last.seq.get() as i64),
        last_digest: last.map(|last| Octets(last.digest)),
        last_answer: last
            .map(|last| memory::encode_answer(&last.answer))
            .transpose()?,
        key_set_generation: device.key_set.into(),
        max_down: device.max_down.into(),
        generation: device.generation.get() as i64,
        acked_epoch: acked.map(|acked| acked.held.key.epoch.0.into()),
        acked_generation: acked.map(|acked| acked.held.key.generation.get() as i64),
        acked_cti: acked.map(|acked| Octets(acked.held.cti)),
        acked_n: acked.map(|acked| acked.n.into()),
        acked_at: acked.map(|acked| Micros(acked.at)),
        frozen: device.watch.frozen,
        returns_stopped: device.watch.returns_stopped,
        memory: memory::encode(device)?,
        first_contact_at: device.first_contact_at.map(Micros),
        last_contact_at: device.last_contact_at.map(Micros),
        boot_count: device.facts.boot_count.map(i64::from),
        said_clock_at: device.facts.clock.map(Micros),
    })
}

/// Whether what hardly ever changes did: the clock and the boots stand in the conversation.
fn is_news(said: &Facts, known: &Facts) -> bool {
    (&said.hardware, &said.software, &said.version)
        != (&known.hardware, &known.software, &known.version)
}

pub(super) fn insert(
    db: &mut Db,
    id: &DeviceId,
    provenance: &Provenance,
    now: Timestamp,
) -> Result<(), StoreError> {
    let line = product_line(db, provenance, now)?;
    on!(db, c => diesel::insert_into(devices::table)
        .values((
            devices::id.eq(id.as_str()),
            devices::product_line_id.eq(&line),
            devices::serial.eq(&provenance.serial),
            devices::state.eq(Code(DeviceState::Seen)),
            devices::purpose.eq(Code(Purpose::Production)),
            devices::on_manifest.eq(false),
            devices::storage_class.eq(Code(StorageClass::Unprotected)),
            devices::created_at.eq(Micros(now)),
            devices::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    Ok(())
}

/// The product line of an anchor, made with its first device if no import made it.
fn product_line(
    db: &mut Db,
    provenance: &Provenance,
    now: Timestamp,
) -> Result<Vec<u8>, StoreError> {
    let known: Option<Vec<u8>> = on!(db, c => product_lines::table
        .filter(product_lines::name.eq(&provenance.product_line))
        .select(product_lines::id)
        .first(c)
        .optional())?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id = uuid::Uuid::now_v7().as_bytes().to_vec();
    on!(db, c => diesel::insert_into(product_lines::table)
        .values((
            product_lines::id.eq(&id),
            product_lines::name.eq(&provenance.product_line),
            product_lines::id_prefix.eq(&provenance.prefix),
            product_lines::created_at.eq(Micros(now)),
        ))
        .execute(c))?;
    Ok(id)
}
