//! As the library's own tests have it, so that these choose their database by the same variable.

pub(crate) use fleetgrant::store::{
    Db, Location, SchemaPolicy, Store, StoreError, StoreOptions, dialect,
};

#[allow(dead_code, reason = "each kind of test uses a part of it")]
#[path = "../../src/store/scratch.rs"]
pub(crate) mod scratch;
