//! Devices that change hands, break and are replaced, and who decides about it.

use fleetgrant::identity::{StoredCredential, TrustDigest};
use fleetgrant::store::conversation::Credential;
use fleetgrant_core::domain::{DeviceId, KeyThumbprint, Role, Roles};
use fleetgrant_schemas::id::CertificateThumbprint;
use serde_json::{Value, json};

use crate::api::NOW;
use crate::desk::{DEVICE, Desk};

/// A device that nobody owns.
const SPARE: &str = "pump-SN-0005";

fn device(id: &str, verb: &str) -> String {
    format!("/api/v1/devices/{id}/{verb}")
}

/// Two in the morning: one request, shown first; what it leaves behind is for somebody else.
#[tokio::test]
async fn an_outage_is_bridged_by_one_and_settled_by_another() {
    let desk = Desk::open().await;
    assert_eq!(desk.assign("a", 1).await.status, 200);
    let body = json!({"replacement": SPARE});
    let support = desk.api.key(Role::Support).await;
    let outage = async |name, query: &str| {
        let path = format!("{}{query}", device(DEVICE, "outage"));
        desk.send_as(&support, name, &path, body.clone()).await
    };
    let waiting =
        async || desk.get("/api/v1/cases?step=approval&state=open").await["items"].clone();
    let preview = outage("p", "?preview=true").await;
    assert_eq!(preview.status, 200, "{preview:?}");
    let given = preview.json()["given"][0].clone();
    assert_eq!(given["activations"][0]["kind"], "temporary");
    assert_eq!(given["quotas"][0]["kind"], "temporary");
    assert_eq!(given["policy"], "standard/1");
    assert_eq!(waiting().await, json!([]));

    assert_eq!(outage("o", "").await.status, 200);
    let case = waiting().await[0].clone();
    assert_eq!(
        (&case["want"], &case["requested_by"]),
        (&json!("write-off/"), &json!("key support"))
    );
    let decide = async |key: &str, name: &str, verb: &str| {
        let path = format!("/api/v1/cases/{}/{verb}", case["id"].as_str().unwrap());
        desk.api.post(key, name, &path, ("", "")).await
    };
    decide(&support, "1", "approve")
        .await
        .is_problem(403, "forbidden");
    let approver = desk.api.key(Role::Approver).await;
    let looked = decide(&approver, "2", "approve?preview=true").await.json();
    assert_eq!(looked["case"]["state"], "activated");
    assert_eq!(waiting().await[0], case, "it was a preview");
    let done = decide(&approver, "3", "approve").await;
    assert_eq!(
        done.json()["case"]["decided_by"],
        "key approver",
        "{done:?}"
    );
    decide(&approver, "4", "refuse")
        .await
        .is_problem(409, "refused");
    let dead = desk.get(&format!("/api/v1/devices/{DEVICE}")).await;
    assert_eq!(dead["state"], "tombstoned");
}

/// Two in the morning, once more this year: what is beyond the quota waits for somebody else.
#[tokio::test]
async fn what_support_is_denied_waits_for_an_approver() {
    let desk = Desk::open().await;
    assert_eq!(desk.assign("a", 1).await.status, 200);
    let support = desk.api.key(Role::Support).await;
    let approver = desk.api.key(Role::Approver).await;
    let body = json!({"replacement": SPARE});
    let outage = async |name, query: &str| {
        let path = format!("{}{query}", device(DEVICE, "outage"));
        desk.send_as(&support, name, &path, body.clone()).await
    };
    let waiting =
        async || desk.get("/api/v1/cases?step=approval&state=open").await["items"].clone();
    assert_eq!(outage("1", "").await.status, 200);
    assert_eq!(
        waiting().await.as_array().unwrap().len(),
        1,
        "the write-off"
    );

    let looked = outage("2", "?preview=true").await;
    looked.is_problem(409, "refused");
    assert_eq!(looked.json()["case"], Value::Null, "a preview asks nobody");
    assert_eq!(waiting().await.as_array().unwrap().len(), 1);

    let denied = outage("3", "").await;
    denied.is_problem(409, "refused");
    let problem = denied.json();
    assert_eq!(problem["rule"], "approval-needed");
    assert_eq!(outage("3", "").await.json()["case"], problem["case"]);
    let path = format!("/api/v1/cases/{}", problem["case"].as_str().unwrap());
    let case = desk.get(&path).await;
    assert_eq!(case["want"], format!("outage/{SPARE}"));
    assert_eq!(case["device"], DEVICE);
    assert_eq!(case["requested_by"], "key support");
    let facts = &case["facts"];
    assert_eq!(facts["policy"], "standard/1");
    assert_eq!(facts["asked"][0]["units"], 1);
    assert_eq!(facts["asked"][0]["at_risk"], 0);
    let quota = &facts["quotas"][0];
    assert_eq!(
        (&quota["kind"], &quota["used"]),
        (&json!("temporary"), &json!(1))
    );
    assert!(quota["limit"].as_u64() < Some(2), "{quota}");
    assert_eq!(facts["has"][0]["device"], DEVICE);
    let approve = format!("{path}/approve");
    let done = desk.api.post(&approver, "4", &approve, ("", "")).await;
    assert_eq!(done.status, 200, "{done:?}");
    let done = done.json();
    assert_eq!(done["case"]["state"], "activated");
    assert_eq!(desk.get(&path).await["facts"], Value::Null, "it is settled");
    assert_eq!(done["done"][0]["device"], SPARE);
    assert_eq!(done["done"][0]["activations"][0]["kind"], "temporary");

    let asked = json!({"entitlement": desk.entitlement, "units": 2});
    let denied = desk
        .send_as(&support, "5", &device(SPARE, "temporary"), asked)
        .await;
    denied.is_problem(409, "refused");
    let path = format!("/api/v1/cases/{}", denied.json()["case"].as_str().unwrap());
    let case = desk.get(&path).await;
    assert_eq!(case["total"], 2);
    let refuse = format!("{path}/refuse");
    let done = desk.api.post(&approver, "6", &refuse, ("", "")).await;
    assert_eq!(done.json()["case"]["state"], "denied", "{done:?}");
    assert_eq!(done.json()["done"], json!([]));
}

#[tokio::test]
async fn nobody_decides_what_they_asked_for() {
    let desk = Desk::open().await;
    assert_eq!(desk.assign("a", 1).await.status, 200);
    let roles = Roles::of(&[Role::Support, Role::Approver]);
    let both = desk.api.key_named("both", roles, None).await;
    let body = json!({"replacement": SPARE});
    let outage = desk
        .send_as(&both, "o", &device(DEVICE, "outage"), body)
        .await;
    assert_eq!(outage.status, 200, "{outage:?}");
    let cases = desk.get("/api/v1/cases?step=approval").await;
    let id = cases["items"][0]["id"].as_str().unwrap();
    for verb in ["approve", "refuse"] {
        let path = format!("/api/v1/cases/{id}/{verb}");
        let answer = desk.api.post(&both, verb, &path, ("", "")).await;
        answer.is_problem(403, "own-request");
    }
}

#[tokio::test]
async fn a_dead_device_comes_back_with_nothing() {
    let desk = Desk::open().await;
    let dead = desk.act("d", &device(DEVICE, "declare-dead")).await;
    assert_eq!(dead.status, 200, "{dead:?}");
    desk.act("d-2", &device(DEVICE, "declare-dead"))
        .await
        .is_problem(409, "refused");
    let temporary = json!({"entitlement": desk.entitlement});
    desk.send("t", &device(DEVICE, "temporary"), temporary)
        .await
        .is_problem(409, "refused");
    assert_eq!(desk.act("r", &device(DEVICE, "readmit")).await.status, 200);
    desk.act("r-2", &device(DEVICE, "readmit"))
        .await
        .is_problem(409, "refused");
    let from = json!({"from": "00000000000000000000000000000000"});
    desk.send("o", &device(SPARE, "take-over"), from)
        .await
        .is_problem(409, "refused");
}

#[tokio::test]
async fn a_device_is_sold_on_with_what_it_has() {
    let desk = Desk::open().await;
    assert_eq!(desk.assign("a", 2).await.status, 200);
    let to = desk.api.party("C-100").await.to_string();
    let transfer = async |name, query: &str, to: &str| {
        let path = format!("{}{query}", device(DEVICE, "transfer"));
        desk.send(name, &path, json!({"to": to})).await
    };
    let moved = |answer: &Value| answer["moved"][0]["units"].clone();
    let preview = transfer("p", "?preview=true", &to).await.json();
    assert_eq!(moved(&preview), 2);
    assert_eq!(desk.in_use().await, 2);
    let done = transfer("t", "", &to).await.json();
    assert_eq!((&done["changed"], moved(&done)), (&json!(true), json!(2)));
    assert_eq!(desk.in_use().await, 0, "they are the other's now");
    assert_eq!(transfer("t-2", "", &to).await.json()["changed"], false);
    let sold = desk.get(&format!("/api/v1/devices/{DEVICE}")).await;
    assert_eq!(sold["owner"]["id"], to);
    transfer("n", "", "00000000000000000000000000000000")
        .await
        .is_problem(409, "refused");
}

const OLD: KeyThumbprint = KeyThumbprint([0x11; 32]);
const NEW: KeyThumbprint = KeyThumbprint([0x22; 32]);

/// The device speaks with this key from now on.
async fn keyed(desk: &Desk, id: &str, key: KeyThumbprint) {
    let named = DeviceId::new(id).unwrap();
    let credential = Credential {
        key,
        certificate: CertificateThumbprint(key.0),
        not_after: NOW.plus_seconds(1_000_000_000),
        verified: StoredCredential {
            chain: vec![0x30; 600],
            anchor: "factory".to_owned(),
            trust: TrustDigest([1; 32]),
            in_force_until: NOW.plus_seconds(1_000_000_000),
            issuer_expired: false,
        },
    };
    let record = move |db: &mut fleetgrant::store::Db| credential.record(db, &named, NOW);
    desk.api.store.write("credential", record).await.unwrap();
    let admission = json!({"key": key.to_string()});
    let admit = format!("admit-{id}");
    let done = desk.send(&admit, &device(id, "admit"), admission).await;
    assert_eq!(done.status, 200, "{done:?}");
}

#[tokio::test]
async fn a_board_is_replaced_once_however_often_that_is_told() {
    let desk = Desk::open().await;
    keyed(&desk, DEVICE, OLD).await;
    assert_eq!(desk.assign("a", 1).await.status, 200);
    let path = format!("/api/v1/devices/{DEVICE}");
    let repair = async |name, query: &str, body: Value| {
        let path = format!("{}{query}", device(DEVICE, "repair"));
        desk.send(name, &path, body).await
    };
    let seen = desk.api.get_as(&desk.key, &path).await;
    let seen = seen.header("etag").to_owned();
    let looked = repair("p", "?preview=true", json!({"key": NEW.to_string()})).await;
    assert_eq!(looked.json()["awaited_key"], NEW.to_string(), "{looked:?}");
    let sheet = desk.get(&path).await;
    assert_eq!(
        (&sheet["key_loss"], &sheet["keys"][0]["state"]),
        (&Value::Null, &json!("current"))
    );

    let done = repair("r", "", json!({"key": NEW.to_string()})).await;
    assert_eq!(done.json()["awaited_key"], NEW.to_string(), "{done:?}");
    let again = repair("r", "", json!({"key": NEW.to_string()})).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    repair("r-2", "", json!({"key": NEW.to_string()}))
        .await
        .is_problem(409, "refused");
    let late = json!({});
    let late = desk
        .api
        .post_if(&desk.key, ("l", &seen), &device(DEVICE, "repair"), &late)
        .await;
    late.is_problem(412, "precondition-failed");
    let sheet = desk.get(&path).await;
    assert_eq!(sheet["key_loss"], "replaced");
    assert_eq!(sheet["expected_key"], NEW.to_string());
    assert_eq!(sheet["keys"][0]["state"], "superseded");
    let happened = desk.happened().await;
    let repaired = ("device-repaired".to_owned(), "key operator".to_owned());
    assert_eq!(
        happened.iter().filter(|event| **event == repaired).count(),
        1
    );
    let found = desk.get(&format!("/api/v1/devices?key={OLD}")).await;
    assert_eq!(found["items"][0]["id"], DEVICE);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_no_new_board_can_have_is_refused_with_the_reason() {
    let desk = Desk::open().await;
    keyed(&desk, DEVICE, OLD).await;
    keyed(&desk, SPARE, NEW).await;
    let refused = async |name, verb: &str, body: Value, words: &str| {
        let answer = desk.send(name, &device(DEVICE, verb), body).await;
        answer.is_problem(409, "refused");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(words), "{detail}");
    };
    let (old, new) = (
        json!({"key": OLD.to_string()}),
        json!({"key": NEW.to_string()}),
    );
    refused("1", "repair", new.clone(), "of another device").await;
    refused("2", "repair", old.clone(), "speaks with that key").await;
    refused("3", "revoke-key", new, "never had that key").await;
    let support = desk.api.key(Role::Support).await;
    for verb in ["repair", "revoke-key"] {
        let answer = desk
            .send_as(&support, verb, &device(DEVICE, verb), json!({}))
            .await;
        answer.is_problem(403, "forbidden");
    }
    let revoke = device(DEVICE, "revoke-key");
    assert_eq!(desk.send("k", &revoke, json!({})).await.status, 200);
    refused("4", "revoke-key", old.clone(), "revoked already").await;
    refused("5", "repair", old, "never comes back").await;
    refused("6", "admit", json!({"key": "33".repeat(32)}), "").await;
    desk.send("7", &device("pump-SN-0003", "repair"), json!({}))
        .await
        .is_problem(409, "refused");
    desk.send("8", &device(DEVICE, "repair"), json!({"key": "short"}))
        .await
        .is_problem(400, "bad-body");
}
