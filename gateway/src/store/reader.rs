//! Threads that read beside the writer, each on one consistent state of the database.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::dialect::{Db, OpenError};
use super::error::StoreError;
use super::transaction::{Queue, spawn_thread};

type Query = Box<dyn FnOnce(&mut Db) + Send>;

/// How long what is read may go on when nothing is to be read any more: a report may take a minute, and
/// nobody is told of it.
const FAREWELL: Duration = Duration::from_millis(500);
/// The wait before it is looked again whether a thread has ended.
const PAUSE: Duration = Duration::from_millis(1);

/// The threads that read.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Queue<Query>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(super) fn spawn(connections: Vec<Db>, queue: usize) -> Result<Self, OpenError> {
        let (queue, receiver) = Queue::of(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = connections
            .into_iter()
            .map(|db| {
                let receiver = Arc::clone(&receiver);
                spawn_thread("db-read", move || serve(db, &receiver)).map_err(OpenError::Thread)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            queue,
            threads: Mutex::new(threads),
        })
    }

    pub(super) async fn submit<T, F>(&self, name: &'static str, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        let (query, answer) = boxed(name, query);
        let queue = self.queue.open()?;
        queue.send(query).await.map_err(|_| StoreError::Closed)?;
        drop(queue);
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
        let queue = self.queue.open()?;
        queue.blocking_send(query).map_err(|_| StoreError::Closed)?;
        drop(queue);
        answer.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    /// Takes nothing any more, and waits until the threads have ended, but not for one that reads what
    /// takes long: it ends when it has read, or with the process.
    pub(super) fn close(&self) {
        self.queue.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let (own, deadline) = (thread::current().id(), Instant::now() + FAREWELL);
        for thread in threads.drain(..).filter(|one| one.thread().id() != own) {
            while !thread.is_finished() && Instant::now() < deadline {
                thread::sleep(PAUSE);
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
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
        // A caller that went away while it waited does not want to know, and others wait.
        if reply.is_closed() {
            return;
        }
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
