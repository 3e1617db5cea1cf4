//! The database: what is written commits in groups on a thread of its own, what is read runs beside it.
//!
//! Every query is written once, for every database, with `on!`; what differs stands in
//! [`dialect`]. The free functions of the table modules take `&mut Db` and belong inside
//! [`Store::write`] or [`Store::read`].

#[macro_use]
pub mod dialect;
#[macro_use]
pub mod prepared;
pub mod activation_code;
pub mod api_key;
pub mod batch;
pub mod campaign;
pub mod case;
pub mod column;
pub(crate) mod condition;
pub mod contract;
pub mod conversation;
pub mod device;
pub mod entitlement;
pub mod entitlement_link;
pub mod entitlement_look;
mod entitlement_usage;
mod error;
pub mod event;
pub mod http_write;
pub mod id;
pub mod import_run;
pub mod imported_usage;
pub mod legacy_right;
pub mod license_model;
pub mod listing;
pub mod maintenance;
pub mod order;
pub mod party;
pub mod policy;
pub mod policy_override;
pub mod product;
pub mod product_line;
pub mod raised_ceiling;
mod reader;
pub mod refresh;
pub mod regrant;
pub mod schema;
#[cfg(test)]
mod schema_drift;
#[cfg(test)]
pub(crate) mod scratch;
pub mod shipment;
pub mod sku;
pub mod station;
pub mod stock;
mod transaction;
pub mod waiting_key;
pub mod webhook;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fleetgrant_core::domain::ActReason;

pub use dialect::{Db, Location, OpenError, Postgres, SchemaPolicy};
pub use error::StoreError;
pub use transaction::Verdict;

use reader::Readers;
use transaction::{Grouping, Scope, Writer};

/// An open database. Cheap to clone; the threads end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Arc<Writer>,
    readers: Arc<Readers>,
}

/// Sizes of the store's threads and queues.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// What to do about a schema that is not this version's.
    pub schema: SchemaPolicy,
    /// Operations that commit together at most.
    pub batch: usize,
    /// How long a group waits for more operations, if the one before had several. A lone operation
    /// commits at once.
    pub batch_wait: Duration,
    /// Operations that wait for the writer before callers have to.
    pub queue: usize,
    /// Connections that read beside the writer.
    pub readers: usize,
    /// Why all of it is done that says no reason of its own.
    pub reason: Option<ActReason>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            schema: SchemaPolicy::Require,
            batch: 128,
            batch_wait: Duration::ZERO,
            queue: 1_024,
            readers: 2,
            reason: None,
        }
    }
}

impl Store {
    /// Opens `sqlite:PATH`, made if it is missing (mode 0600), or `postgres://…`, and starts the
    /// threads.
    ///
    /// Blocks; migrations, where allowed, run before it returns.
    pub fn open(url: &str, options: StoreOptions) -> Result<Self, OpenError> {
        Self::open_at(&Location::parse(url)?, options)
    }

    /// As [`open`](Self::open), where the place is known already.
    ///
    /// # Panics
    /// Never of its own; a panic of the thread that opens goes on in the caller's.
    pub fn open_at(location: &Location, options: StoreOptions) -> Result<Self, OpenError> {
        // A connection runs a reactor of its own, which no thread of an async runtime may.
        let opened = thread::scope(|scope| scope.spawn(|| Self::connect(location, options)).join());
        opened.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn connect(location: &Location, options: StoreOptions) -> Result<Self, OpenError> {
        let mut connection = location.connect()?;
        options.schema.enforce(&mut connection)?;
        let readers = (0..options.readers.max(1))
            .map(|_| location.connect_read_only())
            .collect::<Result<_, _>>()?;
        let grouping = Grouping {
            most: options.batch,
            wait: options.batch_wait,
        };
        Ok(Self {
            writer: Arc::new(Writer::spawn(
                connection,
                grouping,
                options.queue,
                options.reason,
            )?),
            readers: Arc::new(Readers::spawn(readers, options.queue)?),
        })
    }

    /// Runs `operation` in a transaction and answers once it has committed.
    ///
    /// Many callers' operations share a transaction, so the closure may run more than once: it
    /// must give the same result each time, and hold nothing from an earlier run. Its error
    /// undoes its own effects and nobody else's. `name` labels the metrics.
    ///
    /// A commit whose outcome was lost is asked about, and repeated only if it was none; where
    /// nobody can be asked the answer is [`StoreError::Uncertain`].
    pub async fn write<T, F>(&self, name: &'static str, mut operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.transaction(name, move |db| operation(db).map(Verdict::Commit))
            .await
    }

    /// As [`write`](Self::write), for an operation that may also come to a result and want its
    /// effects undone.
    pub async fn transaction<T, F>(&self, name: &'static str, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Db) -> Result<Verdict<T>, StoreError> + Send + 'static,
    {
        self.writer.submit(name, Scope::Everything, operation).await
    }

    /// As [`transaction`](Self::transaction), for an operation that changes nothing of what is read
    /// for a decision about a device but by [`conversation::record`], so that what is kept of
    /// devices stays true. Deliveries are not read for decisions.
    pub async fn converse<T, F>(&self, name: &'static str, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Db) -> Result<Verdict<T>, StoreError> + Send + 'static,
    {
        self.writer
            .submit(name, Scope::Conversation, operation)
            .await
    }

    /// As [`transaction`](Self::transaction), for threads outside the async runtime.
    ///
    /// # Panics
    /// Within an async task.
    pub fn transaction_blocking<T, F>(
        &self,
        name: &'static str,
        operation: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Db) -> Result<Verdict<T>, StoreError> + Send + 'static,
    {
        self.writer
            .submit_blocking(name, Scope::Everything, operation)
    }

    /// As [`write`](Self::write), for threads outside the async runtime.
    ///
    /// # Panics
    /// Within an async task.
    pub fn write_blocking<T, F>(
        &self,
        name: &'static str,
        mut operation: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.transaction_blocking(name, move |db| operation(db).map(Verdict::Commit))
    }

    /// Takes nothing any more, and waits until what was accepted has committed. What is read meanwhile
    /// is not waited for: it ends by itself, or with the process.
    ///
    /// Blocks.
    pub fn close(&self) {
        self.writer.close();
        self.readers.close();
    }

    /// Runs `query` on a connection that only reads, on one consistent state of the database.
    pub async fn read<T, F>(&self, name: &'static str, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.submit(name, query).await
    }

    /// As [`read`](Self::read), for threads outside the async runtime.
    ///
    /// # Panics
    /// Within an async task.
    pub fn read_blocking<T, F>(&self, name: &'static str, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.submit_blocking(name, query)
    }
}
