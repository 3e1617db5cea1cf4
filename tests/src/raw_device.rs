//! A device that sends whatever a test wants, and looks at the bytes that come back.

use std::sync::Arc;

use fleetgrant::crypto::tls_provider;
use fleetgrant::pki::DeviceCredentials;
use fleetgrant::quickstart::Installation;
use fleetgrant_schemas::ack::Ack;
use fleetgrant_schemas::envelope::{Certificate, Draft, Envelope, Signer, Verified};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::{CertificateThumbprint, Challenge, DeviceId, DeviceNonce};
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::request::{Reason, Receiver, Request};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::{MessageType, Topic};
use fleetgrant_schemas::{Held, Message, OemId, Platform, Want, Writer};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use sha2::{Digest as _, Sha256};

use crate::within;

/// A device with a connection, its key, and what it has heard.
pub struct RawDevice {
    /// Its id.
    pub id: String,
    /// The number of its next request.
    pub seq: u64,
    /// What it echoes.
    pub challenge: Option<Challenge>,
    /// What it says that it holds.
    pub held: Option<Held>,
    client: AsyncClient,
    events: EventLoop,
    key: SigningKey,
    chain: Vec<Vec<u8>>,
    /// Whether it names its certificate by the thumbprint alone.
    pub names_by_thumbprint: bool,
    authority: VerifyingKey,
    acks: u32,
}

/// What came back.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A grant: its bytes as they came, and the names of its features.
    Grant {
        /// The signed message.
        bytes: Vec<u8>,
        /// The set.
        held: Held,
        /// Features in it.
        features: Vec<String>,
        /// Rules that denied.
        denials: Vec<String>,
    },
    /// A notice.
    Notice {
        /// What it says.
        code: NoticeCode,
        /// The lowest seq that would be taken.
        seq_expected: Option<u64>,
        /// The nonce that it answers.
        nonce: Option<DeviceNonce>,
        /// For a log.
        text: Option<String>,
    },
}

impl RawDevice {
    /// Connects a device of the installation and subscribes to its topics.
    pub async fn connect(installation: &Installation, credentials: &DeviceCredentials) -> Self {
        let id = format!("dev-{}", credentials.serial);
        let mut options =
            MqttOptions::new(&id, "localhost", installation.config.broker.address.port);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options
            .set_transport(Transport::Tls(TlsConfiguration::Rustls(tls(
                installation,
                credentials,
            ))))
            .set_network_options(network)
            .set_outgoing_inflight_upper_limit(64)
            .set_max_packet_size(Some(32 * 1024))
            .set_clean_start(true);
        let (client, events) = AsyncClient::new(options, 64);
        let public = std::fs::read_to_string(installation.authority_public_key()).unwrap();
        let mut device = Self {
            id,
            seq: 1,
            challenge: None,
            held: None,
            client,
            events,
            key: SigningKey::from_pkcs8_der(credentials.key_der()).unwrap(),
            chain: credentials.chain().to_vec(),
            names_by_thumbprint: false,
            authority: VerifyingKey::from_public_key_pem(&public).unwrap(),
            acks: 0,
        };
        for message in [MessageType::Grant, MessageType::Notice, MessageType::Keys] {
            let topic = device.topic(message);
            device
                .client
                .try_subscribe(topic, QoS::AtLeastOnce)
                .unwrap();
        }
        let mut answered = 0;
        while answered < 3 {
            if matches!(device.packet().await, Incoming::SubAck(_)) {
                answered += 1;
            }
        }
        device
    }

    fn topic(&self, message: MessageType) -> String {
        let device = DeviceId::new(&self.id).unwrap();
        Topic { device, message }.within("fg").to_string()
    }

    async fn packet(&mut self) -> Incoming {
        loop {
            let event = within("a packet", self.events.poll()).await.unwrap();
            if let Event::Incoming(packet) = event {
                return packet;
            }
        }
    }

    /// Publishes bytes and waits for the broker's PUBACK.
    pub async fn send(&mut self, message: MessageType, bytes: &[u8]) {
        let topic = self.topic(message);
        self.client
            .try_publish(topic, QoS::AtLeastOnce, false, bytes.to_vec())
            .unwrap();
        while !matches!(self.packet().await, Incoming::PubAck(_)) {}
    }

    /// The next message that comes down, its signature checked.
    pub async fn hear(&mut self) -> Heard {
        loop {
            if let Incoming::Publish(publish) = self.packet().await {
                return self.take(&publish.payload);
            }
        }
    }

    /// Whether nothing comes down for a while.
    pub async fn hears_nothing_for(&mut self, time: std::time::Duration) -> bool {
        let hears = async {
            loop {
                let event = self.events.poll().await.unwrap();
                if matches!(event, Event::Incoming(Incoming::Publish(_))) {
                    return;
                }
            }
        };
        tokio::time::timeout(time, hears).await.is_err()
    }

    fn take(&mut self, bytes: &[u8]) -> Heard {
        let verified = self.verify(bytes);
        if verified.message() == MessageType::Notice {
            let notice: Notice<'_> = verified.read().unwrap();
            self.challenge = notice.challenge.or(self.challenge);
            return Heard::Notice {
                code: notice.code,
                seq_expected: notice.seq_expected,
                nonce: notice.nonce,
                text: notice.text.map(str::to_owned),
            };
        }
        let grant: Grant<'_> = verified.read().unwrap();
        self.challenge = Some(grant.next_challenge);
        if self.held.is_none_or(|held| held < grant.held()) {
            self.acks = 0;
            self.held = Some(grant.held());
        }
        Heard::Grant {
            held: grant.held(),
            features: grant
                .entitlements
                .iter()
                .map(|e| e.feature.to_owned())
                .collect(),
            denials: grant.denials.iter().map(|d| d.rule.to_owned()).collect(),
            bytes: bytes.to_vec(),
        }
    }

    fn verify<'b>(&self, bytes: &'b [u8]) -> Verified<'b> {
        Envelope::parse(bytes)
            .unwrap()
            .verify(|signed, signature| {
                let mut message = Vec::new();
                signed.for_each_part(|part| message.extend_from_slice(part));
                let signature = Signature::from_slice(signature).unwrap();
                self.authority.verify(&message, &signature).is_ok()
            })
            .unwrap()
    }

    /// A signed request under the next seq.
    pub fn request(&mut self, reason: Reason, wants: &[Want<'_>]) -> Vec<u8> {
        let seq = self.seq;
        self.seq += 1;
        self.request_with(seq, reason, wants, "test")
    }

    /// A signed request with a seq and for a realm of the test's choice.
    pub fn request_with(
        &self,
        seq: u64,
        reason: Reason,
        wants: &[Want<'_>],
        realm: &str,
    ) -> Vec<u8> {
        self.sign(&Request {
            device: DeviceId::new(&self.id).unwrap(),
            realm,
            issued_at: None,
            challenge: self.challenge,
            platform: Platform {
                oem_id: Some(OemId::Pen(32_473)),
                hw_model: Some(b"mk2"),
                boot_count: Some(1),
                sw_name: Some("test-fw"),
                sw_version: Some("1.0.0"),
            },
            seq,
            held: self.held,
            key_set: 0,
            reason,
            nonce: DeviceNonce(rand::random()),
            wants: Seq::new(wants),
            usage: Seq::empty(),
            concerned: Seq::empty(),
            receiver: Receiver {
                max_down: 4096,
                capabilities: 0,
            },
        })
    }

    /// A signed acknowledgement of what it holds.
    pub fn ack(&mut self) -> Vec<u8> {
        self.acks += 1;
        let ack = Ack {
            device: DeviceId::new(&self.id).unwrap(),
            realm: "test",
            issued_at: None,
            n: self.acks,
            held: self.held.expect("something to acknowledge"),
            exceptions: Seq::empty(),
            shown_grant: None,
            usage: Seq::empty(),
        };
        self.sign(&ack)
    }

    /// A message signed with the device's key, its chain or its thumbprint in the header.
    pub fn sign<'m, M: Message<'m>>(&self, message: &M) -> Vec<u8> {
        let mut payload = vec![0; Writer::measure(|w| message.encode(w))];
        message.encode(&mut Writer::new(&mut payload));
        self.sign_payload(M::TYPE, &payload)
    }

    /// Whatever payload, signed as if it were such a message.
    pub fn sign_payload(&self, message: MessageType, payload: &[u8]) -> Vec<u8> {
        let chain: Vec<_> = self.chain.iter().map(|der| Certificate(der)).collect();
        let signer = match self.names_by_thumbprint {
            true => {
                Signer::Thumbprint(CertificateThumbprint(Sha256::digest(&self.chain[0]).into()))
            }
            false => Signer::Chain(Seq::new(&chain)),
        };
        let mut buffer = vec![0; 8192];
        let draft = Draft::of_payload(&mut buffer, message, &signer, payload).unwrap();
        let signature: Signature = self.key.sign_prehash(&draft.to_sign().digest().0).unwrap();
        draft.finish(&signature.to_bytes().into()).to_vec()
    }

    /// From first contact to the grant: the challenge, and the request that echoes it.
    pub async fn first_contact(&mut self) -> Heard {
        let request = self.request(Reason::Boot, &[]);
        self.send(MessageType::Request, &request).await;
        let heard = self.hear().await;
        let Heard::Notice {
            code: NoticeCode::Challenge,
            ..
        } = heard
        else {
            return heard;
        };
        self.ask(Reason::Boot, &[]).await
    }

    /// Asks, and hears the answer.
    pub async fn ask(&mut self, reason: Reason, wants: &[Want<'_>]) -> Heard {
        let request = self.request(reason, wants);
        self.send(MessageType::Request, &request).await;
        self.hear().await
    }

    /// Acknowledges what it holds.
    pub async fn acknowledge(&mut self) {
        let ack = self.ack();
        self.send(MessageType::Ack, &ack).await;
    }
}

fn tls(installation: &Installation, credentials: &DeviceCredentials) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(&installation.config.broker.tls.roots).unwrap() {
        roots.add(root.unwrap()).unwrap();
    }
    let chain = credentials
        .chain()
        .iter()
        .cloned()
        .map(CertificateDer::from);
    let key = PrivateKeyDer::try_from(credentials.key_der().to_vec()).unwrap();
    let config = ClientConfig::builder_with_provider(tls_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.collect(), key)
        .unwrap();
    Arc::new(config)
}
