//! What the tests of devices on a serial line share: processes that talk, and an order for a device.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use fleetgrant::identity::AdmissionMode;

use crate::site::{Site, until};

/// A process, what it has said so far, and whether it is gone when this is.
pub(crate) struct Running {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (out, lines) = (child.stdout.take().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        Self { child, said }
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said a line that begins so, and gives what follows.
    #[track_caller]
    pub(crate) fn says(&self, beginning: &str) -> String {
        let mut found = None;
        until(beginning, || {
            let said = self.said();
            let mut rest = said.iter().filter_map(|line| line.strip_prefix(beginning));
            found = rest.next().map(str::to_owned);
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until it ends by itself, or says a line that begins so.
    #[track_caller]
    pub(crate) fn ends_or_says(&mut self, beginning: &str) -> Option<i32> {
        let mut code = None;
        until("it ends", || {
            code = self.child.try_wait().unwrap().and_then(|s| s.code());
            code.is_some() || self.said().iter().any(|line| line.starts_with(beginning))
        });
        code
    }
}

impl Drop for Running {
    /// As the power fails: at once, whatever it does.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn tool(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    path.unwrap_or_else(|| {
        panic!("{variable} names no file: run the check of tests/checks that builds it")
    })
    .into()
}

/// A customer has ordered one unit of `bandwidth-500` for this device.
pub(crate) fn ordered(serial: &str) -> Site {
    let site = Site::new(AdmissionMode::Open);
    let manifest = format!("serial,system,order,line\n{serial},erp,O,1\n");
    for (kind, csv) in [
        (
            "products",
            "product,title,feature,vendor_data\nSCOPE,Scope,bandwidth-500,00ff5c\n",
        ),
        (
            "skus",
            "sku,title,product,model\nBW,500 MHz,SCOPE,perpetual\n",
        ),
        ("parties", "system,party,name\nerp,C,Customer\n"),
        (
            "orders",
            "system,order,ordered_at,sold_to,line,sku,quantity\nerp,O,2026-01-10,C,1,BW,1\n",
        ),
        ("manifest", &manifest),
    ] {
        site.import(kind, csv);
    }
    site
}

pub(crate) fn acknowledged(site: &Site, device: &str) -> u64 {
    let shown = site.json(&["devices", "show", device]);
    shown["acknowledged"].as_u64().unwrap_or(0)
}
