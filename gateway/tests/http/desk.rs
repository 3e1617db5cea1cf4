//! An operator at a desk, with a device of a customer and what that customer owns.

use fleetgrant_core::domain::Role;
use serde_json::{Value, json};

use crate::api::{Answer, Served};

pub(crate) const JSON: &str = "application/json";
pub(crate) const DEVICE: &str = "pump-SN-0004";

pub(crate) struct Desk {
    pub(crate) api: Served,
    pub(crate) key: String,
    pub(crate) entitlement: String,
}

impl Desk {
    /// An operator, a device of the clinic, and an entitlement to five units.
    pub(crate) async fn open() -> Self {
        let api = Served::with_samples().await;
        let key = api.key(Role::Operator).await;
        let mut desk = Self {
            api,
            key,
            entitlement: String::new(),
        };
        let found = desk
            .get("/api/v1/entitlements?reference=SO-5002/10/PUMP-BASE/perpetual")
            .await;
        assert_eq!(found["items"][0]["units"], 5, "{found}");
        desk.entitlement = found["items"][0]["id"].as_str().unwrap().to_owned();
        desk
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.api.get_as(&self.key, path).await.json()
    }

    pub(crate) fn assignment(&self, units: u32) -> String {
        json!({"device": DEVICE, "entitlement": self.entitlement, "units": units}).to_string()
    }

    pub(crate) async fn assign(&self, name: &str, units: u32) -> Answer {
        let body = self.assignment(units);
        let body = (JSON, body.as_str());
        let path = "/api/v1/activations";
        self.api.post(&self.key, name, path, body).await
    }

    pub(crate) async fn act(&self, name: &str, path: &str) -> Answer {
        self.api.post(&self.key, name, path, ("", "")).await
    }

    pub(crate) async fn in_use(&self) -> i64 {
        let path = format!("/api/v1/entitlements/{}", self.entitlement);
        self.get(&path).await["in_use"].as_i64().unwrap()
    }

    /// Sends JSON in the name of the desk.
    pub(crate) async fn send(&self, name: &str, path: &str, body: Value) -> Answer {
        let body = body.to_string();
        self.api.post(&self.key, name, path, (JSON, &body)).await
    }

    /// As [`send`](Self::send), with a key of another.
    pub(crate) async fn send_as(&self, key: &str, name: &str, path: &str, body: Value) -> Answer {
        let body = body.to_string();
        self.api.post(key, name, path, (JSON, &body)).await
    }

    /// The kinds and actors of what happened to the device since it was imported.
    pub(crate) async fn happened(&self) -> Vec<(String, String)> {
        let events = self.get(&format!("/api/v1/devices/{DEVICE}/events")).await;
        let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
        events["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| (text(event, "kind"), text(event, "actor")))
            .filter(|(_, actor)| actor != "tester")
            .collect()
    }
}

pub(crate) fn pair(kind: &str, actor: &str) -> (String, String) {
    (kind.to_owned(), actor.to_owned())
}
