//! Counts over the ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::dsl::count_star;
use diesel::prelude::*;
use fleetgrant_core::domain::{ActivationState, DeviceState};
use fleetgrant_core::event::EventKind;
use serde_cbor::Value;

use crate::store::column::{Code, Micros};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::schema::{activations, conversations, devices, events};

/// Devices of each state.
pub fn devices_by_state(db: &mut Db) -> Result<Vec<(DeviceState, i64)>, StoreError> {
    let rows: Vec<(Code<DeviceState>, i64)> = on!(db, c => devices::table
        .group_by(devices::state)
        .order(devices::state)
        .select((devices::state, count_star()))
        .load(c))?;
    Ok(rows
        .into_iter()
        .map(|(state, count)| (state.0, count))
        .collect())
}

/// Units of activations in each state.
pub fn activations_by_state(db: &mut Db) -> Result<Vec<(ActivationState, i64)>, StoreError> {
    let rows: Vec<(Code<ActivationState>, i64)> = on!(db, c => activations::table
        .order(activations::state)
        .select((activations::state, activations::units))
        .load(c))?;
    let mut units = BTreeMap::new();
    for (state, of_one) in rows {
        *units.entry(state.0).or_insert(0) += of_one;
    }
    Ok(units.into_iter().collect())
}

/// Denied wants, by the rule that denied.
pub fn denials_by_rule(db: &mut Db) -> Result<BTreeMap<String, u64>, StoreError> {
    let bodies: Vec<Vec<u8>> = on!(db, c => events::table
        .filter(events::kind.eq(EventKind::Denied.number()))
        .select(events::body)
        .load(c))?;
    let mut denials = BTreeMap::new();
    for body in bodies {
        let rule = match serde_cbor::from_slice(&body) {
            Ok(Value::Map(fields)) => match fields.get(&Value::Text("rule".to_owned())) {
                Some(Value::Text(rule)) => rule.clone(),
                _ => continue,
            },
            _ => continue,
        };
        *denials.entry(rule).or_insert(0) += 1;
    }
    Ok(denials)
}

/// For each activation in force, from its device's first contact; ascending.
pub fn contact_to_activation(db: &mut Db) -> Result<Vec<Duration>, StoreError> {
    let rows: Vec<(Option<Micros>, Option<Micros>)> = on!(db, c => activations::table
        .inner_join(conversations::table
            .on(conversations::device_id.eq(activations::device_id)))
        .filter(activations::state.eq(Code(ActivationState::Activated)))
        .select((conversations::first_contact_at, activations::activated_at))
        .load(c))?;
    let mut times: Vec<Duration> = rows
        .into_iter()
        .filter_map(|(contact, activated)| {
            let micros = activated?.0.micros().checked_sub(contact?.0.micros())?;
            u64::try_from(micros).ok().map(Duration::from_micros)
        })
        .collect();
    times.sort_unstable();
    Ok(times)
}
