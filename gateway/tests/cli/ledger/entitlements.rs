//! Acts on entitlements, and on the parties that own them.

use serde_json::Value;

use super::{installation, json};
use crate::folder::{REFUSED, USAGE};

#[test]
fn an_entitlement_is_held_suspended_revoked_and_closed() {
    let folder = installation();
    let show = || json(&folder, &["entitlements", "show", "O-1/10"]);
    let act = |args: &[&str]| folder.run(&[&["entitlements"], args, &["O-1/10"]].concat());
    folder
        .run(&["activations", "assign", "sc-1", "O-1/10"])
        .done();

    act(&["suspend", "--preview"]).ends(0, &["is suspended; 1 device", "nothing was changed"]);
    assert_eq!(show()["state"], "active");
    act(&["suspend"]).ends(0, &["O-1/10 is suspended; 1 device gets another set"]);
    act(&["suspend"]).ends(0, &["is so already: suspended"]);
    act(&[
        "hold",
        "--for",
        "payment",
        "--reason",
        "Rechnung 4711 \u{fc}berf\u{e4}llig",
    ])
    .done();
    // What the option meant before it was every act's.
    act(&["hold", "--reason", "payment"]).ends(USAGE, &["say --for payment"]);
    act(&["resume"]).ends(0, &["hold (payment)"]);
    assert_eq!(show()["on_hold_for"], "payment");
    folder
        .run(&["activations", "assign", "sc-1", "O-1/10"])
        .ends(REFUSED, &["hold"]);
    act(&["hold"]).done();
    act(&["release", "--for", "payment"]).ends(0, &["hold (operator)"]);
    act(&["release"]).ends(0, &["is active"]);

    act(&["close"]).ends(REFUSED, &["1 of its units are in use"]);
    act(&["revoke", "--at", "2999-01-01"]).ends(0, &["to be revoked at 2999-01-01T00:00:00Z"]);
    assert_eq!(show()["revoked_from"], "2999-01-01T00:00:00Z");
    act(&["keep"]).ends(0, &["is active"]);
    act(&["revoke"]).ends(0, &["is closed, revoked at"]);
    act(&["keep"]).ends(REFUSED, &["which has passed"]);
    act(&["resume"]).ends(REFUSED, &["closed cannot be changed by `resume`"]);
    act(&["revoke", "--at", "soon"]).ends(USAGE, &["it must be a date"]);
    assert_eq!(show()["in_use"], 1, "only proof frees it");
}

#[test]
fn a_subscription_is_renewed_once_for_each_renewal() {
    let folder = installation();
    let sold = "system,entitlement,owner,product,model,units,starts_at,term\n\
                crm,SUB-1,C-1,SPEC,subscription,3,2026-01-31,P1M\n";
    std::fs::write(folder.path().join("sub.csv"), sold).unwrap();
    let file = folder.path().join("sub.csv").display().to_string();
    folder.run(&["import", "entitlements", &file]).done();
    let renew = |entitlement: &str, more: &[&str]| {
        let args = [&["entitlements", "renew", entitlement, "--reference"], more].concat();
        folder.run(&args)
    };
    let ends = || json(&folder, &["entitlements", "show", "SUB-1"])["ends"].clone();
    renew("SUB-1", &["R-1", "--term", "P1Y", "--preview"]).ends(0, &["nothing was changed"]);
    assert_eq!(ends(), "2026-02-28T00:00:00Z", "as its term says");
    renew("SUB-1", &["R-1", "--term", "P1Y"]).ends(0, &["runs until 2027-02-28T00:00:00Z"]);
    renew("SUB-1", &["R-1", "--term", "P1Y"]).ends(0, &["renewed by R-1 already"]);
    assert_eq!(ends(), "2027-02-28T00:00:00Z");
    renew("SUB-1", &["R-2", "--until", "2027-06-30"]).ends(0, &["until 2027-06-30T00:00:00Z"]);
    renew("SUB-1", &["R-3", "--until", "2027-01-01"]).ends(REFUSED, &["must end later"]);
    renew("SUB-1", &["R-4", "--term", "PT5H"]).ends(USAGE, &["it must be a term"]);
    renew("SUB-1", &["R-5"]).ends(USAGE, &["--term"]);
    renew("O-1/10", &["R-6", "--term", "P1Y"]).ends(REFUSED, &["it has no end"]);
}

/// Whatever changes maintenance changes up to which build what it covers is on.
#[test]
fn what_maintains_an_entitlement_is_the_ceiling_of_its_firmware() {
    let folder = installation();
    let sold = "system,entitlement,owner,product,model,units,starts_at,term\n\
                crm,CARE-1,C-1,SPEC,maintenance,1,2076-01-31,P1Y\n\
                crm,CARE-2,C-1,SPEC,maintenance,1,2076-01-31,P2Y\n\
                crm,CARE-3,C-1,SPEC,maintenance,1,,P1Y\n\
                crm,MINE,C-1,SPEC,perpetual,5,,\n";
    let begins = "system,entitlement,owner,product,model,units,start_basis,latest_start_at,term\n\
                  crm,EACH,C-1,SPEC,maintenance,1,each-activation,,P1Y\n\
                  crm,LATEST,C-1,SPEC,maintenance,1,first-activation,2080-03-01,P1Y\n";
    for text in [sold, begins] {
        std::fs::write(folder.path().join("care.csv"), text).unwrap();
        let file = folder.path().join("care.csv").display().to_string();
        folder.run(&["import", "entitlements", &file]).done();
    }
    let acts = |args: &[&str]| folder.run(&[&["entitlements"], args].concat());
    let until = |reference: &str| {
        json(&folder, &["entitlements", "show", reference])["maintained_until"].clone()
    };
    let (one, two) = ("2077-01-31T00:00:00Z", "2078-01-31T00:00:00Z");

    acts(&["maintain", "MINE", "--by", "CARE-1", "--preview"]).ends(0, &["nothing was changed"]);
    assert_eq!(until("MINE"), Value::Null);
    acts(&["maintain", "MINE", "--by", "CARE-1"]).ends(0, &["on for firmware built before", one]);
    acts(&["maintain", "MINE", "--by", "CARE-1"]).ends(0, &["already"]);
    assert_eq!(until("MINE"), one);
    // The latest of several.
    acts(&["maintain", "MINE", "--by", "CARE-2"]).ends(0, &[two]);
    acts(&["renew", "CARE-1", "--reference", "R-1", "--term", "P6M"]).done();
    assert_eq!(until("MINE"), two);
    acts(&["unmaintain", "MINE", "--by", "CARE-2"]).ends(0, &["2077-07-31"]);
    // A renewal moves it.
    acts(&["renew", "CARE-1", "--reference", "R-2", "--term", "P1Y"]).done();
    assert_eq!(until("MINE"), "2078-07-31T00:00:00Z");
    // What is split off for the same party is maintained as it is.
    acts(&["split", "MINE", "--units", "2", "--reference", "PART"]).done();
    acts(&["renew", "CARE-1", "--reference", "R-3", "--term", "P1Y"]).done();
    assert_eq!(
        (until("MINE"), until("PART")),
        (until("PART"), "2079-07-31T00:00:00Z".into())
    );
    // While it is suspended it counts up to today, and then whole again.
    acts(&["suspend", "CARE-1"]).done();
    let today = until("MINE").as_str().unwrap().to_owned();
    assert!(today.as_str() < one && today.as_str() > "2026", "{today}");
    acts(&["suspend", "CARE-1"]).done();
    assert_eq!(until("MINE"), today);
    acts(&["resume", "CARE-1"]).done();
    assert_eq!(until("MINE"), "2079-07-31T00:00:00Z");
    acts(&["revoke", "CARE-1"]).done();
    assert!(until("MINE").as_str().unwrap() < one);
    // Whatever was maintained by nothing else is on whenever its firmware was built.
    acts(&["unmaintain", "MINE", "--by", "CARE-1"]).ends(0, &["whenever the firmware"]);
    assert_eq!(until("MINE"), Value::Null);

    for (of, by, words) in [
        ("MINE", "O-1/10", "must be of the model maintenance"),
        ("CARE-1", "CARE-2", "not maintenance"),
        ("MINE", "CARE-1", "covers nothing new"),
        ("MINE", "EACH", "for each activation apart"),
    ] {
        let refused = acts(&["maintain", of, "--by", by]);
        refused.ends(REFUSED, &[words]);
    }

    // What has not begun is told with what it waits for, and is no ceiling before that.
    acts(&["maintain", "MINE", "--by", "CARE-3"]).ends(
        0,
        &["whenever the firmware", "until the term of CARE-3 begins"],
    );
    assert_eq!(until("MINE"), Value::Null);
    // It begins in 2080 at the latest, so that its end is known.
    acts(&["maintain", "MINE", "--by", "LATEST"]).ends(0, &["2081-03-01"]);
    acts(&["unmaintain", "MINE", "--by", "LATEST"]).ends(0, &["whenever the firmware"]);
    assert_eq!(until("MINE"), Value::Null);
}

/// Units before are units after, wherever they go.
#[test]
fn an_entitlement_is_split_and_a_device_sold_on_with_its_rights() {
    let folder = installation();
    let show = |reference: &str| {
        let sheet = json(&folder, &["entitlements", "show", reference]);
        (
            sheet["owner"].clone(),
            sheet["units"].clone(),
            sheet["in_use"].clone(),
        )
    };
    let split = |units: &str| {
        folder.run(&[
            "entitlements",
            "split",
            "O-1/10",
            "--units",
            units,
            "--reference",
            "O-1/10/a",
        ])
    };
    split("3").ends(REFUSED, &["3 units cannot be split off: 2 are free"]);
    split("1").ends(0, &["O-1/10 has 1 units now, O-1/10/a has 1"]);
    split("1").ends(0, &["split off already"]);
    split("2").ends(REFUSED, &["the name of another entitlement"]);
    let acme = || Value::from("Acme Optics");
    assert_eq!(show("O-1/10"), (acme(), 1.into(), 0.into()));
    assert_eq!(show("O-1/10/a"), (acme(), 1.into(), 0.into()));

    folder
        .run(&["activations", "assign", "sc-1", "O-1/10"])
        .done();
    let bright = "=Bright & Co";
    let give = |what: &str| folder.run(&["entitlements", "transfer", what, "--to", bright]);
    give("O-1/10").ends(REFUSED, &["1 of its units are in use"]);
    give("O-1/10/a").ends(0, &["belongs to =Bright & Co now"]);
    give("O-1/10/a").ends(0, &["already"]);

    let sell = |to: &str| folder.run(&["devices", "transfer", "sc-1", "--to", to]);
    folder
        .run(&["devices", "transfer", "sc-1", "--to", bright, "--preview"])
        .ends(
            0,
            &[
                "1 units of O-1/10 are O-1/10/sc-1 now",
                "nothing was changed",
            ],
        );
    sell(bright).ends(0, &["1 units of O-1/10 are O-1/10/sc-1 now"]);
    sell(bright).ends(0, &["belongs to =Bright & Co already"]);
    assert_eq!(show("O-1/10"), (acme(), 0.into(), 0.into()));
    assert_eq!(show("O-1/10/sc-1"), (bright.into(), 1.into(), 1.into()));
    let device = json(&folder, &["devices", "show", "sc-1"]);
    assert_eq!(device["owner"], bright);
    assert_eq!(device["activations"][0]["state"], "reserved");
    assert_eq!(device["activations"][0]["entitlement"], "O-1/10/sc-1");
    // And back.
    sell("Acme Optics").ends(0, &["are O-1/10/sc-1/sc-1 now"]);
    sell("nobody").ends(REFUSED, &["no party"]);
}

#[test]
fn a_party_that_was_merged_has_nothing_and_its_names_lead_to_the_other() {
    let folder = installation();
    let merge = |party: &str, into: &str, more: &[&str]| {
        folder.run(&[&["parties", "merge", party, "--into", into], more].concat())
    };
    let bright = "=Bright & Co";
    merge("Acme Optics", bright, &["--preview"]).ends(0, &["nothing was changed"]);
    merge("C-1", "C-1", &[]).ends(REFUSED, &["into itself"]);
    merge("Acme Optics", bright, &[]).ends(0, &["1 entitlements, 1 devices"]);
    let entitlement = json(&folder, &["entitlements", "show", "O-1/10"]);
    assert_eq!(entitlement["owner"], bright);
    let found = json(&folder, &["devices", "list", "--owner", "C-1"]);
    assert_eq!(
        found.as_array().unwrap().len(),
        2,
        "the old id finds the other"
    );
    // What was merged is nobody to give to, and cannot be merged again.
    merge("Acme Optics", bright, &[]).ends(0, &["had nothing left"]);
    merge(bright, "Acme Optics", &[]).ends(REFUSED, &["it gets nothing"]);
    folder
        .run(&["entitlements", "transfer", "O-1/10", "--to", "Acme Optics"])
        .ends(REFUSED, &["it gets nothing"]);
}

#[test]
fn an_upgrade_follows_the_products_and_closes_what_it_replaces() {
    let folder = installation();
    let import = |rows: &str| {
        let rows = format!("product,title,feature,replaces\n{rows}");
        std::fs::write(folder.path().join("products.csv"), rows).unwrap();
        let file = folder.path().join("products.csv").display().to_string();
        folder.run(&["import", "products", &file, "--amend"])
    };
    import("SPEC2,Spectrum 2,spectrum,SPEC\nSPEC3,Spectrum 3,spectrum,SPEC2\nLAMP,Lamp,light,\n")
        .done();
    import("SPEC,Spectrum,spectrum,SPEC3\n").ends(REFUSED, &["replaces: goes in a circle"]);
    import("LAMP,Lamp,light,LAMP\n").ends(REFUSED, &["replaces: goes in a circle"]);

    let go = |way: &str, entitlement: &str, to: &str, reference: &str| {
        folder.run(&[
            "entitlements",
            way,
            entitlement,
            "--to",
            to,
            "--reference",
            reference,
        ])
    };
    let show = |reference: &str| {
        let sheet = json(&folder, &["entitlements", "show", reference]);
        let number = |field: &str| sheet[field].as_i64().unwrap();
        (
            sheet["state"].clone(),
            number("units"),
            number("in_use"),
            number("pending_credit"),
        )
    };
    folder
        .run(&["activations", "assign", "sc-1", "O-1/10"])
        .done();
    go("upgrade", "O-1/10", "LAMP", "U").ends(REFUSED, &["there is no way from SPEC to LAMP"]);
    go("upgrade", "O-1/10", "NONE", "U").ends(REFUSED, &["there is no product \"NONE\""]);
    go("downgrade", "O-1/10", "SPEC3", "U").ends(REFUSED, &["there is no way"]);
    go("upgrade", "O-1/10", "SPEC3", "U").ends(0, &["U takes the place of O-1/10, with 2 units"]);
    go("upgrade", "O-1/10", "SPEC3", "U").ends(0, &["takes the place of O-1/10 already"]);
    // One unit is in use, and moves with its device; the other is the new one's at once.
    assert_eq!(show("O-1/10"), ("closed".into(), 1, 1, 1));
    assert_eq!(show("U"), ("active".into(), 1, 0, 0));
    go("upgrade", "O-1/10", "SPEC2", "V").ends(REFUSED, &["closed is not upgraded"]);
    go("downgrade", "U", "SPEC", "W").ends(REFUSED, &["is being upgraded"]);
    folder
        .run(&["devices", "transfer", "sc-1", "--to", "=Bright & Co"])
        .ends(REFUSED, &["O-1/10", "credit"]);
    // Nor does what is just being given to devices change hands.
    folder
        .run(&["entitlements", "transfer", "U", "--to", "=Bright & Co"])
        .ends(REFUSED, &["U: it is being upgraded on some devices"]);
    folder
        .run(&[
            "entitlements",
            "split",
            "U",
            "--units",
            "1",
            "--reference",
            "U/a",
        ])
        .ends(REFUSED, &["U: it is being upgraded on some devices"]);
}
