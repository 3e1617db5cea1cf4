//! The firmware of `device-agent/firmware` on an emulated Cortex-M4, through a bridge on its serial
//! line. `tests/checks/firmware.sh` builds both and runs these.

use std::path::Path;
use std::process::Command;

use crate::line::{Running, acknowledged, ordered, tool};
use crate::site::{Site, until};

/// How the firmware ends when its power is made to fail.
const POWER_LOST: i32 = 3;
/// About as many words as one start writes, from the first counter to the last acknowledgement.
const WORDS_OF_A_START: u32 = 160;
const CUTS: u32 = 10;

/// A device's board, with all that outlives its power.
struct Board {
    folder: tempfile::TempDir,
    device: String,
    /// What the bridge needs to be the device on the network.
    credentials: Vec<String>,
    broker: Vec<String>,
}

impl Board {
    /// One that leaves the factory.
    fn new(site: &Site, serial: &str) -> Self {
        let installation = &site.installation;
        let folder = tempfile::tempdir().unwrap();
        let credentials = installation.pki.issue_device(serial, "mk2").unwrap();
        let (chain, key) = credentials.write(folder.path()).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let device = format!("dev-{serial}");
        let named = |arguments: &[(&str, String)]| -> Vec<String> {
            let arguments = arguments.iter();
            arguments
                .flat_map(|(name, value)| [format!("--{name}"), value.clone()])
                .collect()
        };
        let credentials = named(&[
            ("cert", text(&chain)),
            ("key", text(&key)),
            ("device", device.clone()),
        ]);
        let made = Command::new(tool("SERIAL_BRIDGE"))
            .arg("factory")
            .args(&credentials)
            .args(named(&[
                ("authority", text(&installation.authority_public_key())),
                ("realm", installation.config.realm.to_string()),
                ("feature", "bandwidth-500".to_owned()),
            ]))
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert!(made.success(), "the factory fails");
        let broker = &installation.config.broker;
        let address = format!("localhost:{}", broker.address.port);
        Self {
            device,
            credentials,
            broker: named(&[("broker", address), ("ca", text(&broker.tls.roots))]),
            folder,
        }
    }

    /// Switches it on. With `cut` the power fails at that word or erasure of the flash.
    fn power_on(&self, cut: Option<u32>) -> Running {
        let line = self.folder.path().join("line");
        let _ = std::fs::remove_file(&line);
        let cut = cut.map_or(String::new(), |cut| format!(",arg=cut={cut}"));
        let running = Running::start(
            Command::new("qemu-system-arm")
                .args(["-M", "mps2-an386", "-nographic", "-monitor", "none"])
                .args(["-serial", "unix:line,server=on,wait=off", "-kernel"])
                .arg(tool("CORTEX_M_FIRMWARE"))
                .arg("-semihosting-config")
                .arg(format!("enable=on,target=native,arg=firmware{cut}"))
                .current_dir(self.folder.path()),
        );
        until("the line is there", || line.exists());
        running
    }

    /// Connects it to the broker.
    fn bridge(&self, more: &[&str]) -> Running {
        Running::start(
            Command::new(tool("SERIAL_BRIDGE"))
                .args(["connect", "--serial", "line"])
                .args(&self.credentials)
                .args(&self.broker)
                .args(more)
                .current_dir(self.folder.path()),
        )
    }

    /// The generation it holds after a start without a connection; its feature must be on.
    #[track_caller]
    fn holds(&self) -> u64 {
        let board = self.power_on(None);
        let holds = board.says(&format!("started {} holds ", self.device));
        board.says("on bandwidth-500");
        holds.parse().unwrap()
    }
}

#[test]
#[ignore = "needs QEMU and the firmware: tests/checks/firmware.sh"]
fn a_microcontroller_activates_survives_and_refuses_what_is_old() {
    let site = ordered("M4");
    let board = Board::new(&site, "M4");

    // It activates what was ordered for it, and signs for it.
    {
        let running = board.power_on(None);
        let _bridge = board.bridge(&["--record", "down"]);
        assert_eq!(running.says("notice "), "challenge");
        running.says("on bandwidth-500");
        until("the gateway has its acknowledgement", || {
            acknowledged(&site, &board.device) > 0
        });
        let activated = site.json(&["activations", "list", "--state", "activated"]);
        assert_eq!(activated.as_array().unwrap().len(), 1);
        // The power goes with whatever it was doing.
    }
    let first = board.holds();
    assert_eq!(first, acknowledged(&site, &board.device));

    // The power fails at a random word: it comes up with the old set or a newer one, whole.
    let seed: u32 =
        std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let (mut held, mut with_new, mut with_old) = (first, 0, 0);
    for cut in 0..CUTS {
        // Spread over all that a start writes, with the seed within each part.
        let part = WORDS_OF_A_START / CUTS;
        let at = part * cut + (seed.rotate_right(3 * cut)) % part;
        let mut running = board.power_on(Some(at));
        let bridge = board.bridge(&[]);
        // Where it wrote fewer words, the power goes once it has acknowledged.
        let code = running.ends_or_says("sent ack");
        assert!(matches!(code, None | Some(POWER_LOST)), "{code:?} at {at}");
        drop((running, bridge));
        let (before, after) = (held, board.holds());
        println!("power lost at word {at}: held {before}, holds {after}");
        assert!(after >= before, "at {at}");
        with_new += u32::from(after > before);
        with_old += u32::from(after == before);
        held = after;
    }
    println!("{with_old} times the old set, {with_new} times the new one");
    assert!(with_old > 0 && with_new > 0, "cuts before and after");

    // The bridge sends the first grant again: nothing changes.
    let recorded = std::fs::read_dir(board.folder.path().join("down")).unwrap();
    let recorded = recorded.map(|entry| entry.unwrap().path());
    let old = recorded
        .filter(|path| path.extension().is_some_and(|kind| kind == "grant"))
        .min()
        .unwrap();
    {
        let running = board.power_on(None);
        let _bridge = board.bridge(&["--replay", old.to_str().unwrap()]);
        assert_eq!(running.says("refused grant "), "superseded");
        // What the broker kept meanwhile comes too; the newest stays.
        until("a newer set is acknowledged", || {
            acknowledged(&site, &board.device) > held
        });
    }
    let signed_for = acknowledged(&site, &board.device);
    assert!(board.holds() >= signed_for, "it holds what it signed for");
}
