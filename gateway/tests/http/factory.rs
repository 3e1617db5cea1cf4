//! What is done to devices before they are heard.

use serde_json::json;

use crate::desk::{DEVICE, Desk};

#[tokio::test]
async fn a_device_is_tried_on_the_line_and_scrapped() {
    let desk = Desk::open().await;
    let station = json!({"name": "final", "time_limit_seconds": 60});
    let put = desk.send("s", "/api/v1/stations", station).await;
    assert_eq!(put.json()["time_limit_seconds"], 60, "{put:?}");
    let stations = desk.get("/api/v1/stations").await;
    assert_eq!(stations[0]["name"], "final");
    let nobody = json!({"name": "x", "manufacturer": "00000000000000000000000000000000"});
    desk.send("n", "/api/v1/stations", nobody)
        .await
        .is_problem(409, "refused");
    let endless = json!({"name": "x", "time_limit_seconds": 0});
    desk.send("z", "/api/v1/stations", endless)
        .await
        .is_problem(400, "bad-body");

    let run = json!({"device": DEVICE, "station": "final", "operator": "ann"});
    let opened = desk.send("r", "/api/v1/runs", run.clone()).await.json();
    assert_eq!(
        (&opened["attempt"], &opened["state"]),
        (&json!(1), &json!("open"))
    );
    desk.send("r-2", "/api/v1/runs", run.clone())
        .await
        .is_problem(409, "refused");
    let elsewhere = json!({"device": DEVICE, "station": "none"});
    desk.send("r-3", "/api/v1/runs", elsewhere)
        .await
        .is_problem(409, "refused");
    assert_eq!(desk.act("c", "/api/v1/runs/close").await.json(), json!([]));
    desk.api.hands.advance(std::time::Duration::from_secs(61));
    let closed = desk.act("c-2", "/api/v1/runs/close").await.json();
    assert_eq!(closed[0]["state"], "fail", "{closed}");
    let scrap = json!({"device": DEVICE});
    desk.send("x", "/api/v1/runs/scrap", scrap.clone())
        .await
        .is_problem(409, "refused");
    assert_eq!(
        desk.send("r-4", "/api/v1/runs", run.clone()).await.json()["attempt"],
        2
    );
    let scrapped = desk.send("x-2", "/api/v1/runs/scrap", scrap).await.json();
    assert_eq!(scrapped["state"], "scrapped");
    desk.send("r-5", "/api/v1/runs", run)
        .await
        .is_problem(409, "refused");

    let yields = desk.get("/api/v1/reports/yield").await;
    assert_eq!(
        yields,
        json!([{"of": "final", "passed": 0, "units": 1, "share": 0.0}])
    );
    let batches = desk.get("/api/v1/reports/yield?by=batch").await;
    assert_eq!(batches[0]["of"], "B-26-09");
}

#[tokio::test]
async fn units_are_reserved_for_a_batch_or_for_none_of_it() {
    let desk = Desk::open().await;
    let batches = desk.get("/api/v1/batches?reference=B-26-09").await;
    let id = batches["items"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/batches/{id}/reserve");
    let body = json!({"entitlement": desk.entitlement});
    // Others own three of its four devices.
    let refused = desk.send("r", &path, body.clone()).await;
    refused.is_problem(409, "refused");
    assert_eq!(desk.in_use().await, 0);
    desk.send(
        "n",
        "/api/v1/batches/00000000000000000000000000000000/reserve",
        body,
    )
    .await
    .is_problem(404, "not-found");
}
