//! Group commit: operations of many callers share a transaction on the one thread that writes.
//!
//! The thread takes what waits, runs it in one transaction, and answers each caller after the
//! commit. Where callers are many it waits a moment for more of them, since a commit costs as much
//! for one as for a hundred; a lone caller waits for nobody. A group that fails is undone and run
//! again in smaller ones, so that one operation that cannot commit holds up nobody else's.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fleetgrant_core::domain::ActReason;
use tokio::sync::{mpsc, oneshot};

use super::dialect::{Db, OpenError};
use super::error::StoreError;

/// How often a group is begun, or a lone operation run, against a transient error.
const ATTEMPTS: u32 = 4;
/// The first pause between two attempts; it doubles.
const PAUSE: Duration = Duration::from_millis(10);

/// What an operation wants done with its effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// Keep them.
    Commit(T),
    /// Undo them.
    Rollback(T),
}

/// What an operation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Of what decisions on devices read, only what `conversation::record` changes.
    Conversation,
    /// Anything.
    Everything,
}

/// Which operations commit together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grouping {
    /// So many at most.
    pub(super) most: usize,
    /// After a group of several, the next waits so long for more.
    pub(super) wait: Duration,
}

/// What threads take their work from, until it is closed.
pub(super) struct Queue<T>(RwLock<Option<mpsc::Sender<T>>>);

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.0).finish()
    }
}

impl<T> Queue<T> {
    pub(super) fn of(length: usize) -> (Self, mpsc::Receiver<T>) {
        let (sender, receiver) = mpsc::channel(length);
        (Self(RwLock::new(Some(sender))), receiver)
    }

    /// Where to put work; what is put there is done, also if it is closed meanwhile.
    pub(super) fn open(&self) -> Result<mpsc::Sender<T>, StoreError> {
        let queue = self.0.read().unwrap_or_else(PoisonError::into_inner);
        queue.clone().ok_or(StoreError::Closed)
    }

    /// Takes nothing any more; the threads end when they have done what is there.
    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Queue<Box<dyn Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// `reason`: of every operation that says none of its own.
    pub(super) fn spawn(
        mut db: Db,
        grouping: Grouping,
        queue: usize,
        reason: Option<ActReason>,
    ) -> Result<Self, OpenError> {
        let (queue, receiver) = Queue::of(queue);
        db.begin_eras();
        let thread = spawn_thread("db-write", move || serve(db, receiver, grouping, &reason))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) async fn submit<T, F>(
        &self,
        name: &'static str,
        scope: Scope,
        operation: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Db) -> Result<Verdict<T>, StoreError> + Send + 'static,
    {
        let (job, answer) = Operation::boxed(name, scope, operation);
        let queue = self.queue.open()?;
        queue.send(job).await.map_err(|_| StoreError::Closed)?;
        // Whoever waits for the answer does not keep it open.
        drop(queue);
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn submit_blocking<T, F>(
        &self,
        name: &'static str,
        scope: Scope,
        operation: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Db) -> Result<Verdict<T>, StoreError> + Send + 'static,
    {
        let (job, answer) = Operation::boxed(name, scope, operation);
        let queue = self.queue.open()?;
        queue.blocking_send(job).map_err(|_| StoreError::Closed)?;
        drop(queue);
        answer.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    /// Takes nothing any more, and waits until what was accepted has committed.
    pub(super) fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id())
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

pub(super) fn spawn_thread<F>(name: &str, body: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// One caller's operation, and where its answer goes.
trait Job: Send {
    /// What it changes.
    fn scope(&self) -> Scope;
    /// Runs it; `Ok(false)` asks for its effects to be undone.
    fn run(&mut self, db: &mut Db) -> Result<bool, StoreError>;
    /// Answers the caller with the outcome of the last run, or with why it did not commit.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Operation<T, F> {
    name: &'static str,
    scope: Scope,
    accepted: Instant,
    operation: F,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Operation<T, F>
where
    T: Send + 'static,
    F: FnMut(&mut Db) -> Result<Verdict<T>, StoreError> + Send + 'static,
{
    fn boxed(
        name: &'static str,
        scope: Scope,
        operation: F,
    ) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let job = Self {
            name,
            scope,
            accepted: Instant::now(),
            operation,
            outcome: None,
            reply,
        };
        (Box::new(job), answer)
    }
}

impl<T, F> Job for Operation<T, F>
where
    T: Send + 'static,
    F: FnMut(&mut Db) -> Result<Verdict<T>, StoreError> + Send + 'static,
{
    fn scope(&self) -> Scope {
        self.scope
    }

    fn run(&mut self, db: &mut Db) -> Result<bool, StoreError> {
        let verdict = catch_unwind(AssertUnwindSafe(|| (self.operation)(db)))
            .unwrap_or(Err(StoreError::Panicked(self.name)))?;
        let (outcome, keep) = match verdict {
            Verdict::Commit(outcome) => (outcome, true),
            Verdict::Rollback(outcome) => (outcome, false),
        };
        self.outcome = Some(outcome);
        Ok(keep)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self {
            name,
            accepted,
            outcome,
            reply,
            ..
        } = *self;
        let result = committed.and_then(|()| outcome.ok_or(StoreError::Closed));
        let label = result.as_ref().map_or_else(StoreError::label, |_| "ok");
        metrics::counter!("fleetgrant_store_operations_total", "operation" => name, "outcome" => label)
            .increment(1);
        metrics::histogram!("fleetgrant_store_operation_seconds", "operation" => name)
            .record(accepted.elapsed());
        // A caller that went away does not want to know.
        let _ = reply.send(result);
    }
}

fn serve(
    mut db: Db,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    grouping: Grouping,
    reason: &Option<ActReason>,
) {
    let mut waiting = Vec::with_capacity(grouping.most);
    let mut several = false;
    while queue.blocking_recv_many(&mut waiting, grouping.most) > 0 {
        if several && waiting.len() < grouping.most {
            thread::sleep(grouping.wait);
            while waiting.len() < grouping.most
                && let Ok(job) = queue.try_recv()
            {
                waiting.push(job);
            }
        }
        several = waiting.len() > 1;
        metrics::histogram!("fleetgrant_store_group_size").record(waiting.len() as f64);
        settle(&mut db, std::mem::take(&mut waiting), reason);
    }
}

/// Where a group came to grief.
enum Setback {
    /// The transaction could not begin.
    Begin(StoreError),
    /// This operation failed, or wants its effects undone.
    At(usize, Result<(), StoreError>),
    /// The commit failed, whoever is to blame.
    Commit(StoreError),
}

/// Answers every job, in transactions as large as they can be.
fn settle(db: &mut Db, jobs: Vec<Box<dyn Job>>, reason: &Option<ActReason>) {
    let mut groups = vec![jobs];
    while let Some(mut group) = groups.pop() {
        let Err(setback) = persist(db, &mut group, reason) else {
            group.into_iter().for_each(|job| job.answer(Ok(())));
            continue;
        };
        let parts = match setback {
            Setback::Begin(error) => {
                fail(group, &error);
                continue;
            }
            Setback::At(index, _) if group.len() > 1 => {
                let after = group.split_off(index + 1);
                let blamed = group.split_off(index);
                vec![group, blamed, after]
            }
            Setback::Commit(error @ (StoreError::Lost(_) | StoreError::Uncertain)) => {
                fail(group, &error);
                continue;
            }
            Setback::Commit(_) if group.len() > 1 => {
                let second = group.split_off(group.len() / 2);
                vec![group, second]
            }
            Setback::At(_, verdict) => {
                alone(group, verdict);
                continue;
            }
            Setback::Commit(error) => {
                alone(group, Err(error));
                continue;
            }
        };
        metrics::counter!("fleetgrant_store_groups_split_total").increment(1);
        groups.extend(parts.into_iter().rev().filter(|part| !part.is_empty()));
    }
}

fn alone(group: Vec<Box<dyn Job>>, verdict: Result<(), StoreError>) {
    if let Some(job) = group.into_iter().next() {
        job.answer(verdict);
    }
}

fn fail(group: Vec<Box<dyn Job>>, error: &StoreError) {
    tracing::error!(%error, operations = group.len(), "no transaction could commit");
    for job in group {
        job.answer(Err(match error {
            StoreError::Busy => StoreError::Busy,
            StoreError::Uncertain => StoreError::Uncertain,
            other => StoreError::Unavailable(other.to_string()),
        }));
    }
}

/// As [`attempt`]; again, if what stopped a lone operation may have passed, or if the connection
/// was lost, for which no operation is to blame.
fn persist(
    db: &mut Db,
    group: &mut [Box<dyn Job>],
    reason: &Option<ActReason>,
) -> Result<(), Setback> {
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match attempt(db, group, reason) {
            Err(Setback::At(_, Err(error)) | Setback::Commit(error))
                if (group.len() == 1 && error.is_transient())
                    || matches!(error, StoreError::Lost(_)) =>
            {
                wait(&mut pause, &error);
            }
            settled => return settled,
        }
    }
    attempt(db, group, reason)
}

/// Runs a group in one transaction; whatever goes wrong, nothing of it is kept.
fn attempt(
    db: &mut Db,
    group: &mut [Box<dyn Job>],
    reason: &Option<ActReason>,
) -> Result<(), Setback> {
    retrying(|| db.begin_write()).map_err(Setback::Begin)?;
    let started = Instant::now();
    for (index, job) in group.iter_mut().enumerate() {
        // What one operation said of itself is not said of the next.
        db.because(reason.clone());
        let verdict = match job.scope() {
            Scope::Conversation => job.run(db),
            Scope::Everything => db.outside_eras(|db| job.run(db)),
        };
        if !matches!(verdict, Ok(true)) {
            db.rollback();
            return Err(if db.is_lost() {
                let lost =
                    verdict.map_or_else(|error| error.to_string(), |_| "rollback".to_owned());
                Setback::Commit(StoreError::Lost(lost))
            } else {
                Setback::At(index, verdict.map(drop))
            });
        }
    }
    let committing = Instant::now();
    db.commit().map_err(|error| {
        db.rollback();
        Setback::Commit(error)
    })?;
    metrics::histogram!("fleetgrant_store_commit_seconds").record(committing.elapsed());
    metrics::histogram!("fleetgrant_store_transaction_seconds").record(started.elapsed());
    Ok(())
}

fn retrying(mut step: impl FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match step() {
            // A connection that was lost has been tried again already.
            Err(error) if error.is_transient() && !matches!(error, StoreError::Lost(_)) => {
                wait(&mut pause, &error);
            }
            settled => return settled,
        }
    }
    step()
}

fn wait(pause: &mut Duration, error: &StoreError) {
    metrics::counter!("fleetgrant_store_retries_total", "reason" => error.label()).increment(1);
    thread::sleep(*pause);
    *pause *= 2;
}

#[cfg(test)]
mod tests;
