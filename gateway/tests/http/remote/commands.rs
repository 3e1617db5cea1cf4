//! Each command does on another gateway what it is for, and each operation of the API has one.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fleetgrant_core::domain::{Role, Roles};
use serde_json::Value;

use super::{ENTITLEMENT, Elsewhere, SPARE};
use crate::desk::DEVICE;
use crate::folder::{CONFIG, REFUSED, UNAVAILABLE, USAGE};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples/imports");
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/remote.md");
const OPENAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

/// The operations of the API, and the commands that the document has for each.
fn documented() -> Vec<(String, Vec<String>)> {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let (_, rest) = document.split_once("<!-- operations -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let (operation, commands) = row
            .trim_matches(['|', ' '])
            .split_once(" | ")
            .unwrap_or_else(|| panic!("{row}"));
        let quoted = commands.split('`').skip(1).step_by(2);
        // What is said of an option or a name is for people.
        let words = |command: &str| {
            let words = command.split(' ');
            let words = words.take_while(|word| word.chars().all(|c| c.is_lowercase() || c == '-'));
            let words: Vec<_> = words.filter(|word| !word.starts_with("--")).collect();
            words.join(" ")
        };
        let operation = operation.trim_matches('`').to_owned();
        (operation, quoted.map(words).collect())
    })
    .collect()
}

#[test]
fn each_operation_of_the_api_has_a_command() {
    let openapi: Value = serde_json::from_str(&fs::read_to_string(OPENAPI).unwrap()).unwrap();
    let paths = openapi["paths"].as_object().unwrap().values();
    let operations: BTreeSet<_> = paths
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    let documented = documented();
    let told: BTreeSet<_> = documented.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(told.len(), documented.len(), "one is told of twice");
    assert_eq!(told, operations);
    for (operation, commands) in documented {
        assert!(!commands.is_empty(), "{operation}");
    }
}

/// Every command of the document does on another gateway what it is for. Nothing is in the folder, so
/// what ends well was asked of the gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_works_on_another_gateway() {
    let mut it = Elsewhere::with_samples().await;
    looks(&mut it);
    reports(&mut it);
    back_office(&mut it);
    entitlements(&mut it);
    devices(&mut it);
    settles(&mut it).await;
    line(&mut it);
    campaigns(&mut it);
    webhooks(&mut it);
    assert!(it.wrong.is_empty(), "{:#?}", it.wrong);
    let commands = documented().into_iter().flat_map(|(_, commands)| commands);
    for command in commands {
        // `import manifest` is a kind of import.
        let ran = |line: &String| format!("{line} ").starts_with(&format!("{command} "));
        assert!(it.ran.iter().any(ran), "{command} was not run");
    }
}

fn looks(it: &mut Elsewhere) {
    it.done(&["keys", "show"]).shows(&["admin"]);
    it.done(&["keys", "show", "admin"]).shows(&["admin"]);
    it.done(&["keys", "list"]).shows(&["admin"]);
    it.done(&["parties", "list"]).shows(&["Lakeside Clinic"]);
    it.done(&["parties", "show", "C-200"])
        .shows(&["Lakeside Clinic", "America/Chicago", "erp"]);
    it.done(&["products", "list"]).shows(&["PUMP-PRO"]);
    it.done(&["products", "show", "PUMP-PRO"])
        .shows(&["Infusion pump professional", "profiles"]);
    it.done(&["skus", "list", "--product", "PUMP-SCAN"])
        .shows(&["4711-SUITE"]);
    it.done(&["shipments", "list", "--party", "C-200"])
        .shows(&["DN-9003", "SO-5002"]);
    it.done(&["shipments", "show", "DN-9001"])
        .shows(&["SN-0001", "pump-SN-0002"]);
    it.done(&["models", "list"])
        .shows(&["subscription-lenient"]);
    it.done(&["codes", "list"]).shows(&["SHOW-2026"]);
    it.done(&["codes", "show", "SHOW-2026"]).shows(&["free"]);
    it.done(&["policies", "list"]).shows(&["standard/1"]);
    it.done(&["policies", "show", "standard"])
        .shows(&["# standard/1, active"]);
    it.done(&["policies", "show", "standard", "--number", "1"])
        .shows(&["# standard/1, active"]);
    it.done(&["orders", "list", "--party", "C-200"])
        .shows(&["SO-5003"]);
    it.done(&["orders", "show", "SO-5002"])
        .shows(&["4711-BASE", "9995"]);
    it.done(&["entitlements", "list", "--owner", "Lakeside Clinic"])
        .shows(&[ENTITLEMENT]);
    it.done(&["entitlements", "show", ENTITLEMENT])
        .shows(&["Lakeside Clinic"]);
    it.done(&["devices", "list"]).shows(&[DEVICE]);
    it.done(&["devices", "show", DEVICE]).shows(&["expected"]);
    let orders = format!("{SAMPLES}/orders.csv");
    it.done(&["report", "reconcile", "--erp", &orders]);
    it.done(&["activations", "list"]);
    it.done(&["cases", "list"]);
    it.done(&["campaigns", "list"]);
    it.done(&["webhooks", "list"]);
    it.done(&["report", "events", "--stream", "order", "--limit", "1"])
        .shows(&["\"position\":"]);
    it.done(&["history", "export", "--party", "C-200"])
        .shows(&["\"stream\":\"party:"]);
    it.done(&["history", "verify"]);
    let checkpoint = it.done(&["history", "checkpoint"]).out;
    let checkpoint = it.file("checkpoint", &checkpoint);
    it.done(&["history", "verify", "--checkpoint", &checkpoint]);
    it.done(&["report", "customer", "C-200"])
        .shows(&["SO-5002"]);
}

fn reports(it: &mut Elsewhere) {
    for report in [
        "activation",
        "order-to-activation",
        "shipment-to-activation",
        "platforms",
        "license-models",
        "utilisation",
        "activations",
        "operations",
        "uses",
        "expiring",
        "tiers",
        "stuck",
    ] {
        for output in ["table", "json", "csv"] {
            it.done(&["report", report, "--output", output]);
        }
        if report != "tiers" {
            it.done(&["report", report, "--product-line", "pumps"]);
        }
    }
    it.done(&["report", "activation", "--max-age", "10m"]);
    it.done(&["report", "--max-age", "0s", "platforms"]);
    it.done(&["report", "expiring", "--within", "300d"]);
    it.done(&[
        "report",
        "activations",
        "--by",
        "product,tier",
        "--within",
        "30d",
    ])
    .shows(&["PUMP-BASE"]);
    it.done(&[
        "report",
        "stuck",
        "--step",
        "shipped",
        "--limit",
        "shipped=1h",
    ])
    .shows(&["pump-SN-0001"]);
    it.done(&["migration", "report"]);
    it.done(&["factory", "yield", "--by", "batch"]);
    it.done(&["factory", "yield", "--product-line", "pumps"]);
    it.run(&["report", "expiring", "--within", "36h"])
        .ends(USAGE, &["whole days"]);
}

fn back_office(it: &mut Elsewhere) {
    let parties = format!("{SAMPLES}/parties.csv");
    it.done(&["import", "parties", &parties])
        .shows(&["parties: imported: ", "0 created"]);
    let manifest = format!("{SAMPLES}/manifest.csv");
    it.done(&["import", "manifest", &manifest])
        .shows(&["manifest: imported: "]);
    let bad = it.file("bad.csv", "system,party,name,kind\nerp,C-9,,customer\n");
    it.run(&["import", "parties", &bad])
        .ends(REFUSED, &["line 2", "rows are bad"])
        .shows(&["nothing imported"]);
    it.done(&[
        "orders",
        "amend",
        "SO-5003",
        "--line",
        "10",
        "--quantity",
        "2",
    ])
    .shows(&["SO-5003/10"]);
    it.done(&["orders", "hold", "SO-5003"]);
    it.done(&["orders", "release", "SO-5003"]);
    it.done(&["orders", "cancel", "SO-5003", "--preview"]);
    let policy = it.done(&["policies", "show", "volume"]).out;
    let policy = it.file("volume.toml", &policy);
    it.run(&["policies", "set", "volume", &policy])
        .ends(0, &["volume/1 says so already"]);
    it.done(&["policies", "set", "special", &policy]);
    it.run(&["policies", "show", "special"])
        .done()
        .shows(&["# special/1"]);
    let made = it.done(&["keys", "create", "second", "--role", "auditor"]);
    assert!(made.out.starts_with("fgk_"), "{made:?}");
    it.run_as(made.out.trim(), &["keys", "show"])
        .done()
        .shows(&["auditor"]);
    it.done(&["keys", "revoke", "second"]);
    it.run_as(made.out.trim(), &["keys", "show"])
        .ends(CONFIG, &["The key was revoked"]);
    let codes = it.file(
        "codes.csv",
        "pack,system,entitlement,count,units,uses,expires_at,partner\nFAIR-1,crm,GW-1,3,1,1,,\n",
    );
    let made = it.folder.path().join("made.csv");
    it.done(&["import", "codes", &codes, "--codes", made.to_str().unwrap()])
        .shows(&["codes: imported: "]);
    let secrets = fs::read_to_string(&made).unwrap();
    assert_eq!(secrets.lines().count(), 1 + 3, "{secrets}");
    let mode = fs::metadata(&made).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let code = secrets.lines().nth(1).unwrap().rsplit(',').next().unwrap();
    let refused = it.run(&["codes", "void", code]);
    assert!(!refused.err.contains(&code[10..]), "{refused:?}");
    refused.ends(USAGE, &["the first eight characters of the code"]);
    for (args, told) in [
        (
            &["codes", "void", &code[..9], "--preview"][..],
            "nothing was changed",
        ),
        (
            &["codes", "void", &code[..9]],
            "the code is void, with 1 uses left",
        ),
        (
            &["codes", "void", "--pack", "FAIR-1"][..],
            "2 codes of FAIR-1 are void, with 2 uses left; 1 were so already",
        ),
    ] {
        let done = it.done(args);
        assert!(done.err.contains(told), "{done:?}");
    }
    let parties = |bad: u32| {
        let row = |n| format!("many,M-{n},{}\n", if n == bad { "" } else { "Somebody" });
        let rows: String = (1..=25).map(row).collect();
        format!("system,party,name\n{rows}")
    };
    let many = it.file("many.csv", &parties(23));
    it.run(&["import", "parties", &many, "--parts", "10"]).ends(
        REFUSED,
        &[
            "line 24, name: is empty",
            "the 20 rows before their part are imported",
        ],
    );
    let many = it.file("many.csv", &parties(0));
    it.done(&["import", "parties", &many, "--parts", "10"])
        .shows(&["parties: imported: 25 rows, 5 created, 0 amended, 20 unchanged"]);
    // More than a gateway takes at once, in fewer rows than a part may have.
    let row = |n| format!("many,L-{n},{}\n", "x".repeat(200));
    let rows: String = (1..=6_000).map(row).collect();
    let large = it.file("large.csv", &format!("system,party,name\n{rows}"));
    it.run(&["import", "parties", &large])
        .ends(2, &["has more than the 1048576 bytes that a gateway takes"]);
    it.done(&["import", "parties", &large, "--parts", "1000000"])
        .shows(&["parties: imported: 6000 rows, 6000 created, 0 amended, 0 unchanged"]);
    it.run(&[
        "report",
        "reconcile",
        "--erp",
        &format!("{SAMPLES}/orders.csv"),
    ])
    .ends(REFUSED, &["differ in 1 places"])
    .shows(&["quantity"]);
    let terms = it.file("terms.toml", "grace_days = 45\n");
    let contract = [
        "policies",
        "contract",
        "C-200",
        &terms,
        "--reference",
        "F-1",
    ];
    it.run(&[&contract[..], &["--dry-run"]].concat())
        .ends(0, &["it can be put in force"]);
    it.run(&["policies", "effective", "C-200"])
        .done()
        .shows(&["# standard/1\n"]);
    it.done(&contract);
    it.done(&["policies", "effective", "C-200"])
        .shows(&["# standard/1+F-1\n", "grace_days = 45"]);
    it.done(&["contracts", "list", "--state", "active"])
        .shows(&["F-1", "Lakeside Clinic", "grace_days = 45"]);
    it.done(&["policies", "release", "C-200"]);
    let own = [
        "policies",
        "product",
        "PUMP-PRO",
        &terms,
        "--reference",
        "P-1",
    ];
    it.run(&[&own[..], &["--dry-run"]].concat())
        .ends(0, &["it can be put in force"]);
    it.done(&own);
    let right = "SO-5002/10/PUMP-BASE/perpetual";
    let own = [
        "policies",
        "entitlement",
        right,
        &terms,
        "--reference",
        "R-1",
    ];
    it.done(&own);
    it.done(&["policies", "effective", "C-200", "--product", "PUMP-PRO"])
        .shows(&["# standard/1+product:P-1\n", "grace_days = 45"]);
    it.done(&["policies", "effective", "C-200", "--entitlement", right])
        .shows(&["# standard/1+entitlement:R-1\n", "grace_days = 45"]);
    it.done(&["policies", "overrides", "--state", "active"])
        .shows(&["P-1", "PUMP-PRO", "R-1", right, "Lakeside Clinic"]);
    it.done(&["policies", "release", "--product", "PUMP-PRO"]);
    it.done(&["policies", "release", "--entitlement", right]);
    it.done(&[
        "entitlements",
        "co-term",
        "C-200",
        "--until",
        "2035-01-01",
        "--preview",
    ])
    .shows(&["unchanged", "is left out"]);
    it.done(&[
        "policies",
        "contract",
        "C-200",
        "--reference",
        "F-3",
        "--co-term",
        "2035-01-01",
    ]);
    it.done(&["policies", "effective", "C-200"])
        .shows(&["# what is bought ends at 2035-01-01T06:00:00Z"]);
    it.done(&[
        "entitlements",
        "co-term",
        "C-200",
        "--contract",
        "F-3",
        "--preview",
    ])
    .ends(0, &["nothing was changed"]);
    it.done(&["policies", "release", "C-200"]);
    let bad = it.file("terms-2.toml", "grace = 45\n");
    it.run(&["policies", "contract", "C-200", &bad, "--reference", "F-2"])
        .ends(REFUSED, &["no part of a policy", "unknown field `grace`"]);
    migration(it);
    for (args, told) in [
        (
            &["parties", "hold", "C-101", "--preview"][..],
            "nothing was changed",
        ),
        (&["parties", "hold", "C-101"][..], "C-101 is on hold"),
        (
            &["parties", "hold", "C-101"][..],
            "C-101 is so already: hold",
        ),
        (&["parties", "release", "C-101"][..], "C-101 is active"),
    ] {
        let done = it.done(args);
        assert!(done.err.contains(told), "{done:?}");
    }
    it.done(&["parties", "merge", "C-101", "--into", "C-100", "--preview"]);
    it.refused(
        &["migration", "surrender", "old", "R-1"],
        &["It is not to be done", "has no right \"R-1\""],
    );
}

fn migration(it: &mut Elsewhere) {
    let mapping = it.file(
        "mapping.toml",
        "system = \"old\"\ncustomer_system = \"erp\"\nkind = \"site\"\ndate_format = \"%Y-%m-%d\"\n\
         endless = [\"permanent\"]\n[columns]\nright = \"License\"\ncustomer = \"Account\"\n\
         product = \"Feature\"\nunits = \"Seats\"\nlast_day = \"Expires\"\n[products]\n\
         BASE = { product = \"PUMP-BASE\", perpetual = \"perpetual\" }\n[customers]\n\
         Lakeside = \"C-200\"\n",
    );
    let heading = "License,Account,Feature,Seats,Expires\n";
    let rights = "K-1,Lakeside,BASE,7,permanent\nK-2,Nobody,BASE,2,permanent\n";
    let export = it.file("old.csv", &format!("{heading}{rights}"));
    let import = ["migration", "import", &export, "--mapping", &mapping];
    it.run(&import)
        .ends(REFUSED, &["1 rights of 2 units"])
        .shows(&["customers", "Nobody"]);
    let skip = [&import[..], &["--skip-unmapped"]].concat();
    it.run(&[&skip[..], &["--dry-run"]].concat())
        .ends(0, &["1 rights would be brought over"]);
    it.done(&skip);
    it.run(&skip)
        .ends(0, &["0 rights brought over, 1 were before, 1 left out"]);
    it.run(&["entitlements", "show", "old:K-1"])
        .done()
        .shows(&["Lakeside Clinic"]);
    it.done(&["migration", "report"]).shows(&["PUMP-BASE"]);
    it.done(&["migration", "surrender", "old", "K-1"]);
}

fn entitlements(it: &mut Elsewhere) {
    let acts: &[&[&str]] = &[
        &["suspend", "OLD-77"],
        &["resume", "OLD-77"],
        &["hold", "OLD-77"],
        &["release", "OLD-77"],
        &["revoke", "OLD-77", "--at", "2029-01-01"],
        &["keep", "OLD-77"],
        &["renew", "OLD-77", "--reference", "R-1", "--term", "P1Y"],
        &["split", "OLD-77", "--units", "1", "--reference", "OLD-78"],
        &["transfer", "OLD-78", "--to", "C-200"],
        &["close", "OLD-78"],
    ];
    for act in acts {
        it.done(&[&["entitlements"], *act].concat());
    }
    it.run(&["entitlements", "suspend", "OLD-77", "--preview"])
        .ends(0, &["nothing was changed"]);
    it.done(&["entitlements", "activate", "OLD-77"]);
    let to = |act| {
        [
            "entitlements",
            act,
            "OLD-77",
            "--to",
            "NONE",
            "--reference",
            "U-1",
        ]
    };
    it.refused(&to("upgrade"), &["NONE"]);
    it.refused(&to("downgrade"), &["NONE"]);
    let by = |act| ["entitlements", act, "OLD-77", "--by", "OLD-77"];
    it.refused(&by("maintain"), &["must be of the model maintenance"]);
    it.done(&by("unmaintain"));
}

fn devices(it: &mut Elsewhere) {
    it.run(&["activations", "assign", DEVICE, ENTITLEMENT, "--preview"])
        .ends(0, &["nothing was changed"])
        .shows(&[DEVICE, "standard/1"]);
    it.done(&["activations", "assign", DEVICE, ENTITLEMENT])
        .shows(&["reserved"]);
    let listed = it.json(&["activations", "list", "--device", DEVICE]);
    let id = listed[0]["activation"].as_str().unwrap().to_owned();
    it.done(&["activations", "show", &id]).shows(&[ENTITLEMENT]);
    it.done(&["activations", "cancel", &id])
        .shows(&["cancelled"]);
    it.refused(&["activations", "revoke", &id], &[]);
    it.refused(&["activations", "take-over", SPARE, &id], &[]);
    it.refused(&["devices", "push", DEVICE], &["never admitted"]);
    it.done(&["devices", "clear", DEVICE]);
    it.refused(&["devices", "repair", DEVICE], &["no key ever spoke"]);
    it.refused(&["devices", "revoke-key", DEVICE], &["no key speaks for"]);
    it.refused(
        &["devices", "revoke-key", &"0".repeat(64)],
        &["no device has, or had"],
    );
    it.refused(&["devices", "admit", DEVICE], &["no key of it is known"]);
    it.done(&["devices", "transfer", DEVICE, "--to", "P-10", "--preview"]);
    it.done(&["devices", "transfer", SPARE, "--to", "C-200"]);
    it.refused(
        &["devices", "show", "pump-none"],
        &["there is no device pump-none"],
    );
}

/// Two in the morning; what is left behind is for somebody else.
async fn settles(it: &mut Elsewhere) {
    it.done(&["activations", "assign", DEVICE, ENTITLEMENT]);
    it.done(&["outage", DEVICE, SPARE]).shows(&["temporary"]);
    let open = it.json(&["cases", "list", "--step", "approval"]);
    let case = open[0]["case"].as_str().unwrap().to_owned();
    it.done(&["cases", "show", &case]).shows(&["write-off/"]);
    it.refused(
        &["cases", "approve", &case],
        &["Somebody else must decide it"],
    );
    let roles = Roles::of(&[Role::Approver]);
    let approver = it.api.key_named("approver", roles, None).await;
    it.run_as(&approver, &["cases", "approve", &case]).done();
    it.refused(&["cases", "refuse", &case], &[]);
    it.refused(&["activations", "temporary", DEVICE, ENTITLEMENT], &[]);
    let looked = it.done(&["devices", "readmit", DEVICE, "--preview"]);
    assert!(looked.err.contains("nothing was changed"), "{looked:?}");
    it.done(&["devices", "show", DEVICE]).shows(&["tombstoned"]);
    it.done(&["devices", "readmit", DEVICE]);
    it.done(&["devices", "declare-dead", SPARE, "--preview"]);
    it.run_as(&approver, &["devices", "push", SPARE])
        .ends(REFUSED, &["The key may not do this", "operator"]);
    it.done(&["parties", "erase", "P-10"]);
}

fn line(it: &mut Elsewhere) {
    let device = "pump-SN-0003";
    it.done(&["factory", "station", "add", "final", "--time-limit", "60"]);
    it.done(&["factory", "station", "list"]).shows(&["final"]);
    it.done(&["factory", "run", "open", device, "--station", "final"]);
    it.done(&["factory", "run", "close"]);
    it.done(&["factory", "run", "scrap", device]);
    it.done(&["factory", "run", "list", "--state", "scrapped"])
        .shows(&[device, "B-26-09", "final"]);
    let reserve = [
        "factory",
        "reserve",
        "--batch",
        "B-26-09",
        "--entitlement",
        "GW-1",
    ];
    it.run(&[&reserve[..], &["--dry-run"]].concat())
        .ends(0, &["would be reserved"]);
    it.done(&reserve);
    let folder = it.folder.path().join("grants");
    let grants = ["factory", "grants", "--batch", "B-26-09", "--out"];
    it.refused(
        &[&grants[..], &[folder.to_str().unwrap()]].concat(),
        &["have none, for the reasons in the list"],
    );
    assert!(fs::read_dir(&folder).unwrap().count() > 0);
}

fn campaigns(it: &mut Elsewhere) {
    it.done(&[
        "campaigns",
        "create",
        "spring",
        "--give",
        "GW-1",
        "--device",
        DEVICE,
    ]);
    it.done(&["campaigns", "list"]).shows(&["spring"]);
    it.done(&["campaigns", "show", "spring"])
        .shows(&["preparing"]);
    it.done(&["campaigns", "devices", "spring"]);
    it.refused(&["campaigns", "start", "spring"], &[]);
    it.refused(&["campaigns", "pause", "spring"], &[]);
    it.refused(&["campaigns", "resume", "spring"], &[]);
    it.done(&["campaigns", "abort", "spring"]);
    it.refused(&["campaigns", "show", "no such"], &["no such"]);
    let upgrade = |to| {
        let what = ["--take", "GW-1", "--device", DEVICE, "--upgrade-to", to];
        [&["campaigns", "create", "up"], &what[..]].concat()
    };
    it.refused(&upgrade("NONE"), &["NONE", "there is none"]);
    it.refused(&upgrade("PUMP-BASE"), &["does not replace what is taken"]);
}

fn webhooks(it: &mut Elsewhere) {
    let made = it.done(&["webhooks", "add", "erp", "https://localhost:1/", "--all"]);
    assert!(made.out.starts_with("whsec_"), "{made:?}");
    it.done(&["webhooks", "show", "erp"])
        .shows(&["https://localhost:1/", "all"]);
    let rotated = it.done(&["webhooks", "rotate", "erp"]);
    assert_ne!(made.out, rotated.out);
    it.done(&["webhooks", "pause", "erp"]);
    it.done(&["webhooks", "resume", "erp"]);
    it.done(&["webhooks", "deliveries", "erp"]);
    it.done(&["webhooks", "replay", "erp", "--since", "2026-01-01"]);
    it.ran.push("webhooks test".to_owned());
    it.run(&["webhooks", "test", "erp"])
        .ends(UNAVAILABLE, &["was not answered"]);
    it.done(&["webhooks", "remove", "erp"]);
}
