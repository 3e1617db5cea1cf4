//! Activation codes, each by itself, and that nobody redeems them any more.

use fleetgrant_core::domain::Role;
use serde_json::{Value, json};

use crate::desk::Desk;

/// A desk of who changes what was sold, and the codes of a pack of three, with their secrets.
async fn pack() -> (Desk, Vec<String>) {
    let mut desk = Desk::open().await;
    desk.key = desk.api.key(Role::Integrator).await;
    let file = "pack,system,entitlement,count,units,uses,expires_at\n\
                FAIR 1/2,crm,GW-1,3,1,2,2027-06-30\n";
    let body = ("text/csv", file);
    let made = desk
        .api
        .post(&desk.key, "made", "/api/v1/imports/codes", body);
    let made = made.await.json();
    let codes = made["codes"].as_array().unwrap().iter();
    let codes = codes.map(|code| code["code"].as_str().unwrap().to_owned());
    let codes = codes.collect();
    (desk, codes)
}

const PACK: &str = "/api/v1/packs/FAIR%201%2F2";

async fn listed(desk: &Desk) -> Vec<Value> {
    let list = desk.get(&format!("{PACK}/codes")).await;
    list["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_codes_of_a_pack_are_listed_without_what_is_secret() {
    let (desk, codes) = pack().await;
    let listed = listed(&desk).await;
    assert_eq!(listed.len(), 3);
    let first = &listed[0];
    assert_eq!(
        (
            &first["state"],
            &first["units"],
            &first["uses"],
            &first["used"]
        ),
        (&json!("free"), &json!(1), &json!(2), &json!(0)),
        "{first}"
    );
    assert!(
        first["expires_at"]
            .as_str()
            .unwrap()
            .starts_with("2027-06-30")
    );
    let mut begin: Vec<_> = listed
        .iter()
        .map(|code| code["begins"].as_str().unwrap())
        .collect();
    let mut made: Vec<_> = codes.iter().map(|code| &code[..9]).collect();
    begin.sort_unstable();
    made.sort_unstable();
    assert_eq!(begin, made);
    let fields: Vec<_> = first.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "begins",
            "expires_at",
            "id",
            "state",
            "units",
            "used",
            "uses"
        ]
    );

    let (mut read, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = desk.get(&format!("{PACK}/codes?limit=2{cursor}")).await;
        read.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(read, listed);
    let none = desk.api.get_as(&desk.key, "/api/v1/packs/NONE/codes").await;
    none.is_problem(404, "not-found");
    // Who hands codes out is told figures.
    let own = desk.api.party("P-10").await;
    let partner = desk.api.key_for(Role::Partner, Some(own)).await;
    let single = desk.api.get_as(&partner, &format!("{PACK}/codes")).await;
    single.is_problem(403, "forbidden");
}

#[tokio::test]
async fn codes_become_void_one_by_one_and_as_a_pack() {
    let (desk, codes) = pack().await;
    let known = desk.get("/api/v1/entitlements?reference=GW-1").await;
    let gives = &known["items"][0];
    let of = |pack: &Value, figure: &str| pack[figure].as_u64().unwrap();
    let figures = async || {
        let packs = desk.get("/api/v1/packs").await;
        let packs = packs["items"].as_array().unwrap();
        let pack = packs
            .iter()
            .find(|pack| pack["pack"] == "FAIR 1/2")
            .unwrap();
        (
            of(pack, "codes"),
            of(pack, "uses"),
            of(pack, "left"),
            of(pack, "void"),
        )
    };
    assert_eq!(figures().await, (3, 6, 6, 0));
    // By the beginning of the code, as whoever holds it reads it out.
    let one = format!("/api/v1/codes/{}/void", &codes[0][..9]);
    let preview = desk.act("p", &format!("{one}?preview=true")).await;
    assert_eq!(preview.json()["codes"], 1, "{preview:?}");
    assert_eq!(figures().await, (3, 6, 6, 0));
    let done = json!({"pack": "FAIR 1/2", "codes": 1, "uses": 2, "void_before": 0, "used_up": 0});
    assert_eq!(desk.act("v", &one).await.json(), done);
    assert_eq!(figures().await, (3, 6, 4, 1));
    // The same request again is answered as before; another changes nothing.
    let again = desk.act("v", &one).await;
    assert_eq!(
        (again.header("idempotency-replayed"), again.json()),
        ("true", done)
    );
    let other = desk.act("v-2", &one).await.json();
    assert_eq!(
        (&other["codes"], &other["void_before"]),
        (&json!(0), &json!(1))
    );
    // By its id.
    let listed = listed(&desk).await;
    let voided = listed.iter().find(|code| code["state"] == "void").unwrap();
    let by_id = format!("/api/v1/codes/{}/void", voided["id"].as_str().unwrap());
    assert_eq!(desk.act("v-3", &by_id).await.json(), other);

    let pack = desk.act("w", &format!("{PACK}/void")).await.json();
    let rest = json!({"pack": "FAIR 1/2", "codes": 2, "uses": 4, "void_before": 1, "used_up": 0});
    assert_eq!(pack, rest);
    assert_eq!(figures().await, (3, 6, 0, 3));
    // No code holds units.
    let after = desk.get("/api/v1/entitlements?reference=GW-1").await;
    for figure in ["units", "in_use"] {
        assert_eq!(after["items"][0][figure], gives[figure], "{figure}");
    }
    // What happened is told once for each act, with its actor.
    let auditor = desk.api.key(Role::Auditor).await;
    let events = desk
        .api
        .get_as(&auditor, "/api/v1/events?kind=codes-voided")
        .await
        .json();
    let told: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            (
                &event["actor"],
                &event["body"]["count"],
                &event["body"]["code"],
            )
        })
        .collect();
    let actor = json!("key integrator");
    assert_eq!(
        told,
        [
            (&actor, &json!(1), &voided["id"]),
            (&actor, &json!(2), &Value::Null)
        ],
        "{events}"
    );
}

#[tokio::test]
async fn what_is_no_id_of_a_code_is_refused_and_not_told_again() {
    let (desk, codes) = pack().await;
    for (name, path) in [
        ("a", "/api/v1/codes/0000000000/void".to_owned()),
        ("b", "/api/v1/packs/NONE/void".to_owned()),
    ] {
        desk.act(name, &path).await.is_problem(404, "not-found");
    }
    let whole = desk
        .act("c", &format!("/api/v1/codes/{}/void", codes[0]))
        .await;
    whole.is_problem(404, "not-found");
    assert!(!whole.body.contains(&codes[0][12..]), "{whole:?}");
    assert!(whole.body.contains("first eight characters"), "{whole:?}");
    let body = desk.send("d", &format!("{PACK}/void"), json!({})).await;
    body.is_problem(400, "bad-body");
    let support = desk.api.key(Role::Support).await;
    let refused = desk
        .api
        .post(&support, "e", &format!("{PACK}/void"), ("", ""))
        .await;
    refused.is_problem(403, "forbidden");
}
