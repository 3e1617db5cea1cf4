//! A whole device on a host: it connects over mutual TLS, asks for what it is owed or wants,
//! keeps and acknowledges what it is granted, and says which of its features are on.
//!
//! With the data folder of `fleetgrant quickstart` (and `serve` running on it):
//!
//! ```sh
//! cargo run -p fleetgrant-agent --features std --example device -- \
//!     --broker localhost:8883 --ca data/pki/service-ca.pem \
//!     --cert data/pki/devices/MY-1.pem --key data/pki/devices/MY-1.key \
//!     --authority data/pki/authority.pub --realm quickstart --device dev-MY-1 \
//!     --feature bandwidth-500 --feature decode-serial --want bandwidth-500=1 --storage my-1
//! ```

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use fleetgrant_agent::host::{
    AnyStorage, Asked, Broker, Device, DeviceConfig, DeviceEvent, FileStorage, HostKeys,
    MemoryStorage, OwnedPlatform, broker_roots, chain_from_pem, key_from_pem, mutual_tls,
    public_key_from_pem,
};
use fleetgrant_agent::{Event, Status};
use fleetgrant_schemas::code::ActivationCode;
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey, Role};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::request::Reason;

/// A device that runs the agent
#[derive(Debug, Parser)]
struct Arguments {
    /// The broker
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:8883")]
    broker: String,
    /// Whom to trust as a broker (PEM)
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The device's certificates, the leaf first (PEM)
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// The device's key (PEM, PKCS#8)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The authority's public key (PEM); a product also pins when it is valid
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// The epoch of the authority's key
    #[arg(long, default_value_t = 1)]
    epoch: u32,
    /// An offline root's public key (PEM), which signs new keys of the authority
    #[arg(long = "root", value_name = "FILE")]
    roots: Vec<PathBuf>,
    /// The realm the device was provisioned for
    #[arg(long)]
    realm: String,
    /// The id that its certificate proves
    #[arg(long, value_name = "ID")]
    device: String,
    /// First levels of every topic
    #[arg(long, default_value = "fg")]
    topic_prefix: String,
    /// Where its records are kept; otherwise it forgets everything when it ends
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    /// When its firmware was built, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    built: Option<u64>,
    /// A feature that its firmware knows
    #[arg(long = "feature", value_name = "NAME")]
    features: Vec<String>,
    /// Units of a feature that it wants in all
    #[arg(long = "want", value_name = "FEATURE=TOTAL", value_parser = parse_want)]
    wants: Vec<(String, u32)>,
    /// An activation code that it redeems
    #[arg(long, value_parser = parse_code)]
    code: Option<ActivationCode>,
    /// The version of its firmware
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    firmware: String,
    /// End once there is an answer and it was acknowledged
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let asked = Asked {
        reason: Reason::Upgrade,
        features: arguments.wants.clone(),
        code: arguments.code,
        concerned: Vec::new(),
    };
    let wants_something = !asked.features.is_empty() || asked.code.is_some();
    let mut device = Device::spawn(configure(&arguments)?);
    let mut has_asked = false;
    loop {
        tokio::select! {
            event = device.next_event() => match event {
                Some(DeviceEvent::Connected) if wants_something && !has_asked => {
                    println!("connected");
                    has_asked = true;
                    device.ask(asked.clone()).await??;
                }
                Some(event) => {
                    let is_answered = tell(&device, &event, &arguments.features).await?;
                    if is_answered && arguments.once {
                        // What is acknowledged needs a moment to leave.
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        break;
                    }
                }
                None => break,
            },
            ctrl_c = tokio::signal::ctrl_c() => {
                ctrl_c?;
                break;
            }
        }
    }
    Ok(device.stop().await?)
}

/// Prints what happened; whether it is the answer to what was asked.
async fn tell(device: &Device, event: &DeviceEvent, features: &[String]) -> anyhow::Result<bool> {
    match event {
        DeviceEvent::Connected => println!("connected"),
        DeviceEvent::Disconnected(reason) => println!("disconnected: {reason}"),
        DeviceEvent::Sent(sent) => println!("sent {} of {} bytes", sent.message, sent.len),
        DeviceEvent::Granted {
            generation,
            denials,
            ..
        } => {
            println!("holds set {generation}");
            for rule in denials {
                println!("  denied: {rule}");
            }
            for feature in features {
                println!("  {feature}: {}", describe(device.status(feature).await?));
            }
            return Ok(true);
        }
        DeviceEvent::Agent(Event::Notice(code)) => println!("told {code}"),
        DeviceEvent::Agent(Event::Refused { message, reason }) => {
            println!("refused a {message}: {reason}");
        }
        DeviceEvent::Agent(Event::Storage { record, reason }) => {
            println!("record {}: {reason}", record.as_str());
        }
        DeviceEvent::Agent(Event::CannotAsk(reason)) => println!("cannot ask: {reason}"),
        DeviceEvent::Agent(_) => {}
    }
    Ok(false)
}

fn describe(status: Status) -> String {
    match status {
        Status::On { until: None, .. } => "on".to_owned(),
        Status::On {
            until: Some(until), ..
        } => format!("on until {until} (seconds since 1970)"),
        Status::Grace {
            until: Some(until), ..
        } => format!("on, but its term has ended; off from {until}"),
        Status::Grace { until: None, .. } => {
            "on, but its term has ended; off from the next start".to_owned()
        }
        Status::Off(reason) => format!("off ({reason:?})"),
    }
}

fn configure(arguments: &Arguments) -> anyhow::Result<DeviceConfig> {
    let read = |path: &PathBuf| fs::read(path).with_context(|| path.display().to_string());
    let public_key = |path: &PathBuf| -> anyhow::Result<PublicKey> {
        let pem = String::from_utf8(read(path)?)?;
        public_key_from_pem(&pem).with_context(|| path.display().to_string())
    };
    let Some((host, port)) = arguments.broker.rsplit_once(':') else {
        bail!("--broker must be HOST:PORT");
    };
    let chain = chain_from_pem(&read(&arguments.cert)?)?;
    let key = key_from_pem(&read(&arguments.key)?)?;
    let roots = broker_roots(&read(&arguments.ca)?)?;
    Ok(DeviceConfig {
        device: arguments.device.clone(),
        realm: arguments.realm.clone(),
        broker: Broker {
            host: host.to_owned(),
            port: port.parse().context("the port of --broker")?,
            tls: mutual_tls(roots, &chain, &key)?,
            topic_prefix: arguments.topic_prefix.clone(),
            session_expiry: Duration::from_secs(7 * 86_400),
        },
        keys: HostKeys::from_pkcs8_der(&key, chain)?,
        storage: match &arguments.storage {
            Some(folder) => AnyStorage::File(FileStorage::new(folder)?),
            None => AnyStorage::Memory(MemoryStorage::default()),
        },
        authority_keys: vec![AuthorityKey {
            key: public_key(&arguments.authority)?,
            not_before: 0,
            not_after: limits::MAX_INSTANT,
            epoch: arguments.epoch,
            role: Role::Grants,
        }],
        roots: arguments
            .roots
            .iter()
            .map(public_key)
            .collect::<Result<_, _>>()?,
        features: arguments.features.clone(),
        platform: OwnedPlatform {
            sw_name: Some("example-device".to_owned()),
            sw_version: Some(arguments.firmware.clone()),
            sw_built: arguments.built,
            ..OwnedPlatform::default()
        },
    })
}

fn parse_want(text: &str) -> Result<(String, u32), String> {
    let (feature, total) = text.split_once('=').ok_or("write it as FEATURE=TOTAL")?;
    let total = total.parse().map_err(|_| "the total must be a number")?;
    Ok((feature.to_owned(), total))
}

fn parse_code(text: &str) -> Result<ActivationCode, String> {
    text.parse().map_err(|reason| format!("{reason}"))
}
