//! What only the conversation remembers of a device, as one CBOR value.

use fleetgrant_core::device::{Challenges, Device, IssuedChallenge, StoredAnswer, Tally, Watch};
use fleetgrant_core::domain::{Challenge, Epoch, Generation, MessageDigest, SetKey, Timestamp};
use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::store::error::StoreError;

/// Challenges and tallies. Fields are never renamed; a new one has a default.
#[derive(Default, Serialize, Deserialize)]
struct Memory {
    newest: Option<ChallengeRow>,
    previous: Option<ChallengeRow>,
    resync: Option<ChallengeRow>,
    resyncs: TallyRow,
    code_failures: TallyRow,
    refused: Option<[u8; 32]>,
    #[serde(default)]
    refusals: TallyRow,
    #[serde(default)]
    unfit: TallyRow,
    #[serde(default)]
    requests: TallyRow,
    #[serde(default)]
    factory_grant: bool,
    /// The last generation that was for a board which was replaced.
    #[serde(default)]
    replaced: u64,
}

/// Value, expiry in microseconds, and epoch and generation acknowledged when it was sent.
#[derive(Serialize, Deserialize)]
struct ChallengeRow([u8; 16], i64, Option<(u32, u64)>);

/// Count, and when the window opened in microseconds.
#[derive(Default, Serialize, Deserialize)]
struct TallyRow(u16, Option<i64>);

/// The answer to the last request.
#[derive(Serialize, Deserialize)]
enum AnswerRow {
    Grant(u32, u64),
    /// The payload that was signed.
    Notice(serde_cbor::Value),
}

pub(super) fn encode(device: &Device) -> Result<Vec<u8>, StoreError> {
    let (challenges, watch) = (&device.challenges, &device.watch);
    let challenge = |issued: &Option<IssuedChallenge>| {
        issued.map(|issued| {
            let acked = issued.acked.map(|key| (key.epoch.0, key.generation.get()));
            ChallengeRow(issued.value.0, issued.expires_at.micros(), acked)
        })
    };
    let tally = |tally: &Tally| TallyRow(tally.count, tally.since.map(Timestamp::micros));
    let memory = Memory {
        newest: challenge(&challenges.newest),
        previous: challenge(&challenges.previous),
        resync: challenge(&challenges.resync),
        resyncs: tally(&watch.resyncs),
        code_failures: tally(&watch.code_failures),
        refused: watch.refused.map(|digest| digest.0),
        refusals: tally(&watch.refusals),
        unfit: tally(&watch.unfit),
        requests: tally(&watch.requests),
        factory_grant: watch.factory_grant,
        replaced: device.replaced.get(),
    };
    serde_cbor::to_vec(&memory).map_err(corrupt)
}

/// Takes up what is remembered. The flags of the watch stand in columns of their own.
pub(super) fn take_up(
    device: &mut Device,
    bytes: &[u8],
    frozen: bool,
    returns_stopped: bool,
) -> Result<(), StoreError> {
    let memory: Memory = serde_cbor::from_slice(bytes).map_err(corrupt)?;
    let challenge = |row: Option<ChallengeRow>| {
        row.map(|ChallengeRow(value, expires_at, acked)| {
            Ok::<_, StoreError>(IssuedChallenge {
                value: Challenge(value),
                expires_at: Timestamp::from_micros(expires_at),
                acked: acked
                    .map(|(epoch, generation)| set_key(epoch, generation))
                    .transpose()?,
            })
        })
        .transpose()
    };
    let tally = |TallyRow(count, since): TallyRow| Tally {
        count,
        since: since.map(Timestamp::from_micros),
    };
    device.challenges = Challenges {
        newest: challenge(memory.newest)?,
        previous: challenge(memory.previous)?,
        resync: challenge(memory.resync)?,
    };
    device.watch = Watch {
        factory_grant: memory.factory_grant,
        resyncs: tally(memory.resyncs),
        frozen,
        returns_stopped,
        code_failures: tally(memory.code_failures),
        refused: memory.refused.map(MessageDigest),
        refusals: tally(memory.refusals),
        unfit: tally(memory.unfit),
        requests: tally(memory.requests),
    };
    device.replaced = Generation::new(memory.replaced).map_err(corrupt)?;
    Ok(())
}

pub(super) fn encode_answer(answer: &StoredAnswer) -> Result<Vec<u8>, StoreError> {
    let row = match answer {
        StoredAnswer::Grant(key) => AnswerRow::Grant(key.epoch.0, key.generation.get()),
        StoredAnswer::Notice(payload) => {
            AnswerRow::Notice(serde_cbor::Value::Bytes(payload.clone()))
        }
    };
    serde_cbor::to_vec(&row).map_err(corrupt)
}

pub(super) fn decode_answer(bytes: &[u8]) -> Result<StoredAnswer, StoreError> {
    match serde_cbor::from_slice(bytes).map_err(corrupt)? {
        AnswerRow::Grant(epoch, generation) => Ok(StoredAnswer::Grant(set_key(epoch, generation)?)),
        AnswerRow::Notice(serde_cbor::Value::Bytes(payload)) => Ok(StoredAnswer::Notice(payload)),
        AnswerRow::Notice(_) => Err(corrupt("a stored notice is a byte string")),
    }
}

pub(super) fn set_key(epoch: u32, generation: u64) -> Result<SetKey, StoreError> {
    Ok(SetKey {
        epoch: Epoch(epoch),
        generation: Generation::new(generation).map_err(corrupt)?,
    })
}
