//! Campaigns over HTTP: made, shown, told.

use serde_json::json;

use crate::desk::{DEVICE, Desk};

const CAMPAIGNS: &str = "/api/v1/campaigns";

#[tokio::test]
async fn a_campaign_is_made_shown_and_ended() {
    let desk = Desk::open().await;
    let terms = json!({
        "name": "spring",
        "give": desk.entitlement,
        "devices": {"ids": [DEVICE]},
        "plan": {"waves": ["50%"]},
    });
    let preview = format!("{CAMPAIGNS}?preview=true");
    let shown = desk.send("p", &preview, terms.clone()).await;
    assert_eq!(shown.json()["state"], "preparing", "{shown:?}");
    // It is not admitted.
    assert_eq!(shown.json()["would_select"], 0, "{shown:?}");
    desk.api
        .get_as(&desk.key, &format!("{CAMPAIGNS}/spring"))
        .await
        .is_problem(404, "not-found");
    let made = desk.send("c", CAMPAIGNS, terms.clone()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let made = made.json();
    assert_eq!(made["plan"]["waves"], json!(["50%"]));
    assert_eq!(made.get("would_select"), None);
    assert_eq!(made["selection"]["ids"], json!([DEVICE]));
    assert_eq!(made["created_by"], "key operator");
    desk.send("d", CAMPAIGNS, terms)
        .await
        .is_problem(409, "refused");
    for (name, terms) in [
        ("e", json!({"name": "no name", "give": desk.entitlement})),
        ("f", json!({"name": "none", "devices": {"ids": [DEVICE]}})),
        ("g", json!({"name": "none", "give": "x", "devices": {}})),
        (
            "h",
            json!({"name": "none", "give": "x", "devices": {"ids": [DEVICE]}, "plan": {"rate": "fast"}}),
        ),
    ] {
        desk.send(name, CAMPAIGNS, terms)
            .await
            .is_problem(400, "bad-body");
    }
    let unknown = json!({"name": "none", "give": "x", "devices": {"ids": [DEVICE]}});
    desk.send("i", CAMPAIGNS, unknown)
        .await
        .is_problem(409, "refused");

    // Its devices are not looked up yet: that is upkeep's.
    let tell = async |name, verb| desk.act(name, &format!("{CAMPAIGNS}/spring/{verb}")).await;
    tell("s", "start").await.is_problem(409, "refused");
    let aborted = tell("a", "abort").await;
    assert_eq!(aborted.json()["state"], "aborted", "{aborted:?}");
    tell("r", "resume").await.is_problem(409, "refused");
    let id = made["id"].as_str().unwrap();
    let listed = desk.get(&format!("{CAMPAIGNS}?state=aborted")).await;
    assert_eq!(listed["items"][0]["id"], id);
    let devices = desk.get(&format!("{CAMPAIGNS}/{id}/devices")).await;
    assert_eq!(devices["items"], json!([]));
    desk.act("n", &format!("{CAMPAIGNS}/none/pause"))
        .await
        .is_problem(404, "not-found");
}
