//! Files of the back office as bodies.

use fleetgrant_core::domain::Role;

use crate::api::{Answer, Served};

const HEADER: &str = "system,party,name,kind,tier,time_zone,parent,state\n";

struct Erp {
    api: Served,
    key: String,
}

impl Erp {
    async fn open() -> Self {
        let api = Served::start().await;
        let key = api.key(Role::Integrator).await;
        Self { api, key }
    }

    async fn send(&self, name: &str, path: &str, body: &str) -> Answer {
        let path = format!("/api/v1/imports/{path}");
        self.api
            .post(&self.key, name, &path, ("text/csv; charset=utf-8", body))
            .await
    }

    async fn parties(&self) -> usize {
        let list = self.api.get_as(&self.key, "/api/v1/parties").await.json();
        list["items"].as_array().unwrap().len()
    }
}

fn parties(names: &[&str]) -> String {
    let rows = names
        .iter()
        .map(|name| format!("erp,{name},{name},customer,,UTC,,active\n"));
    format!("{HEADER}{}", rows.collect::<String>())
}

#[tokio::test]
async fn a_file_is_imported_once_however_often_it_is_sent() {
    let erp = Erp::open().await;
    let file = parties(&["A", "B"]);
    let first = erp.send("f-1", "parties", &file).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(
        first.json(),
        serde_json::json!({
            "kind": "parties", "imported": true, "rows": 2, "created": 2, "amended": 0,
            "unchanged": 0, "refused": 0, "errors": [],
        })
    );
    let again = erp.send("f-1", "parties", &file).await;
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotency-replayed"), "true");
    let anew = erp.send("f-2", "parties", &file).await.json();
    assert_eq!(
        (&anew["created"], &anew["unchanged"]),
        (&0.into(), &2.into())
    );
    erp.send("f-1", "parties", &parties(&["C"]))
        .await
        .is_problem(422, "idempotency-key-reused");
    assert_eq!(erp.parties().await, 2);
    let auditor = erp.api.key(Role::Auditor).await;
    let events = erp
        .api
        .get_as(&auditor, "/api/v1/events?kind=party-created")
        .await
        .json();
    for event in events["items"].as_array().unwrap() {
        assert_eq!(event["actor"], "key integrator");
    }
}

#[tokio::test]
async fn a_dry_run_tells_and_keeps_nothing() {
    let erp = Erp::open().await;
    for _ in 0..2 {
        let looked = erp
            .send("f-1", "parties?dry_run=true", &parties(&["A"]))
            .await;
        assert_eq!(looked.status, 200, "{looked:?}");
        let report = looked.json();
        assert_eq!(
            (&report["imported"], &report["created"]),
            (&false.into(), &1.into())
        );
        assert!(looked.headers.get("idempotency-replayed").is_none());
    }
    assert_eq!(erp.parties().await, 0);
}

#[tokio::test]
async fn bad_rows_undo_the_file_and_are_each_told() {
    let erp = Erp::open().await;
    let file = format!("{}erp,,X,customer,,UTC,,active\n", parties(&["A"]));
    let refused = erp.send("f-1", "parties", &file).await;
    refused.is_problem(422, "import-refused");
    let errors = &refused.json()["errors"];
    assert_eq!(errors[0]["line"], 3, "{errors}");
    assert_eq!(errors[0]["column"], "party");
    assert_eq!(errors[0]["code"], "missing");
    assert_eq!(erp.parties().await, 0);
    let rest = erp.send("f-2", "parties?skip_bad=true", &file).await.json();
    assert_eq!((&rest["created"], &rest["refused"]), (&1.into(), &1.into()));
    assert_eq!(rest["errors"][0]["line"], 3);
    assert_eq!(erp.parties().await, 1);
}

#[tokio::test]
async fn what_is_no_file_is_refused_with_what_would_be() {
    let erp = Erp::open().await;
    let good = parties(&["A"]);
    erp.send("a", "invoices", &good)
        .await
        .is_problem(404, "not-found");
    erp.send("a", "parties?dryrun=true", &good)
        .await
        .is_problem(400, "bad-query");
    let wrong = erp.send("a", "parties", "a,b\n1,2\n").await;
    wrong.is_problem(422, "import-refused");
    assert!(wrong.body.contains("header"), "{wrong:?}");
    erp.send("a", "parties", &"x".repeat((1 << 20) + 1))
        .await
        .is_problem(413, "too-large");
    let path = "/api/v1/imports/parties";
    erp.api
        .post(&erp.key, "a", path, ("application/json", "[]"))
        .await
        .is_problem(415, "unsupported-media-type");
    assert_eq!(erp.parties().await, 0);
}
