//! What an idle connection costs in memory.

use std::process::Command;

use crate::harness::{Client, start};
use crate::pki::Pki;

/// The broker's side and rumqttc's together; some 100 KiB were measured. A client without a limit
/// in flight alone takes 13.5 MiB.
const MAX_KIB: usize = 200;

const MEASUREMENT: &str = "memory::measured_in_a_process_of_its_own";

#[test]
fn an_idle_connection_is_small() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", MEASUREMENT, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[tokio::test]
#[ignore = "needs a process in which nothing else allocates"]
async fn measured_in_a_process_of_its_own() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let mut clients = Vec::new();
    // The first ones pay for what all share.
    let (warm, count) = (50, 400);
    let mut before = 0;
    for n in 0..warm + count {
        if n == warm {
            before = resident_kib();
        }
        let id = format!("dev-{n}");
        let mut client = Client::device(&pki, broker.local_addr(), &id).await;
        client.subscribe(&format!("fg/v1/{id}/grant")).await;
        clients.push(client);
    }
    let each = resident_kib().saturating_sub(before) / count;
    println!("{each} KiB for each idle connection");
    assert!((1..=MAX_KIB).contains(&each), "{each} KiB");
    broker.stop().await;
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}
