//! Webhooks at the command line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::folder::{Folder, REFUSED, UNAVAILABLE, USAGE};

const URL: &str = "https://erp.example.com/hooks?token=abc";

fn folder(more: &str) -> Folder {
    let folder = Folder::with_config(&format!("realm = \"acme\"\n{more}"));
    folder.run(&["migrate"]).done();
    folder
}

#[test]
fn a_secret_is_shown_once_and_the_history_tells_no_address() {
    let folder = folder("");
    let run = |args: &[&str]| folder.run(&[&["webhooks"], args].concat());
    let made = run(&[
        "add",
        "erp",
        URL,
        "--kind",
        "activated",
        "--kind",
        "removed",
    ])
    .done();
    let secret = made.out.trim();
    assert!(
        secret.starts_with("whsec_") && secret.len() == 50,
        "{made:?}"
    );
    let listed = run(&["list", "--output", "json"]).done();
    assert!(!listed.out.contains(&secret[6..]));
    let hooks: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(hooks[0]["name"], "erp");
    assert_eq!(hooks[0]["url"], URL);
    assert_eq!(hooks[0]["kinds"], "activated, removed");
    assert_eq!(hooks[0]["state"], "active");
    run(&["pause", "erp"]).done();
    run(&["show", "erp"]).done().shows(&["paused"]);
    run(&["resume", "erp"]).done();
    let rotated = run(&["rotate", "erp", "--overlap", "1h"]).done();
    assert_ne!(rotated.out.trim(), secret);
    run(&["replay", "erp", "--since", "2026-01-01"]).done();
    run(&["deliveries", "erp"]).done();
    run(&["remove", "erp"]).done();
    let told = folder
        .run(&["report", "events", "--stream", "webhook"])
        .done();
    let out = told.out.clone();
    told.shows(&[
        "webhook-created",
        "\"host\":\"erp.example.com\"",
        "webhook-paused",
        "webhook-resumed",
        "webhook-rotated",
        "webhook-replayed",
        "webhook-removed",
    ]);
    for hidden in ["token=abc", &secret[6..], &rotated.out.trim()[6..]] {
        assert!(!out.contains(hidden), "{hidden} in {out}");
    }
}

#[test]
fn what_cannot_be_a_webhook_is_refused_with_what_could() {
    let folder = folder("");
    let run = |args: &[&str]| folder.run(&[&["webhooks"], args].concat());
    run(&["add", "erp", URL, "--all"]).done();
    let all = "--all";
    for (name, url, told) in [
        ("erp", URL, "there is a webhook erp"),
        ("b", "erp.example.com", "write it as https://"),
        ("b", "http://erp.example.com/", "only https is sent to"),
        ("b", "https://169.254.169.254/", "private network"),
        ("b", "https://[::1]:9000/", "private network"),
        ("b", "https://a:b@erp.example.com/", "a user name"),
    ] {
        run(&["add", name, url, all]).ends(REFUSED, &[told]);
    }
    run(&["add", "b", URL, all, "--party", "X"]).ends(REFUSED, &["no party"]);
    run(&["add", "b", URL, all, "--product-line", "X"]).ends(REFUSED, &["product line \"X\""]);
    run(&["add", "b", URL]).ends(USAGE, &["--kind"]);
    run(&["add", "b", URL, "--kind", "eaten"]).ends(USAGE, &["first-contact"]);
    run(&["add", "b b", URL, all]).ends(USAGE, &["1 to 64 of A-Z"]);
    run(&["replay", "erp"]).ends(USAGE, &["--since"]);
    run(&["replay", "erp", "--message", "msg_x_1"]).ends(REFUSED, &["no message msg_x_1"]);
    run(&["resume", "erp"]).ends(REFUSED, &["nothing to resume"]);
    run(&["rotate", "erp", "--overlap", "31d"]).ends(REFUSED, &["30 days"]);
    for verb in ["show", "pause", "resume", "remove", "deliveries", "test"] {
        run(&[verb, "nobody"]).ends(REFUSED, &["there is no webhook nobody"]);
    }
}

#[test]
fn an_endpoint_is_tried_and_what_it_said_is_told() {
    let folder = folder("[webhooks]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let run = |args: &[&str]| folder.run(&[&["webhooks"], args].concat());
    run(&["add", "erp", &url, "--all"]).done();
    let served = thread::spawn(move || {
        ["204 No Content", "503 Service Unavailable"].map(|status| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut read = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let from = head.len();
                read.read_line(&mut head).unwrap();
                let line = head[from..].to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            read.read_exact(&mut body).unwrap();
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            .unwrap();
            (head, String::from_utf8(body).unwrap())
        })
    });
    let taken = run(&["test", "erp"]).done();
    assert!(taken.err.contains("was taken with 204"), "{taken:?}");
    run(&["test", "erp"]).ends(REFUSED, &["was answered with 503"]);
    for (head, body) in served.join().unwrap() {
        assert!(head.starts_with("POST /in HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("webhook-id: msg_test_"), "{head}");
        assert!(head.contains("webhook-signature: v1,"), "{head}");
        assert!(body.starts_with("{\"type\":\"test\",\"timestamp\":\""));
    }
    run(&["test", "erp"]).ends(UNAVAILABLE, &["was not answered"]);
}
