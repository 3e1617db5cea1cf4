//! Which reports are there, and which are being made; both are bounded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use fleetgrant_core::domain::{PartyId, ProductLineId};
use tokio::sync::watch;

use super::Made;
use super::asked::Asked;
use crate::access::Grant;

/// So many times as long as it took to make is a report told again to who does not say how old it
/// may be, so that the same report takes a tenth of one processor at most; and no longer than this.
const TIMES: u32 = 10;
const LONGEST: Duration = Duration::from_secs(600);
/// How long it is there for who takes an older one.
const HOUR: Duration = Duration::from_secs(3_600);
/// How long it is told to who was told to come back, however new it was to be.
const PROMISED: Duration = Duration::from_secs(30);
/// Reports that are made at once, or wait for their turn.
pub(super) const MOST: usize = 64;
/// Reports that are there, and their bytes in all.
pub(super) const MOST_THERE: usize = 256;
pub(super) const BYTES: usize = 32 * 1024 * 1024;
/// Bytes of one.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;

/// Which report: whoever sees one party's things only, or one product line's, is told another than
/// everybody else, under the same address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    party: Option<PartyId>,
    line: Option<ProductLineId>,
    address: String,
}

impl Key {
    pub(super) fn of(grant: Grant, uri: &Uri) -> Self {
        Self {
            party: grant.party(),
            line: grant.line(),
            address: canonical(uri),
        }
    }
}

/// An address with its parameters as they are read, in one order. What is named twice keeps its own:
/// it is refused, and not here.
fn canonical(uri: &Uri) -> String {
    let query = uri.query().unwrap_or_default();
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        form_urlencoded::parse(query.as_bytes()).collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{}?{query}", uri.path())
}

/// What is there of a report.
#[derive(Debug, Default)]
struct Report {
    /// As it was last made.
    last: Option<Arc<Made>>,
    /// Where it will be told when it is made anew.
    making: Option<watch::Receiver<Option<Arc<Made>>>>,
    /// Somebody was told to come back for it.
    is_promised: bool,
    /// It is made ahead, every so often.
    ahead: Option<Duration>,
}

impl Report {
    /// The report for who asks so, if it is there.
    fn told(&self, oldest: Option<Duration>, worth: Duration) -> Option<&Arc<Made>> {
        let made = self.last.as_ref()?;
        let since = made.there.elapsed();
        if self.is_promised && since < PROMISED {
            return Some(made);
        }
        let took = made.took();
        let is_good = match oldest {
            Some(oldest) => made.age() <= oldest,
            None => {
                let is_ahead = self.ahead.is_some_and(|every| made.age() < twice(every));
                is_ahead || (took >= worth && since < took.saturating_mul(TIMES).min(LONGEST))
            }
        };
        is_good.then_some(made)
    }

    /// Where it is told when it is made; none, if nobody makes it, or whoever did has panicked.
    fn making(&self) -> Option<&watch::Receiver<Option<Arc<Made>>>> {
        let making = self.making.as_ref();
        making.filter(|told| told.has_changed().is_ok())
    }

    /// Drops what nobody is told any more; whether something is left.
    fn tidy(&mut self) -> bool {
        let longest = self.ahead.map_or(HOUR, |every| twice(every).max(HOUR));
        let is_old = |made: &mut Arc<Made>| made.there.elapsed() >= longest;
        drop(self.last.take_if(is_old));
        self.last.is_some() || self.making().is_some()
    }
}

/// The next is made after so long, and takes a while.
const fn twice(every: Duration) -> Duration {
    every.saturating_mul(2)
}

/// What there is of the report that is asked for.
#[derive(Debug)]
pub(super) enum Found {
    /// It is there.
    There(Arc<Made>),
    /// Somebody makes it.
    Coming(watch::Receiver<Option<Arc<Made>>>),
    /// Whoever asks makes it.
    Due(Task, watch::Receiver<Option<Arc<Made>>>),
    /// So many others are made that there is no room for it.
    Full,
}

/// The making of a report.
#[derive(Debug)]
pub(super) struct Task {
    key: Key,
    era: u64,
    tell: watch::Sender<Option<Arc<Made>>>,
}

/// The reports that are there, or are being made.
#[derive(Debug)]
pub(super) struct Shelf {
    worth: Duration,
    reports: HashMap<Key, Report>,
    /// What was begun before the last clearing is not kept.
    era: u64,
}

impl Shelf {
    /// What takes less than `worth` is made anew for who does not say how old it may be.
    pub(super) fn new(worth: Duration) -> Self {
        Self {
            worth,
            reports: HashMap::new(),
            era: 0,
        }
    }

    pub(super) fn find(&mut self, key: &Key, asked: Asked) -> Found {
        self.reports.retain(|_, report| report.tidy());
        if let Some(report) = self.reports.get_mut(key) {
            report.ahead = asked.ahead.or(report.ahead);
            let told = report.told(asked.oldest, self.worth);
            if let Some(made) = told.filter(|_| !asked.is_ahead()) {
                return Found::There(Arc::clone(made));
            }
            if let Some(making) = report.making() {
                return Found::Coming(making.clone());
            }
        }
        let are_made = |report: &&Report| report.making().is_some();
        if self.reports.values().filter(are_made).count() >= MOST {
            return Found::Full;
        }
        let (tell, told) = watch::channel(None);
        let report = self.reports.entry(key.clone()).or_default();
        report.making = Some(told.clone());
        report.is_promised = false;
        report.ahead = asked.ahead.or(report.ahead);
        let task = Task {
            key: key.clone(),
            era: self.era,
            tell,
        };
        Found::Due(task, told)
    }

    /// Somebody will come back for it.
    pub(super) fn promise(&mut self, key: &Key) {
        if let Some(report) = self.reports.get_mut(key) {
            report.is_promised = true;
        }
    }

    /// Tells a report that was made, and keeps it if it is one.
    pub(super) fn put(&mut self, task: Task, made: Arc<Made>) {
        if task.era == self.era
            && let Some(report) = self.reports.get_mut(&task.key)
        {
            report.making = None;
            if made.status == StatusCode::OK && made.body.len() <= LARGEST {
                report.last = Some(Arc::clone(&made));
            }
            self.make_room();
        }
        task.tell.send_replace(Some(made));
    }

    pub(super) fn clear(&mut self) {
        self.era += 1;
        self.reports.clear();
    }

    /// The oldest go first, and before those that are made ahead.
    fn make_room(&mut self) {
        loop {
            let there = || self.reports.values().filter_map(|of| of.last.as_ref());
            let bytes: usize = there().map(|made| made.body.len()).sum();
            if there().count() <= MOST_THERE && bytes <= BYTES {
                return;
            }
            let there = self.reports.values_mut();
            let oldest = there
                .filter_map(|report| {
                    let there = report.last.as_ref()?.there;
                    Some(((report.ahead.is_some(), there), report))
                })
                .min_by_key(|(order, _)| *order);
            let Some((_, report)) = oldest else { return };
            report.last = None;
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        let there = || self.reports.values().filter_map(|of| of.last.as_ref());
        (there().count(), there().map(|made| made.body.len()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_another_order_or_spelling_are_the_same_and_others_are_not() {
        let of = |uri: &'static str| canonical(&Uri::from_static(uri));
        assert_eq!(of("/r?a=1&b=%70+x"), of("/r?b=p%20x&a=1"));
        for (one, other) in [
            ("/r?a=1&b=2", "/r?a=2&b=1"),
            ("/r?a=1", "/q?a=1"),
            ("/r", "/r?a="),
            ("/r?a=1%26b%3D2", "/r?a=1&b=2"),
            ("/r?a=1&a=2", "/r?a=2&a=1"),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
    }
}
