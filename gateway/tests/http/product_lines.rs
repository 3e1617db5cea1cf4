//! Keys of one product line: of two lines, each sees its own, and the other does not exist for it.

use fleetgrant::http::roles::ENDPOINTS;
use fleetgrant_core::domain::{Role, Roles};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::Answer;

mod scene;
use scene::{Line, OF_BOTH, Scene, own_rows};

/// All roles that can be of a product line, none of which may do everything.
const ROLES: [Role; 5] = [
    Role::Operator,
    Role::Support,
    Role::Approver,
    Role::Integrator,
    Role::Auditor,
];

#[tokio::test]
async fn a_key_of_a_line_is_told_of_its_own_and_of_no_other() {
    let (scene, lines) = Scene::open().await;
    for (line, other) in [(&lines[0], &lines[1]), (&lines[1], &lines[0])] {
        let tells_nothing_else = |told: &str, answer: &Answer| {
            for trace in other.traces().iter().chain(&OF_BOTH) {
                assert!(!answer.body.contains(trace), "{told}: {trace}: {answer:?}");
            }
        };
        for endpoint in ENDPOINTS.iter().filter(|one| one.method == Method::GET) {
            let own = scene.api.get_as(&line.key, &line.path(endpoint)).await;
            let told = format!("{} {}", line.name, endpoint.path);
            if !endpoint.is_of_a_line {
                own.is_problem(403, "forbidden");
                continue;
            }
            let wants_a_query = endpoint.path.ends_with("/history");
            assert_eq!(
                own.status,
                if wants_a_query { 400 } else { 200 },
                "{told}: {own:?}"
            );
            tells_nothing_else(&told, &own);
            let is_shared = endpoint.path.contains("{tier}");
            if endpoint.path.contains('{') && !is_shared {
                let others = scene.api.get_as(&line.key, &other.path(endpoint)).await;
                others.is_problem(404, "not-found");
            }
        }
        for (list, row) in own_rows(line) {
            let answer = scene.get(&line.key, list).await;
            assert!(answer.body.contains(row), "{list} {row}: {answer:?}");
        }
        for list in [
            format!("devices?owner={}", other.owner),
            format!("devices?product_line={}", other.name),
            format!("entitlements?owner={}", other.owner),
            format!("entitlements?reference={}", other.reference),
            format!("entitlements?product={}", other.product_code),
            "entitlements?reference=E-ANY".to_owned(),
            format!("activations?device={}", other.device),
            format!("activations?entitlement={}", other.entitlement),
            format!("activations?owner={}", other.owner),
            format!("cases?device={}", other.device),
            format!("orders?party={}", other.owner),
            format!("orders?reference=SO-{}", other.name),
            "orders?reference=SO-both".to_owned(),
            format!("batches?reference=B-{}", other.name),
            "batches?reference=B-both".to_owned(),
            format!("parties?external_id=C-{}", other.name),
            format!("products?code={}", other.product_code),
            format!("skus?part_number=S-{}", other.name),
            "skus?part_number=S-both".to_owned(),
            format!("skus?product={}", other.product_code),
            format!("shipments?reference=DN-{}", other.name),
            "shipments?reference=DN-both".to_owned(),
            format!("shipments?order={}", other.order),
            format!("shipments?party={}", other.owner),
            format!("policy-overrides?party={}", other.owner),
            format!("policy-overrides?product={}", other.product_code),
            format!("contracts?party={}", other.owner),
            format!("contracts?reference=F-{}", other.name),
        ] {
            let none = json!({"items": [], "next": null});
            assert_eq!(scene.get(&line.key, &list).await.json(), none, "{list}");
        }
        // What an order of both gave is each line's own, and the order is neither's.
        let orders = scene.get(&line.key, "orders").await;
        assert!(!orders.body.contains("SO-both"), "{orders:?}");
        let both = scene.get(&line.key, "campaigns/campaign-of-both").await;
        both.is_problem(404, "not-found");
        for (of, own, others) in [
            ("device", &line.device, &other.device),
            ("entitlement", &line.entitlement, &other.entitlement),
            ("order", &line.order, &other.order),
        ] {
            let own = scene.get(&line.key, &format!("history?{of}={own}")).await;
            assert_eq!(own.status, 200, "{own:?}");
            tells_nothing_else(of, &own);
            let others = format!("history?{of}={others}");
            let others = scene.get(&line.key, &others).await;
            others.is_problem(404, "not-found");
        }
        let party = format!("history?party={}", line.owner);
        let party = scene.get(&line.key, &party).await;
        party.is_problem(403, "forbidden");
        // Sorted by what an index of all lines has, the rows of one might be far between.
        let sorted = scene.get(&line.key, "devices?sort=serial").await;
        sorted.is_problem(400, "bad-query");
    }
}

#[tokio::test]
async fn a_key_of_a_line_is_told_of_the_runs_of_its_devices() {
    let (scene, lines) = Scene::open().await;
    scene.scrap().await;
    for line in &lines {
        let runs = scene.get(&line.key, "runs").await.json();
        let runs = runs["items"].as_array().unwrap().iter();
        let devices: Vec<_> = runs.map(|run| run["device"].as_str().unwrap()).collect();
        assert_eq!(devices.len(), 2, "{devices:?}");
        let one = line.name.trim_end_matches('s');
        assert!(
            devices.iter().all(|device| device.starts_with(one)),
            "{devices:?}"
        );
    }
}

/// The reports that a key of a line may ask for.
fn reports() -> impl Iterator<Item = &'static str> {
    let own = ENDPOINTS
        .iter()
        .filter(|one| one.is_of_a_line && one.method == Method::GET);
    own.filter_map(|one| {
        one.path
            .strip_prefix("/api/v1/")
            .filter(|path| path.starts_with("reports/"))
    })
}

#[tokio::test]
async fn a_report_for_a_key_of_a_line_is_the_one_of_that_line() {
    let (scene, lines) = Scene::open().await;
    scene.scrap().await;
    assert_eq!(reports().count(), 13);
    scene.bring_over().await;
    for report in reports() {
        let told = async |key: &str, query: &str| {
            let answer = scene.get(key, &format!("{report}{query}")).await;
            assert_eq!(answer.status, 200, "{report}{query}: {answer:?}");
            answer.json()
        };
        for (line, other) in [(&lines[0], &lines[1]), (&lines[1], &lines[0])] {
            let named = format!("?product_line={}", line.name);
            let own = told(&line.key, "").await;
            assert_eq!(own, told(&scene.admin, &named).await, "{report}");
            assert_eq!(own, told(&line.key, &named).await, "{report}");
            // Another line is as one that is not there, to a key of one.
            let refused = async |name: &str| {
                let path = format!("{report}?product_line={name}");
                let answer = scene.get(&line.key, &path).await;
                answer.is_problem(400, "bad-query");
                answer.json()["detail"]
                    .as_str()
                    .unwrap()
                    .replace(name, "it")
            };
            assert_eq!(
                refused(other.name).await,
                refused("presses").await,
                "{report}"
            );
        }
    }
    let all = scene.get(&scene.admin, "reports/activation").await.json();
    let of = async |line: &Line| scene.get(&line.key, "reports/activation").await.json();
    let of = [of(&lines[0]).await, of(&lines[1]).await];
    for (figure, count) in [("/devices/expected", 3), ("/units/reserved", 2)] {
        let count_of = |report: &Value| report.pointer(figure).and_then(Value::as_u64);
        let counts = of.each_ref().map(count_of);
        assert_eq!(counts, [Some(count), Some(count)], "{figure}: {of:?}");
        assert_eq!(count_of(&all), Some(2 * count), "{figure}: {all}");
    }
    let by_batch = async |key: &str| {
        let yields = scene.get(key, "reports/yield?by=batch").await.json();
        let of = yields.as_array().unwrap().iter();
        of.map(|one| one["of"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        by_batch(&scene.admin).await,
        ["B-both", "B-pumps", "B-valves"]
    );
    assert_eq!(by_batch(&lines[0].key).await, ["B-pumps"]);
    assert_eq!(by_batch(&lines[1].key).await, ["B-valves"]);
}

/// What a route is asked with, of this line; none, if it takes nothing.
fn body(path: &str, of: &Line) -> Value {
    let verb = path.rsplit('/').next().unwrap();
    match (path.split('/').nth(3).unwrap(), verb) {
        ("orders", "acts") => json!({"act": "hold"}),
        ("entitlements", "acts") => json!({"act": "suspend"}),
        ("entitlements", "bulk") => {
            json!({"items": [{"entitlement": of.entitlement, "act": {"act": "suspend"}}]})
        }
        ("parties", "co-term") => json!({"until": "2035-01-01T00:00:00Z"}),
        ("devices", "admit") => json!({"key": "0".repeat(64)}),
        ("devices", "transfer") => json!({"to": of.owner}),
        ("devices", "temporary") | ("batches", "reserve") => json!({"entitlement": of.entitlement}),
        ("devices", "take-over") => json!({"from": of.activation}),
        ("devices", "outage") => json!({"replacement": of.spare}),
        ("devices", "bulk") => json!({"items": [{"device": of.device, "act": "push"}]}),
        ("activations", "activations") => {
            json!({"device": of.device, "entitlement": of.entitlement})
        }
        ("activations", "bulk") => {
            json!({"items": [{"device": of.device, "entitlement": of.entitlement}]})
        }
        ("campaigns", "campaigns") => json!({
            "name": "stolen",
            "give": of.entitlement,
            "devices": {"product_lines": [of.name]},
        }),
        ("batches", "grants") | ("devices", "repair" | "revoke-key") => json!({}),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn a_key_of_a_line_touches_nothing_of_another() {
    let (scene, lines) = Scene::open().await;
    let before = scene.history().await;
    let mut count = 0;
    let mut name = || {
        count += 1;
        format!("write {count}")
    };
    for (line, other) in [(&lines[0], &lines[1]), (&lines[1], &lines[0])] {
        for endpoint in ENDPOINTS.iter().filter(|one| one.method == Method::POST) {
            let path = other.path(endpoint);
            let body = body(endpoint.path, other);
            let path = path.trim_start_matches("/api/v1/");
            let answer = scene.send_as(&line.key, &name(), path, &body).await;
            if endpoint.path.ends_with("/reconcile") {
                // It names nothing but by the file, of which there is a test of its own.
                assert_eq!(answer.status, 415, "{answer:?}");
            } else if !endpoint.is_of_a_line || endpoint.path.ends_with("/campaigns") {
                answer.is_problem(403, "forbidden");
            } else if endpoint.path.ends_with("/bulk") {
                let answer = answer.json();
                assert_eq!(answer["done"], 0, "{answer}");
                assert_eq!(answer["items"][0]["refused"]["status"], 404, "{answer}");
            } else {
                answer.is_problem(404, "not-found");
            }
        }
        // Nor does a version tell that there is something.
        for path in [
            format!("devices/{}/push", other.device),
            format!("activations/{}/revoke", other.activation),
            format!("cases/{}/approve", other.case),
            format!("campaigns/{}/abort", other.campaign),
        ] {
            let path = format!("/api/v1/{path}");
            let (key, version) = (&line.key, (&*name(), "\"none\""));
            let answer = scene.api.post_if(key, version, &path, &Value::Null).await;
            answer.is_problem(404, "not-found");
        }
        // What is the own line's, with what is another's, or everybody's.
        let any = scene.only("entitlements?reference=E-ANY", "id").await;
        let campaign = |terms: Value| {
            let mut asked = json!({
                "name": "stolen",
                "give": line.entitlement,
                "devices": {"product_lines": [line.name]},
            });
            for (field, value) in terms.as_object().unwrap() {
                match value.as_object() {
                    Some(inner) => asked[field].as_object_mut().unwrap().extend(inner.clone()),
                    None => asked[field] = value.clone(),
                }
            }
            asked
        };
        let device = |verb: &str| format!("devices/{}/{verb}", line.device);
        for (path, body) in [
            (
                "activations".to_owned(),
                json!({"device": line.device, "entitlement": other.entitlement}),
            ),
            (
                "activations".to_owned(),
                json!({"device": line.device, "entitlement": any}),
            ),
            (
                device("temporary"),
                json!({"entitlement": other.entitlement}),
            ),
            (device("take-over"), json!({"from": other.activation})),
            (device("outage"), json!({"replacement": other.spare})),
            (
                format!("entitlements/{}/acts", line.entitlement),
                json!({"act": "upgrade", "product": other.product_code, "reference": "x"}),
            ),
            (
                format!("batches/{}/reserve", line.batch),
                json!({"entitlement": other.entitlement}),
            ),
            (
                "campaigns".to_owned(),
                campaign(json!({"give": other.reference})),
            ),
            (
                "campaigns".to_owned(),
                campaign(json!({"take": other.entitlement})),
            ),
            (
                "campaigns".to_owned(),
                campaign(json!({"take_product": other.product_code})),
            ),
            (
                "campaigns".to_owned(),
                campaign(json!({"take_product": "PROD-ANY"})),
            ),
            (
                "campaigns".to_owned(),
                campaign(json!({"devices": {"ids": [other.device]}})),
            ),
            (
                "campaigns".to_owned(),
                campaign(json!({"devices": {"customers": [format!("C-{}", other.name)]}})),
            ),
        ] {
            let answer = scene.send_as(&line.key, &name(), &path, &body).await;
            answer.is_problem(404, "not-found");
        }
        for lines in [json!([]), json!([line.name, other.name])] {
            let terms =
                campaign(json!({"devices": {"product_lines": lines, "ids": [line.device]}}));
            let answer = scene.send_as(&line.key, &name(), "campaigns", &terms).await;
            answer.is_problem(403, "forbidden");
        }
    }
    assert_eq!(scene.history().await, before);
}

/// What the file says of others is as if it did not say it.
#[tokio::test]
async fn an_erp_s_export_is_held_against_the_own_lines_of_orders_alone() {
    let (scene, lines) = Scene::open().await;
    let more = "system,order,revision,ordered_at,sold_to,line,sku,quantity,starts_at\n\
                erp,SO-mixed,1,2026-09-01,C-both,10,S-pumps,5,2026-09-01\n\
                erp,SO-mixed,1,2026-09-01,C-both,20,S-valves,5,2026-09-01\n";
    let (api, admin) = (&scene.api, &scene.admin);
    let imported = api.post(admin, "more", "/api/v1/imports/orders", ("text/csv", more));
    assert_eq!(imported.await.status, 200);
    // Everything of every order is told otherwise than the ledger has it, and a line is new.
    let file = "system,order,ordered_at,sold_to,line,sku,quantity\n\
                erp,SO-pumps,2026-09-03,C-both,10,S-pumps,6\n\
                erp,SO-valves,2026-09-03,C-both,10,S-valves,6\n\
                erp,SO-both,2026-09-03,C-pumps,10,S-both,6\n\
                erp,SO-mixed,2026-09-03,C-pumps,10,S-pumps,6\n\
                erp,SO-mixed,2026-09-03,C-pumps,20,S-valves,6\n\
                erp,SO-new-p,2026-09-03,C-pumps,10,S-pumps,1\n\
                erp,SO-new-v,2026-09-03,C-pumps,10,S-valves,1\n\
                erp,SO-new-b,2026-09-03,C-pumps,10,S-both,1\n\
                erp,SO-new-n,2026-09-03,C-pumps,10,S-none,1\n";
    let told = async |key: &str, name: &str, file: &str| {
        let answer = api.post(key, name, "/api/v1/reports/reconcile", ("text/csv", file));
        let answer = answer.await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let found = |told: &Value| {
        let findings = told["findings"].as_array().unwrap().iter();
        let found = findings.map(|of| {
            let text = |field: &str| of[field].as_str().unwrap().to_owned();
            (text("order"), text("line"), text("difference"))
        });
        found.collect::<Vec<_>>()
    };
    let whole = told(admin, "all", file).await;
    assert_eq!(whole["rows"], 9, "{whole}");
    for (line, other, its, mixed) in [
        (&lines[0], &lines[1], "SO-new-p", "10"),
        (&lines[1], &lines[0], "SO-new-v", "20"),
    ] {
        let of_line = told(&line.key, "own", file).await;
        assert_eq!(
            (&of_line["rows"], &of_line["agreeing"]),
            (&json!(3), &json!(0))
        );
        let own = format!("SO-{}", line.name);
        let finding = |order: &str, of: &str, difference: &str| {
            (order.to_owned(), of.to_owned(), difference.to_owned())
        };
        let mut wanted = vec![
            finding(&own, "10", "quantity"),
            finding(&own, "10", "sold-to"),
            finding(&own, "10", "end-user"),
            finding(&own, "10", "ordered-at"),
            // The order is neither's, and this line of it is.
            finding("SO-mixed", mixed, "quantity"),
            finding(its, "10", "missing-here"),
        ];
        let mut own = found(&of_line);
        own.sort();
        wanted.sort();
        assert_eq!(own, wanted, "{of_line}");
        // What the file has not is told of the own line alone.
        let head = "system,order,ordered_at,sold_to,line,sku,quantity\n";
        let file = format!("{head}erp,SO-x,2026-09-03,C-pumps,10,S-none,1\n");
        let of_line = told(&line.key, "missing", &file).await;
        let mut missing = found(&of_line);
        missing.sort();
        let own = format!("SO-{}", line.name);
        let mut wanted = [(&*own, "10"), ("SO-mixed", mixed)]
            .map(|(order, of)| finding(order, of, "missing-there"));
        wanted.sort();
        assert_eq!(missing, wanted, "{of_line}");
        for trace in other.traces() {
            assert!(!of_line.to_string().contains(trace), "{trace}: {of_line}");
        }
    }
}

#[tokio::test]
async fn a_migration_is_told_of_the_own_products_alone() {
    let (scene, lines) = Scene::open().await;
    scene.bring_over().await;
    let told = async |key: &str| {
        let report = scene.get(key, "reports/migration").await.json();
        let of = report.as_array().unwrap().iter();
        of.map(|one| (one["product"].clone(), one["units"].clone()))
            .collect::<Vec<_>>()
    };
    let of = |line: &str, units: u32| (json!(format!("PROD-{line}")), json!(units));
    assert_eq!(told(&scene.admin).await, [of("pumps", 2), of("valves", 3)]);
    assert_eq!(told(&lines[0].key).await, [of("pumps", 2)]);
    assert_eq!(told(&lines[1].key).await, [of("valves", 3)]);
}

#[tokio::test]
async fn a_key_of_a_line_acts_on_its_own() {
    let (scene, lines) = Scene::open().await;
    let (line, other) = (&lines[0], &lines[1]);
    let done = async |name: &str, path: String, body: Value| {
        let answer = scene.send_as(&line.key, name, &path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    };
    let spare = json!({"device": line.spare, "entitlement": line.entitlement});
    done("1", "activations?preview=true".to_owned(), spare).await;
    done(
        "2",
        format!("devices/{}/declare-dead", line.spare),
        Value::Null,
    )
    .await;
    let hold = json!({"act": "hold"});
    done("3", format!("orders/{}/acts", line.order), hold.clone()).await;
    done("4", format!("entitlements/{}/acts", line.entitlement), hold).await;
    done("5", format!("cases/{}/approve", line.case), Value::Null).await;
    done(
        "6",
        format!("campaigns/{}/abort", line.campaign),
        Value::Null,
    )
    .await;
    let campaign = json!({
        "name": "own",
        "give": "E-pumps",
        "devices": {"product_lines": ["pumps"], "customers": ["C-pumps"], "ids": [line.spare]},
    });
    done("7", "campaigns".to_owned(), campaign).await;
    let goodwill = scene.only("entitlements?reference=E-pumps", "id").await;
    let reserve = format!("batches/{}/reserve?preview=true", line.batch);
    let answer = scene
        .send_as(&line.key, "8", &reserve, &json!({"entitlement": goodwill}))
        .await;
    // Nobody's units are reserved for a device that somebody owns: the batch and the entitlement are there.
    assert_ne!(answer.status, 404, "{answer:?}");
    let many = json!({"items": [
        {"device": line.spare, "act": "readmit"},
        {"device": other.spare, "act": "declare-dead"},
    ]});
    let many = done("9", "devices/bulk".to_owned(), many).await;
    assert_eq!(
        (&many["done"], &many["refused"]),
        (&json!(1), &json!(1)),
        "{many}"
    );
}

#[tokio::test]
async fn a_key_is_of_a_line_or_of_a_party_in_roles_that_can_be() {
    let (scene, lines) = Scene::open().await;
    let key = |roles: &[&str], more: Value| {
        let mut key = json!({"name": "x", "roles": roles, "product_line": "pumps"});
        key.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        key
    };
    for (body, status, kind) in [
        (key(&["admin"], json!({})), 400, "bad-body"),
        (key(&["operator", "factory"], json!({})), 400, "bad-body"),
        (
            key(&["customer"], json!({"party": lines[0].owner})),
            400,
            "bad-body",
        ),
        (
            key(&["factory"], json!({"party": lines[0].owner})),
            400,
            "bad-body",
        ),
        (
            key(&["operator"], json!({"product_line": "presses"})),
            409,
            "refused",
        ),
    ] {
        let answer = scene.send(&body.to_string(), "keys", body.clone()).await;
        answer.is_problem(status, kind);
    }
    let shown = scene.get(&scene.admin, "keys/of-pumps").await.json();
    assert_eq!(shown["product_line"], "pumps", "{shown}");
    let listed = scene.get(&scene.admin, "keys").await.json();
    let of_pumps = listed["items"].as_array().unwrap();
    let of_pumps = of_pumps.iter().filter(|key| key["product_line"] == "pumps");
    assert_eq!(of_pumps.count(), 1, "{listed}");
    let roles = Roles::of(&ROLES);
    for role in Role::ALL {
        assert_eq!(
            roles.contains(*role),
            role.may_be_of_a_product_line(),
            "{role}"
        );
    }
}
