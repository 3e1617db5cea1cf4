#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::fs;

use fleetgrant_core::domain::Role;

use super::file::{AuthoritySection, DatabaseSection, FileSection};
use super::source::{self, Source};
use super::*;
use crate::identity::{AdmissionMode, CrlCoverage, IdentityRule};

/// What is read from a file with this text, these variables and these overrides.
fn read(text: &str, variables: &[(&str, &str)], overrides: &Overrides) -> Result<Source, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleetgrant.toml");
    fs::write(&path, text).unwrap();
    let variables = variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    source::read(Some(&path), overrides, variables).map_err(|error| {
        error
            .to_string()
            .replace(&path.display().to_string(), "FILE")
    })
}

fn load(text: &str) -> Result<Config, String> {
    let source = read(text, &[], &Overrides::none())?;
    Config::from_source(source).map_err(|error| error.to_string())
}

/// Why a configuration is refused that is right up to `text`.
fn refusal(text: &str) -> String {
    load(&format!("realm = \"acme\"\n{text}")).unwrap_err()
}

#[test]
fn the_sample_shows_every_key_with_its_default() {
    let sample = include_str!("../../../docs/samples/fleetgrant.toml");
    let shown = read(sample, &[], &Overrides::none()).unwrap().raw;
    let defaults = FileSection {
        realm: Some("example".to_owned()),
        database: DatabaseSection {
            url: Some("sqlite:fleetgrant.db".to_owned()),
            url_file: None,
        },
        trust_anchor: vec![AnchorConfig {
            name: "factory".to_owned(),
            product_line: "scopes".to_owned(),
            id_prefix: "sc".to_owned().try_into().unwrap(),
            identity: IdentityRule::HardwareModuleName(None),
            admission: AdmissionMode::Manifest,
            roots: vec!["pki/device-root.pem".into()],
            intermediates: Vec::new(),
            crls: Vec::new(),
            refuse_stale_crls: false,
            crl_coverage: CrlCoverage::default(),
            pinned_devices_outlive_issuing_ca: false,
        }],
        authority: Some(AuthoritySection {
            key: "pki/authority.key".into(),
            epoch: 1,
            not_before: "2026-01-01T00:00:00Z".to_owned(),
            not_after: "2027-01-01T00:00:00Z".to_owned(),
            key_set: None,
        }),
        ..FileSection::default()
    };
    assert_eq!(shown, defaults);
    assert!(load(sample).is_ok());
}

#[test]
fn variables_win_over_the_file_and_overrides_over_both() {
    let text = "realm = \"acme\"\n[broker]\nshare_group = \"file\"\nreceive_maximum = 1\ntopic_prefix = \"file\"";
    let variables = [
        ("FLEETGRANT_BROKER__RECEIVE_MAXIMUM", "2"),
        ("FLEETGRANT_BROKER__SHARE_GROUP", "variable"),
        ("FLEETGRANT_CONFIG", "elsewhere.toml"),
        ("UNRELATED", "x"),
    ];
    let overrides = Overrides::none().set("broker.share_group", "override");
    let broker = read(text, &variables, &overrides).unwrap().raw.broker;
    assert_eq!(broker.topic_prefix, "file");
    assert_eq!(broker.receive_maximum, 2);
    assert_eq!(broker.share_group, "override");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest() {
    assert_eq!(
        refusal("[broker]\nshare_groop = \"x\""),
        "FILE: broker.share_groop is no key; did you mean share_group?"
    );
}

#[test]
fn an_unknown_variable_is_refused_too() {
    let error = read(
        "",
        &[("FLEETGRANT_BROKER__ADRESS", "x")],
        &Overrides::none(),
    )
    .unwrap_err();
    assert_eq!(
        error,
        "the variable FLEETGRANT_BROKER__ADRESS: broker.adress is no key; did you mean address?"
    );
}

#[test]
fn a_wrong_type_is_named_with_its_key() {
    assert_eq!(
        refusal("[limits]\nqueue = \"many\""),
        "FILE: limits.queue: string \"many\" where an integer is expected"
    );
    assert_eq!(
        refusal("[log]\nformat = \"jsn\""),
        "FILE: log.format: \"jsn\" is no log format; use \"auto\", \"human\" or \"json\""
    );
    assert_eq!(
        refusal("[delivery]\nbackoff = [\"soon\"]"),
        "FILE: delivery.backoff[0]: \"soon\" is no length of time; write it as 90s, 1h 30m or 30d"
    );
}

#[test]
fn what_is_no_toml_is_shown_with_its_line() {
    let error = refusal("[broker\n");
    assert!(
        error.starts_with("FILE is no TOML: ") && error.contains("line 2"),
        "{error}"
    );
}

#[test]
fn a_realm_must_be_given() {
    assert!(
        load("")
            .unwrap_err()
            .starts_with("realm is not configured: ")
    );
}

#[test]
fn values_that_cannot_be_used_are_refused_with_what_can() {
    for (text, expected) in [
        (
            "time_zone = \"Europe/Viena\"",
            "time_zone = Europe/Viena: must be an IANA time zone, as Europe/Vienna or UTC; did you \
             mean Europe/Vienna?",
        ),
        (
            "[broker]\naddress = \"broker\"",
            "broker.address = \"broker\": must be HOST:PORT, as broker.example.com:8883",
        ),
        (
            "[broker]\ntopic_prefix = \"a/b\"",
            "broker.topic_prefix = \"a/b\": must be 1 to 32 visible ASCII characters without / + #",
        ),
        (
            "[broker.embedded]\nlisten = \"8883\"",
            "broker.embedded.listen = \"8883\": must be ADDRESS:PORT, as 127.0.0.1:8883 or [::]:8883",
        ),
        (
            "[database]\nurl = \"mysql://user:secret@host/db\"",
            "database.url = mysql:…: must be sqlite:PATH, as sqlite:fleetgrant.db, or postgres://USER@HOST/NAME",
        ),
        (
            "[database]\nurl = \"postgres://user:secret@host/db?sslmode=prefer\"",
            "database.url = postgres:…: must be a PostgreSQL URL that can be followed: \
             sslmode=prefer is not offered; use disable, require or verify-full",
        ),
        ("[limits]\nbatch = 0", "limits.batch = 0: must be 1 to 1000"),
        (
            "[limits]\nbatch_wait = \"2s\"",
            "limits.batch_wait = 2s: must be 0s to 1s",
        ),
        (
            "[limits.device]\nevery = \"10s\"\nburst = 0",
            "limits.device.burst = 0: must be 1 or more",
        ),
        (
            "[delivery]\nbackoff = []",
            "delivery.backoff = 0 waits: must be 1 to 32 waits of a second or more, as [\"1m\", \"5m\", \"30m\"]",
        ),
        (
            "[authority]\nnot_before = \"2026-01-01T00:00:00Z\"\nnot_after = \"2027-02-01T00:00:00Z\"",
            "authority.not_after = 2027-02-01T00:00:00Z: must be after not_before, and no more than \
             a year after: a leaked key dies with its epoch",
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn the_url_of_the_database_can_stand_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("database-url");
    let section = format!("[database]\nurl_file = \"{}\"", file.display());
    let missing = refusal(&section);
    assert!(
        missing.starts_with("cannot read the configuration "),
        "{missing}"
    );
    std::fs::write(&file, "postgres://u:geheim@localhost/fleet\n").unwrap();
    let config = load(&format!("realm = \"acme\"\n{section}")).unwrap();
    assert_eq!(
        format!("{:?}", config.database),
        "Postgres(Postgres(localhost:5432/fleet, Off))"
    );
    std::fs::write(&file, "mysql://u:geheim@localhost/fleet").unwrap();
    let refused = refusal(&section);
    assert!(
        refused.starts_with("database.url_file = mysql:…: must be"),
        "{refused}"
    );
    let both = refusal(&format!("{section}\nurl = \"sqlite:a.db\""));
    assert!(both.starts_with("database.url_file = "), "{both}");
}

#[test]
fn paths_are_relative_to_the_folder_of_the_file() {
    let config = load("realm = \"acme\"\ndata_dir = \"state\"").unwrap();
    let folder = config.file.as_deref().unwrap().parent().unwrap();
    assert_eq!(config.data_dir, folder.join("state"));
    assert_eq!(config.broker.tls.key, folder.join("pki/gateway.key"));
    assert_eq!(
        config.database,
        Location::Sqlite(folder.join("state/fleetgrant.db"))
    );
}

const ANCHOR: &str = "
    [[trust_anchor]]
    name = \"factory\"
    product_line = \"scopes\"
    id_prefix = \"sc\"
    identity = \"san.hwModuleName\"
    admission = \"open\"
    roots = [\"root.pem\"]
";

#[test]
fn the_paths_of_anchors_are_resolved_and_their_names_differ() {
    let config = load(&format!("realm = \"acme\"\n{ANCHOR}")).unwrap();
    let folder = config.file.as_deref().unwrap().parent().unwrap();
    assert_eq!(config.trust_anchors[0].roots, [folder.join("root.pem")]);
    assert_eq!(
        refusal(&format!("{ANCHOR}{ANCHOR}")),
        "trust_anchor.name = factory: must be another name: two anchors have this one"
    );
}

#[test]
fn what_is_wrong_with_an_anchor_is_named() {
    for (right, wrong, expected) in [
        (
            "\"open\"",
            "\"opne\"",
            "FILE: trust_anchor[0].admission: \"opne\" is no admission; use \"open\", \"manifest\" or \
             \"quarantine\"",
        ),
        (
            "roots",
            "root",
            "FILE: trust_anchor[0].root is no key; did you mean roots?",
        ),
        (
            "id_prefix = \"sc\"",
            "",
            "FILE: trust_anchor[0].id_prefix: must be given, since it has no default",
        ),
    ] {
        assert_eq!(refusal(&ANCHOR.replace(right, wrong)), expected);
    }
}

#[test]
fn what_signs_is_told_how_to_get_a_key() {
    let error = load("realm = \"acme\"")
        .unwrap()
        .authority()
        .unwrap_err()
        .to_string();
    assert!(error.contains("fleetgrant pki"), "{error}");
}

const OIDC: &str = "
    [http]
    listen = \"127.0.0.1:8080\"
    [http.oidc]
    issuer = \"https://login.example.com\"
    audience = \"fleetgrant\"
    roles = { fleet-admins = \"admin\" }
";

#[test]
fn an_issuer_of_tokens_is_read() {
    let config = load(&format!("realm = \"acme\"\n{OIDC}roots = \"issuer.pem\"")).unwrap();
    let folder = config.file.as_deref().unwrap().parent().unwrap();
    let oidc = config.http.unwrap().oidc.unwrap();
    assert_eq!(oidc.issuer, "https://login.example.com");
    assert_eq!(oidc.roots, Some(folder.join("issuer.pem")));
    assert_eq!(oidc.roles_claim, ["roles"]);
    assert_eq!(oidc.roles["fleet-admins"], Role::Admin.into());
}

#[test]
fn a_role_of_a_token_can_be_for_a_product_line_that_is_there() {
    let roles = "{ fleet-admins = \"admin\", pump-desk = { role = \"support\", product_line = \"pumps\" } }";
    let text = OIDC.replace("{ fleet-admins = \"admin\" }", roles);
    let config = load(&format!("realm = \"acme\"\n{text}")).unwrap();
    let oidc = config.http.unwrap().oidc.unwrap();
    let desk = RoleHere {
        role: Role::Support,
        product_line: Some("pumps".to_owned()),
    };
    assert_eq!(oidc.roles["pump-desk"], desk);
    let known = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    oidc.check_lines(&known(&["pumps", "valves"])).unwrap();
    let told = |names: &[&str]| oidc.check_lines(&known(names)).unwrap_err().to_string();
    assert_eq!(
        told(&["presses", "valves"]),
        "http.oidc.roles.pump-desk.product_line = \"pumps\": must be one of the product lines presses, \
         valves"
    );
    assert!(told(&[]).ends_with("a product line of a trust anchor, and there is none"));
}

#[test]
fn what_is_wrong_with_an_issuer_of_tokens_is_named_with_what_would_be_right() {
    for (right, wrong, expected) in [
        (
            "https://login.example.com",
            "login.example.com",
            "http.oidc.issuer = \"login.example.com\": must be the issuer's https address, exactly as it \
             writes it",
        ),
        (
            "https://",
            "http://",
            "http.oidc.issuer = \"http://login.example.com\": must be the issuer's https address, exactly \
             as it writes it (only https is asked, but for this machine itself)",
        ),
        (
            "audience = \"fleetgrant\"",
            "",
            "FILE: http.oidc.audience: must be given, since it has no default",
        ),
        (
            "\"fleetgrant\"",
            "\"\"",
            "http.oidc.audience = nothing: must be a name at least",
        ),
        (
            "\"admin\"",
            "\"king\"",
            "http.oidc.roles.fleet-admins = \"king\": must be one of factory, operator, support",
        ),
        (
            "\"admin\"",
            "\"customer\"",
            "http.oidc.roles.fleet-admins = \"customer\": must be a role of the maker's own",
        ),
        (
            "\"admin\"",
            "{ role = \"admin\", product_line = \"pumps\" }",
            "http.oidc.roles.fleet-admins = \"admin\": must be for all product lines, as it has to do with",
        ),
        (
            "\"admin\"",
            "{ role = \"customer\", product_line = \"pumps\" }",
            "http.oidc.roles.fleet-admins = \"customer\": must be a role of the maker's own",
        ),
        (
            "\"admin\"",
            "{ role = \"king\", product_line = \"pumps\" }",
            "http.oidc.roles.fleet-admins = \"king\": must be one of operator, support, approver",
        ),
        (
            "{ fleet-admins = \"admin\" }",
            "{}",
            "http.oidc.roles = nothing: must be a table of what values of the claim are here, as \
             fleet-admins = \"admin\"",
        ),
        (
            "roles = { fleet-admins = \"admin\" }",
            "",
            "FILE: http.oidc.roles: must be given, since it has no default",
        ),
        (
            "audience =",
            "algorithms = [\"HS256\"]\n audience =",
            "http.oidc.algorithms = \"HS256\": must be RS256, ES256 or EdDSA",
        ),
        (
            "audience =",
            "leeway = \"10m\"\n audience =",
            "http.oidc.leeway = 600s: must be 5m at most",
        ),
        (
            "audience =",
            "roles_claim = []\n audience =",
            "http.oidc.roles_claim = nothing: must be a name at least",
        ),
    ] {
        assert!(OIDC.contains(right), "{right}");
        let refused = refusal(&OIDC.replacen(right, wrong, 1));
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn reports_are_made_ahead_no_oftener_than_every_minute() {
    let ahead = |text: &str| load(&format!("realm = \"acme\"\n{text}")).map(|of| of.reports.ahead);
    assert_eq!(ahead("").unwrap(), None);
    let hour = ahead("[reports]\nahead = \"1h\"").unwrap();
    assert_eq!(hour, Some(Duration::from_secs(3_600)));
    for bad in ["59s", "25h", "0s"] {
        let refused = refusal(&format!("[reports]\nahead = \"{bad}\""));
        assert!(refused.contains("reports.ahead"), "{refused}");
        assert!(refused.contains("1m to 24h"), "{refused}");
    }
}
