//! Counting by hand: from the lines of the export alone, one event after the other, without the
//! tables and without the code of the reports.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An event, of its line.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) position: i64,
    pub(super) stream: String,
    pub(super) kind: String,
    /// Seconds since the epoch.
    pub(super) at: f64,
    body: BTreeMap<String, Value>,
}

impl Told {
    pub(super) fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or("")
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.body.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    pub(super) fn device(&self) -> Option<&str> {
        self.stream.strip_prefix("device:")
    }
}

pub(super) fn told(export: &str) -> Vec<Told> {
    let event = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let at: jiff::Timestamp = line["at"].as_str().unwrap().parse().unwrap();
        Told {
            position: line["position"].as_i64().unwrap(),
            stream: line["stream"].as_str().unwrap().to_owned(),
            kind: line["kind"].as_str().unwrap().to_owned(),
            at: at.as_microsecond() as f64 / 1e6,
            body: serde_json::from_value(line["body"].clone()).unwrap(),
        }
    };
    export.lines().map(event).collect()
}

/// An entitlement as the history leaves it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sold {
    pub(super) units: u64,
    pub(super) product: String,
    pub(super) model: String,
    pub(super) purpose: String,
    pub(super) owner: String,
    pub(super) order_line: String,
    pub(super) active_at: f64,
}

pub(super) fn sold(events: &[Told]) -> BTreeMap<String, Sold> {
    let mut sold = BTreeMap::<String, Sold>::new();
    for event in events {
        if matches!(&*event.kind, "entitlement-created" | "entitlement-amended") {
            let known = sold
                .entry(event.text("entitlement").to_owned())
                .or_default();
            let active_at = match known.active_at {
                0.0 if event.text("state") == "active" => event.at,
                active_at => active_at,
            };
            *known = Sold {
                units: event.number("units"),
                product: event.text("product").to_owned(),
                model: event.text("model").to_owned(),
                purpose: event.text("purpose").to_owned(),
                owner: event.text("owner").to_owned(),
                order_line: event.text("order_line").to_owned(),
                active_at,
            };
        }
    }
    sold
}

/// An activation as the history leaves it.
#[derive(Clone, Debug)]
pub(super) struct Right {
    pub(super) entitlement: String,
    pub(super) device: String,
    pub(super) units: u64,
    pub(super) state: String,
}

/// Every activation, by replaying what became of each.
pub(super) fn rights(events: &[Told]) -> BTreeMap<String, Right> {
    let mut rights = BTreeMap::<String, Right>::new();
    for event in events {
        let id = event.text("activation").to_owned();
        match &*event.kind {
            "reserved" | "published" => {
                let right = rights.entry(id).or_insert_with(|| Right {
                    entitlement: event.text("entitlement").to_owned(),
                    device: event.device().unwrap().to_owned(),
                    units: event.number("units"),
                    state: String::new(),
                });
                right.state.clone_from(&event.kind);
            }
            "split" => {
                let whole = rights.get_mut(&id).unwrap();
                whole.units -= event.number("units");
                let part = Right {
                    units: event.number("units"),
                    ..whole.clone()
                };
                // Without a name it was never out there, and is free.
                if !event.text("part").is_empty() {
                    rights.insert(event.text("part").to_owned(), part);
                }
            }
            // What is on its way out stays so, though the device had it.
            "activated" if rights[&id].state != "published" => {}
            "resumed" => rights.get_mut(&id).unwrap().state = "published".to_owned(),
            "activated" | "suspended" | "removing" | "removed" | "cancelled" | "lapsed"
            | "orphaned" => {
                rights.get_mut(&id).unwrap().state.clone_from(&event.kind);
            }
            _ => {}
        }
    }
    rights
}

/// The first activation of a unit's lineage, for production.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fresh {
    pub(super) entitlement: String,
    pub(super) device: String,
    pub(super) units: u64,
    pub(super) at: f64,
    pub(super) origin: String,
}

pub(super) fn fresh(events: &[Told]) -> Vec<Fresh> {
    let sold = sold(events);
    let mut before = BTreeMap::<&str, &str>::new();
    for event in events.iter().filter(|e| !e.text("predecessor").is_empty()) {
        before.insert(event.text("activation"), event.text("predecessor"));
    }
    let mut seen = BTreeSet::new();
    let mut fresh = Vec::new();
    for event in events.iter().filter(|event| event.kind == "activated") {
        let mut lineage = event.text("activation");
        while let Some(predecessor) = before.get(lineage) {
            lineage = predecessor;
        }
        let entitlement = event.text("entitlement");
        if event.text("kind") == "normal"
            && sold[entitlement].purpose == "production"
            && seen.insert(lineage)
        {
            fresh.push(Fresh {
                entitlement: entitlement.to_owned(),
                device: event.device().unwrap().to_owned(),
                units: event.number("units"),
                // What was carried in a file says when it was signed.
                at: match event.number("signed_at") {
                    0 => event.at,
                    signed_at => signed_at as f64,
                },
                origin: event.text("origin").to_owned(),
            });
        }
    }
    fresh
}

/// How long one unit waited, seconds, and whether it waits still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Waited {
    pub(super) seconds: f64,
    pub(super) is_over: bool,
}

/// (n, N, mean, median, p95), negative waits left out.
pub(super) type Figures = (u64, u64, Option<f64>, Option<f64>, Option<f64>);

pub(super) fn figures(waited: &[Waited]) -> Figures {
    let good: Vec<_> = waited
        .iter()
        .filter(|w| w.seconds >= 0.0)
        .copied()
        .collect();
    let over: Vec<_> = good
        .iter()
        .filter(|w| w.is_over)
        .map(|w| w.seconds)
        .collect();
    let mean = (!over.is_empty()).then(|| over.iter().sum::<f64>() / over.len() as f64);
    (
        over.len() as u64,
        good.len() as u64,
        mean,
        quantile(&good, 0.5),
        quantile(&good, 0.95),
    )
}

/// Kaplan–Meier, a factor (1 − d/n) for each time at which something happened.
fn quantile(waited: &[Waited], share: f64) -> Option<f64> {
    let mut times: Vec<_> = waited
        .iter()
        .filter(|w| w.is_over)
        .map(|w| w.seconds)
        .collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let mut still = 1.0;
    times.into_iter().find(|time| {
        let at_risk = waited.iter().filter(|w| w.seconds >= *time).count();
        let happened = waited
            .iter()
            .filter(|w| w.is_over && w.seconds == *time)
            .count();
        still *= 1.0 - happened as f64 / at_risk as f64;
        still <= 1.0 - share + 1e-9
    })
}

/// Unit by unit, from the order date.
pub(super) fn order_to_activation(events: &[Told], now: f64) -> Vec<Waited> {
    let ordered: BTreeMap<_, _> = events
        .iter()
        .filter(|event| event.kind == "order-created")
        .map(|event| (event.text("order_line"), event.number("ordered_at") as f64))
        .collect();
    let fresh = fresh(events);
    let mut waited = Vec::new();
    for (id, sold) in sold(events) {
        let Some(ordered_at) = ordered.get(&*sold.order_line) else {
            continue;
        };
        if sold.purpose != "production" {
            continue;
        }
        let mut left = sold.units;
        for fresh in fresh.iter().filter(|fresh| fresh.entitlement == id) {
            left -= fresh.units;
            if fresh.origin != "factory" {
                let one = Waited {
                    seconds: fresh.at - ordered_at,
                    is_over: true,
                };
                waited.extend(vec![one; fresh.units as usize]);
            }
        }
        let one = Waited {
            seconds: now - ordered_at,
            is_over: false,
        };
        waited.extend(vec![one; left as usize]);
    }
    waited
}

/// One unit that was shipped.
struct Unit<'a> {
    from: f64,
    devices: BTreeSet<&'a str>,
}

/// Unit by unit, from the shipment, or from the later making of the entitlement.
pub(super) fn shipment_to_activation(events: &[Told], now: f64) -> Vec<Waited> {
    let fresh = fresh(events);
    let mut waited = Vec::new();
    for (id, sold) in sold(events) {
        if sold.purpose != "production" {
            continue;
        }
        let mut units = shipped_units(events, &sold);
        let mut over = |unit: Unit<'_>, fresh: &Fresh| {
            if fresh.origin != "factory" {
                waited.push(Waited {
                    seconds: fresh.at - unit.from,
                    is_over: true,
                });
            }
        };
        let mut of_nobody = Vec::new();
        for fresh in fresh.iter().filter(|fresh| fresh.entitlement == id) {
            for _ in 0..fresh.units {
                let own = units
                    .iter()
                    .position(|unit| unit.devices.contains(&*fresh.device));
                match own {
                    Some(own) => over(units.remove(own), fresh),
                    None => of_nobody.push(fresh),
                }
            }
        }
        for fresh in of_nobody {
            let free = units.iter().position(|unit| unit.devices.is_empty());
            if let Some(next) = free.or((!units.is_empty()).then_some(0)) {
                over(units.remove(next), fresh);
            }
        }
        waited.extend(units.iter().map(|unit| Waited {
            seconds: now - unit.from,
            is_over: false,
        }));
    }
    waited
}

fn shipped_units<'a>(events: &'a [Told], sold: &Sold) -> Vec<Unit<'a>> {
    let of_line =
        |event: &&Told| event.kind == "shipped" && event.text("order_line") == sold.order_line;
    let shipments = events.iter().filter(of_line);
    let shipments = shipments.filter(|event| event.stream.starts_with("order:"));
    let mut shipments: Vec<_> = shipments
        .filter(|event| event.text("state") == "shipped")
        .collect();
    shipments.sort_by_key(|event| event.number("shipped_at"));
    let units = shipments.into_iter().flat_map(|shipment| {
        let devices: BTreeSet<_> = events
            .iter()
            .filter(of_line)
            .filter(|event| event.text("shipment") == shipment.text("shipment"))
            .filter_map(Told::device)
            .collect();
        let from = (shipment.number("shipped_at") as f64).max(sold.active_at);
        (0..shipment.number("quantity")).map(move |_| Unit {
            from,
            devices: devices.clone(),
        })
    });
    units.take(sold.units as usize).collect()
}
