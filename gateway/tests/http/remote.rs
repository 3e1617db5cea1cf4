//! The command line on another gateway: the real binary, over a real port.

mod commands;
mod shown;
mod tls;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fleetgrant_core::domain::Role;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::api::Served;
use crate::desk::DEVICE;
use crate::folder::{CONFIG, Folder, LOCAL_ONLY, Outcome, REFUSED, UNAVAILABLE, USAGE};

const SPARE: &str = "pump-SN-0002";
const ENTITLEMENT: &str = "SO-5002/10/PUMP-BASE/perpetual";

/// Somebody with a key and an empty folder, elsewhere than the gateway.
struct Elsewhere {
    api: Served,
    folder: Folder,
    key: String,
    /// What was run and did what it is for.
    ran: Vec<String>,
    /// What was not as it should be.
    wrong: Vec<Outcome>,
}

impl Elsewhere {
    async fn with_samples() -> Self {
        let api = Served::with_samples().await;
        let key = api.key(Role::Admin).await;
        Self {
            api,
            folder: Folder::new(),
            key,
            ran: Vec::new(),
            wrong: Vec::new(),
        }
    }

    fn run_as(&self, key: &str, args: &[&str]) -> Outcome {
        let server = format!("http://{}", self.api.address);
        let variables = [
            ("FLEETGRANT_SERVER", server.as_str()),
            ("FLEETGRANT_KEY", key),
        ];
        self.folder.run_with(args, &variables)
    }

    fn run(&self, args: &[&str]) -> Outcome {
        self.run_as(&self.key, args)
    }

    /// Runs what does what it is for.
    fn done(&mut self, args: &[&str]) -> Outcome {
        self.ran.push(args.join(" "));
        let outcome = self.run(args);
        if outcome.code != 0 {
            self.wrong.push(outcome.clone());
        }
        outcome
    }

    /// Runs what the gateway refuses, for this reason.
    fn refused(&mut self, args: &[&str], words: &[&str]) {
        self.ran.push(args.join(" "));
        let outcome = self.run(args);
        if outcome.code != REFUSED || !words.iter().all(|word| outcome.err.contains(word)) {
            self.wrong.push(outcome);
        }
    }

    #[track_caller]
    fn json(&mut self, args: &[&str]) -> Value {
        let args = [args, &["--output", "json"]].concat();
        serde_json::from_str(&self.done(&args).out).unwrap()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// A list of more rows than a page has comes whole, and a request that is sent again does one thing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_follow_each_other_and_a_name_does_one_thing() {
    let it = Elsewhere::with_samples().await;
    let rows: String = (0..2_500)
        .map(|number| format!("erp,N-{number},Name {number},customer\n"))
        .collect();
    let file = it.file("many.csv", &format!("system,party,name,kind\n{rows}"));
    it.run(&["import", "parties", &file]).done();
    let all = it.run(&["parties", "list", "--limit", "100000", "--output", "csv"]);
    assert_eq!(all.done().out.lines().count(), 1 + 4 + 2_500 + 1);
    let part = it.run(&["parties", "list", "--limit", "1200", "--output", "csv"]);
    let part = part.ends(0, &["more follow: go on with --after "]);
    assert_eq!(part.out.lines().count(), 1 + 1_200);
    let by_name = ["parties", "list", "--sort", "name", "--output", "csv"];
    let part = it
        .run(&[&by_name[..], &["--limit", "1200"]].concat())
        .done();
    let (_, place) = part.err.trim_end().split_once("--after ").unwrap();
    let place = place.trim_matches('\'');
    let rest = it.run(&[&by_name[..], &["--limit", "100000", "--after", place]].concat());
    assert_eq!(rest.done().out.lines().count(), 1 + 4 + 2_500 + 1 - 1_200);
    it.run(&[&by_name[..], &["--after", "Name 1"]].concat())
        .ends(USAGE, &["cursor"]);
    it.run(&["parties", "list", "--sort", "size"])
        .ends(USAGE, &["[possible values: id, -id, name, -name"]);

    let assign = [
        "activations",
        "assign",
        DEVICE,
        ENTITLEMENT,
        "--idempotency-key",
        "one",
    ];
    let first = it.run(&assign).done();
    let second = it.run(&assign).done();
    assert_eq!(first.out, second.out);
    it.run(&[
        "activations",
        "assign",
        SPARE,
        ENTITLEMENT,
        "--idempotency-key",
        "one",
    ])
    .ends(REFUSED, &["The request has the name of another"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_asked_says_why() {
    let it = Elsewhere::with_samples().await;
    it.run(&["history", "verify", "--checkpoint", "x", "--authority", "y"])
        .ends(LOCAL_ONLY, &["works on the local database only"]);
    let server = format!("http://{}", it.api.address);
    it.folder
        .run(&["doctor", "--server", &server])
        .ends(LOCAL_ONLY, &["--local"]);
    let list = ["devices", "list", "--server"];
    let run = |server: &str, variables: &[(&str, &str)]| {
        it.folder
            .run_with(&[&list[..], &[server]].concat(), variables)
    };
    let key = [("FLEETGRANT_KEY", it.key.as_str())];
    run(&server, &[]).ends(CONFIG, &["wants a key", "--key-file"]);
    run(&server, &[("FLEETGRANT_KEY", "two words")]).ends(CONFIG, &["one word"]);
    run(&server, &[("FLEETGRANT_KEY", "fgk_none")]).ends(CONFIG, &["A key is needed"]);
    run("http://192.0.2.1:8080", &key).ends(CONFIG, &["https only"]);
    run("http://gateway.example.com", &key).ends(CONFIG, &["https only"]);
    run("fleetgrant.example.com", &key).ends(CONFIG, &["no URL"]);
    run("https://user:secret@example.com", &key).ends(CONFIG, &["user name"]);
    run("http://127.0.0.1:1", &key).ends(UNAVAILABLE, &["cannot ask http://127.0.0.1:1"]);
    it.folder
        .run(&["devices", "list", "--server", &server, "--local"])
        .ends(USAGE, &["--local"]);

    let file = it.file("key", &format!("{}\n", it.key));
    let with_file = [&list[..], &[&server, "--key-file", &file]].concat();
    it.folder
        .run(&with_file)
        .ends(CONFIG, &["others can read the key", "chmod 600"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    it.folder.run(&with_file).done().shows(&[DEVICE]);
    it.file(
        "fleetgrant.toml",
        &format!("[remote]\nserver = \"{server}\"\nkey_file = \"key\"\n"),
    );
    it.folder.run(&["devices", "list"]).done().shows(&[DEVICE]);
    it.folder
        .run(&["devices", "list", "--local"])
        .ends(CONFIG, &["realm is not configured"]);
}

/// What a gateway told a while ago is told with how long ago that was, and asked for no older than is
/// said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_of_a_while_ago_are_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let (tell, mut told) = mpsc::channel(2);
    tokio::spawn(async move {
        for age in [720, 59] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                head.push(char::from(stream.read_u8().await.unwrap()));
            }
            tell.send(head.to_lowercase()).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\nage: {age}\r\ncontent-length: 2\r\n\r\n[]");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let folder = Folder::new();
    let run = |more: &[&str]| {
        let variables = [("FLEETGRANT_SERVER", &*server), ("FLEETGRANT_KEY", "fgk_x")];
        folder.run_with(&[&["report", "platforms"], more].concat(), &variables)
    };
    let old = run(&["--max-age", "15m"]).ends(0, &["of 12 min ago", "--max-age 0s"]);
    assert!(!old.out.contains("min ago"), "{old:?}");
    let asked = told.recv().await.unwrap();
    assert!(
        asked.contains("\r\ncache-control: max-age=900\r\n"),
        "{asked}"
    );
    let new = run(&[]).done();
    assert!(!new.err.contains("min ago"), "{new:?}");
    let asked = told.recv().await.unwrap();
    assert!(!asked.contains("cache-control"), "{asked}");
}
