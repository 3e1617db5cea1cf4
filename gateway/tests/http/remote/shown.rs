//! What another gateway tells is shown as the local database is.

use std::fs;

use serde_json::Value;

use super::{ENTITLEMENT, Elsewhere};
use crate::desk::DEVICE;
use crate::folder::{Folder, REFUSED};

/// What is shown of a ledger is the same, whichever way it is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_is_what_the_local_database_shows() {
    let it = Elsewhere::with_samples().await;
    let Some(database) = it.api.database() else {
        return;
    };
    let text = format!(
        "realm = \"test\"\n[database]\nurl = \"sqlite:{}\"\n",
        database.display()
    );
    let here = Folder::with_config(&text);
    it.run(&["activations", "assign", DEVICE, ENTITLEMENT])
        .done();
    for (kind, text) in [
        ("products", "product,title,feature\nCARE,Care,care\n"),
        (
            "skus",
            "sku,title,product,model,term,start_basis\nCARE,Care,CARE,maintenance,P1Y,order\n",
        ),
        (
            "orders",
            "system,order,ordered_at,sold_to,line,sku,quantity,maintains\n\
             erp,SO-CARE,2026-09-20,C-200,10,CARE,1,SO-5002/10;SO-5003/10\n",
        ),
    ] {
        let file = it.folder.path().join(format!("{kind}.csv"));
        fs::write(&file, text).unwrap();
        it.run(&["import", kind, &file.display().to_string()])
            .done();
    }
    let mut it = it;
    for made in [
        &[
            "webhooks",
            "add",
            "shop",
            "https://localhost:1/",
            "--kind",
            "shipped",
        ][..],
        &[
            "webhooks",
            "add",
            "own",
            "https://localhost:1/",
            "--all",
            "--party",
            "C-200",
        ],
        &[
            "factory",
            "station",
            "add",
            "theirs",
            "--manufacturer",
            "P-10",
        ],
        &["factory", "station", "add", "own"],
        &[
            "keys", "create", "clinic", "--role", "customer", "--party", "C-200",
        ],
    ] {
        it.done(made);
    }
    let terms = it.file("terms.toml", "grace_days = 45\n");
    for made in [
        &[
            "policies",
            "contract",
            "C-200",
            &terms,
            "--reference",
            "F-1",
        ][..],
        &["policies", "contract", "P-10", &terms, "--reference", "F-1"],
        &[
            "policies",
            "contract",
            "P-10",
            "--reference",
            "F-2",
            "--co-term",
            "2035-01-01",
        ],
        &[
            "policies",
            "product",
            "PUMP-PRO",
            &terms,
            "--reference",
            "P-1",
        ],
        &[
            "policies",
            "entitlement",
            ENTITLEMENT,
            &terms,
            "--reference",
            "R-1",
        ],
        &[
            "factory",
            "run",
            "open",
            DEVICE,
            "--station",
            "theirs",
            "--operator",
            "mia",
        ],
    ] {
        it.done(made);
    }
    let commands: &[&[&str]] = &[
        &["skus", "list"],
        &[
            "skus",
            "list",
            "--model",
            "perpetual",
            "--sort",
            "-part_number",
        ],
        &[
            "skus",
            "list",
            "--product",
            "PUMP-PRO",
            "--model",
            "perpetual",
        ],
        &["shipments", "list"],
        &[
            "shipments",
            "list",
            "--order",
            "SO-5001",
            "--sort",
            "reference",
        ],
        &[
            "shipments",
            "list",
            "--since",
            "2026-09-12",
            "--until",
            "2026-09-18",
        ],
        &["shipments", "list", "--limit", "1"],
        &["shipments", "show", "DN-9001"],
        &["contracts", "list"],
        &["contracts", "list", "--party", "P-10", "--state", "ended"],
        &["contracts", "list", "--sort", "reference", "--limit", "2"],
        &["policies", "overrides"],
        &[
            "policies",
            "overrides",
            "--kind",
            "contract",
            "--sort",
            "-id",
        ],
        &["policies", "overrides", "--party", "C-200"],
        &[
            "policies",
            "overrides",
            "--product",
            "PUMP-PRO",
            "--state",
            "active",
        ],
        &["policies", "overrides", "--limit", "2"],
        &["factory", "run", "list"],
        &[
            "factory",
            "run",
            "list",
            "--manufacturer",
            "P-10",
            "--batch",
            "B-26-09",
        ],
        &["factory", "run", "list", "--station", "own"],
        &["parties", "list"],
        &["parties", "list", "--kind", "partner"],
        &["parties", "show", "C-200"],
        &["products", "list", "--limit", "1"],
        &["devices", "list", "--sort", "-created_at", "--limit", "2"],
        &["parties", "list", "--sort=-name", "--limit", "2"],
        &["orders", "list", "--sort", "ordered_at", "--limit", "1"],
        &["keys", "list", "--sort", "expires_at"],
        &["policies", "list", "--sort", "-tier"],
        &["codes", "list", "--sort", "-pack"],
        &["keys", "list", "--role", "admin", "--state", "active"],
        &["keys", "list", "--party", "C-200"],
        &["webhooks", "list", "--kind", "shipped", "--state", "active"],
        &["webhooks", "list", "--party", "C-200"],
        &["factory", "station", "list", "--manufacturer", "P-10"],
        &["codes", "show", "SHOW-2026", "--state", "void"],
        &["codes", "show", "SHOW-2026", "--state", "free"],
        &["products", "show", "PUMP-PRO"],
        &["models", "list"],
        &["orders", "list"],
        &["orders", "show", "SO-5001"],
        &["orders", "show", "SO-CARE"],
        &["entitlements", "list", "--limit", "2"],
        &["entitlements", "list", "--owner", "Lakeside Clinic"],
        &["entitlements", "show", ENTITLEMENT],
        &["devices", "list", "--limit", "2"],
        &["devices", "list", "--after", "pump-SN-0001"],
        &["devices", "show", DEVICE],
        &["activations", "list"],
        &["activations", "list", "--entitlement", ENTITLEMENT],
        &["cases", "list", "--all"],
        &["policies", "list"],
        &["keys", "list"],
        &["codes", "list"],
        &["codes", "show", "SHOW-2026", "--limit", "2"],
        &["campaigns", "list"],
        &["webhooks", "list"],
        &["report", "platforms"],
        &["migration", "report"],
    ];
    for command in commands {
        for output in ["table", "json", "csv"] {
            let args = [*command, &["--output", output]].concat();
            let (there, here) = (it.run(&args).done(), here.run(&args).done());
            assert_eq!(there.out, here.out, "{args:?}");
            assert_eq!(there.err, here.err, "{args:?}");
        }
    }
    let listed = it.json(&["activations", "list", "--device", DEVICE]);
    let activation = listed[0]["activation"].as_str().unwrap().to_owned();
    let key = "ab".repeat(32);
    for (command, told) in [
        (&["activations", "cancel", &activation][..], "cancelled"),
        (&["devices", "clear", DEVICE], "nothing"),
        (
            &["devices", "admit", DEVICE, "--key", &key],
            "is admitted under",
        ),
        (
            &[
                "campaigns",
                "create",
                "spring",
                "--give",
                "GW-1",
                "--device",
                DEVICE,
            ],
            "spring would be for 0 devices",
        ),
    ] {
        let args = [command, &["--preview"]].concat();
        let shown = it.run(&args).done();
        assert!(
            format!("{}{}", shown.out, shown.err).contains(told),
            "{shown:?}"
        );
        assert!(shown.err.ends_with("nothing was changed\n"), "{shown:?}");
    }
    // Nor was it.
    assert_eq!(
        it.json(&["activations", "list", "--device", DEVICE]),
        listed
    );
    assert_eq!(
        it.json(&["devices", "list", "--state", "admitted"]),
        Value::Array(Vec::new())
    );
    assert_eq!(it.json(&["campaigns", "list"]), Value::Array(Vec::new()));
    for command in [
        &["report", "events", "--stream", "entitlement"][..],
        &[
            "report", "events", "--kind", "reserved", "--kind", "shipped",
        ],
        &["report", "events", "--limit", "3", "--output", "csv"],
        &["report", "events", "--sort", "-position", "--limit", "3"],
        &["history", "export", "--device", DEVICE],
        &["policies", "show", "strategic"],
        &["policies", "show", "strategic", "--json"],
    ] {
        let (there, here) = (it.run(command).done(), here.run(command).done());
        assert_eq!(there.out, here.out, "{command:?}");
    }
    for command in [
        &["devices", "show", "pump-none"][..],
        &["entitlements", "show", "NONE"],
        &["orders", "show", "NONE"],
        &["shipments", "show", "NONE"],
        &["devices", "list", "--owner", "Nobody"],
        &["policies", "show", "none"],
    ] {
        let (there, here) = (it.run(command), here.run(command));
        assert_eq!(
            (there.code, &there.err),
            (here.code, &here.err),
            "{command:?}"
        );
        assert_eq!(there.code, REFUSED, "{command:?}");
    }
}
