//! Threads that read beside the writer, each on one consistent state of the database.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::dialect::{Db, OpenError};
use super::error::StoreError;
use super::transaction::spawn_thread;

type Query = Box<dyn FnOnce(&mut Db) + Send>;

/// The threads that read.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Option<mpsc::Sender<Query>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn spawn(connections: Vec<Db>, queue: usize) -> Result<Self, OpenError> {
        let (sender, receiver) = mpsc::channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = connections
            .into_iter()
            .map(|db| {
                let receiver = Arc::clone(&receiver);
                spawn_thread("db-read", move || serve(db, &receiver)).map_err(OpenError::Thread)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            queue: Some(sender),
            threads,
        })
    }

    pub(super) async fn submit<T, F>(&self, name: &'static str, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        let (query, answer) = boxed(name, query);
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(query).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn submit_blocking<T, F>(
        &self,
        name: &'static str,
        query: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        let (query, answer) = boxed(name, query);
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.blocking_send(query).map_err(|_| StoreError::Closed)?;
        answer.blocking_recv().map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        let own = thread::current().id();
        for thread in self.threads.drain(..) {
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }
}

fn boxed<T, F>(name: &'static str, query: F) -> (Query, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let accepted = Instant::now();
    let query = Box::new(move |db: &mut Db| {
        let result = catch_unwind(AssertUnwindSafe(|| consistently(db, query)));
        // The connection may hold a transaction that a panic left open.
        let result = result.unwrap_or_else(|_| {
            db.rollback();
            Err(StoreError::Panicked(name))
        });
        metrics::histogram!("fleetgrant_store_read_seconds", "operation" => name)
            .record(accepted.elapsed());
        // A caller that went away does not want to know.
        let _ = reply.send(result);
    });
    (query, answer)
}

fn consistently<T>(
    db: &mut Db,
    query: impl FnOnce(&mut Db) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    db.begin_read()?;
    let result = query(db);
    db.rollback();
    result
}

fn serve(mut db: Db, queue: &Mutex<mpsc::Receiver<Query>>) {
    loop {
        // One idle thread waits in the channel, the others for the lock.
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        match next {
            Some(query) => query(&mut db),
            None => return,
        }
    }
}
