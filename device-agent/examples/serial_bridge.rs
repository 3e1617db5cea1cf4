//! A bridge between a device on a serial line and the broker, and the factory that writes the
//! device's first page. The device of `device-agent/firmware` under QEMU, with the data folder of
//! `fleetgrant quickstart` (and `serve` running on it), in a folder of its own:
//!
//! ```sh
//! serial_bridge factory --cert $DATA/pki/devices/MY-1.pem --key $DATA/pki/devices/MY-1.key \
//!     --authority $DATA/pki/authority.pub --realm quickstart --device dev-MY-1 \
//!     --feature bandwidth-500
//! qemu-system-arm -M mps2-an386 -nographic -monitor none -kernel FIRMWARE \
//!     -semihosting-config enable=on,target=native -serial unix:line,server=on,wait=off &
//! serial_bridge connect --serial line --cert $DATA/pki/devices/MY-1.pem \
//!     --key $DATA/pki/devices/MY-1.key --ca $DATA/pki/service-ca.pem --device dev-MY-1
//! ```
//!
//! The bridge is not trusted with more than the broker is. It can keep what comes down (`--record`)
//! and send it again (`--replay`), to show that the device refuses what is old.

#[allow(unreachable_pub, reason = "the firmware's crate hands it out")]
#[path = "../firmware/src/factory.rs"]
mod factory;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Parser};
use factory::{Factory, MAX_CHAIN, MAX_FEATURES};
use fleetgrant_agent::host::{
    Broker, Connection, Happened, broker_roots, chain_from_pem, key_from_pem, mutual_tls,
    public_key_from_pem,
};
use fleetgrant_agent::serial::{self, Kind, Receiver};
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::topic::MessageType;
use minicbor::encode::write::Cursor;
use p256::SecretKey;
use p256::pkcs8::DecodePrivateKey as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// A device on a serial line
#[derive(Debug, Parser)]
enum Command {
    /// Writes a flash image as it leaves the factory
    Factory(MakeImage),
    /// Carries messages between a serial line and the broker
    Connect(Connect),
}

#[derive(Debug, Args)]
struct Credentials {
    /// The device's certificates, the leaf first (PEM)
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// The device's key (PEM, PKCS#8)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The id that its certificate proves
    #[arg(long, value_name = "ID")]
    device: String,
}

#[derive(Debug, Args)]
struct MakeImage {
    #[command(flatten)]
    credentials: Credentials,
    /// The authority's public key (PEM)
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// The epoch of the authority's key
    #[arg(long, default_value_t = 1)]
    epoch: u32,
    /// The realm the device is provisioned for
    #[arg(long)]
    realm: String,
    /// A feature that its firmware knows
    #[arg(long = "feature", value_name = "NAME")]
    features: Vec<String>,
    /// The image
    #[arg(long, value_name = "FILE", default_value = "flash.bin")]
    image: PathBuf,
    /// The first page, in bytes
    #[arg(long, default_value_t = 4_096)]
    page: usize,
    /// The whole image, in bytes
    #[arg(long, default_value_t = 65_536)]
    capacity: usize,
}

#[derive(Debug, Args)]
struct Connect {
    #[command(flatten)]
    credentials: Credentials,
    /// The Unix socket of the line
    #[arg(long, value_name = "SOCKET")]
    serial: PathBuf,
    /// The broker
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:8883")]
    broker: String,
    /// Whom to trust as a broker (PEM)
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// First levels of every topic
    #[arg(long, default_value = "fg")]
    topic_prefix: String,
    /// Keeps every message that comes down in this folder, as NUMBER.TYPE
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Sends this grant once the device is connected
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Factory(arguments) => make_image(&arguments),
        Command::Connect(arguments) => connect(&arguments).await,
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

fn make_image(arguments: &MakeImage) -> anyhow::Result<()> {
    let credentials = &arguments.credentials;
    let chain = chain_from_pem(&read(&credentials.cert)?)?;
    let key = SecretKey::from_pkcs8_der(&key_from_pem(&read(&credentials.key)?)?)?.to_bytes();
    let authority = String::from_utf8(read(&arguments.authority)?)?;
    let authority = public_key_from_pem(&authority)?.to_sec1();
    ensure!(chain.len() <= MAX_CHAIN, "at most {MAX_CHAIN} certificates");
    ensure!(
        arguments.features.len() <= MAX_FEATURES,
        "at most {MAX_FEATURES} features"
    );
    let mut page = Factory {
        device: &credentials.device,
        realm: &arguments.realm,
        key: &key,
        authority: &authority,
        epoch: arguments.epoch,
        chain_len: chain.len(),
        features_len: arguments.features.len(),
        ..Factory::default()
    };
    for (slot, certificate) in page.chain.iter_mut().zip(&chain) {
        *slot = certificate;
    }
    for (slot, feature) in page.features.iter_mut().zip(&arguments.features) {
        *slot = feature;
    }
    // As after an erasure.
    let mut image = vec![0xff; arguments.capacity];
    let first = image.get_mut(..arguments.page);
    let first = first.context("the page is larger than the image")?;
    page.write(Cursor::new(first))
        .ok()
        .context("what the device needs does not fit the first page")?;
    let written = Factory::read(&image).context("what was written cannot be read")?;
    ensure!(written == page, "what was written reads otherwise");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&arguments.image)?;
    Ok(file.write_all(&image)?)
}

async fn connect(arguments: &Connect) -> anyhow::Result<()> {
    let credentials = &arguments.credentials;
    let Some((host, port)) = arguments.broker.rsplit_once(':') else {
        bail!("--broker must be HOST:PORT");
    };
    let chain = chain_from_pem(&read(&credentials.cert)?)?;
    let key = key_from_pem(&read(&credentials.key)?)?;
    let roots = broker_roots(&read(&arguments.ca)?)?;
    let broker = Broker {
        host: host.to_owned(),
        port: port.parse().context("the port of --broker")?,
        tls: mutual_tls(roots, &chain, &key)?,
        topic_prefix: arguments.topic_prefix.clone(),
        session_expiry: Duration::from_secs(7 * 86_400),
    };
    let device = DeviceId::new(&credentials.device)?;
    let mut line = UnixStream::connect(&arguments.serial)
        .await
        .with_context(|| arguments.serial.display().to_string())?;
    let (connection, mut happened) = Connection::open(&broker, device);
    let mut receiver = Receiver::new(vec![0; limits::MAX_UP]);
    let mut bytes = [0; 512];
    let mut count = 0;
    loop {
        tokio::select! {
            len = line.read(&mut bytes) => {
                let len = match len {
                    Ok(0) | Err(_) => break,
                    Ok(len) => len,
                };
                for byte in &bytes[..len] {
                    let Some((Kind::Message(message), payload)) = receiver.take(*byte) else {
                        continue;
                    };
                    println!("up {message} of {} bytes", payload.len());
                    connection.publish(message, payload.to_vec());
                }
            }
            happening = happened.recv() => match happening {
                Some(Happened::Ready) => {
                    println!("connected");
                    line.write_all(&frame(Kind::Connected, &[])).await?;
                    if let Some(path) = &arguments.replay {
                        let grant = frame(Kind::Message(MessageType::Grant), &read(path)?);
                        line.write_all(&grant).await?;
                    }
                }
                Some(Happened::Message(message, payload)) => {
                    println!("down {message} of {} bytes", payload.len());
                    if let Some(folder) = &arguments.record {
                        count += 1;
                        fs::create_dir_all(folder)?;
                        fs::write(folder.join(format!("{count}.{message}")), &payload)?;
                    }
                    line.write_all(&frame(Kind::Message(message), &payload)).await?;
                }
                Some(Happened::Lost(reason)) => println!("disconnected: {reason}"),
                None => break,
            },
        }
    }
    connection.close().await;
    Ok(())
}

fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    serial::send(kind, payload, |byte| frame.push(byte));
    frame
}
