//! A broker of which the test decides every packet.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::Error;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, ConnectReturnCode, Packet, PubAck, PubAckReason, Publish, SubAck,
    SubscribeReasonCode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::harness::within;
use crate::pki::Pki;

pub(crate) struct ScriptedBroker {
    listener: TcpListener,
    tls: TlsAcceptor,
}

pub(crate) struct Peer {
    stream: TlsStream<TcpStream>,
    buffer: BytesMut,
}

impl ScriptedBroker {
    pub(crate) async fn new(pki: &Pki) -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            tls: TlsAcceptor::from(pki.lenient_broker()),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection, when its CONNECT has come.
    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = within("a connection", self.listener.accept())
            .await
            .unwrap();
        let stream = within("a handshake", self.tls.accept(stream))
            .await
            .unwrap();
        let mut peer = Peer {
            stream,
            buffer: BytesMut::new(),
        };
        let connect = peer.read().await;
        assert!(matches!(connect, Some(Packet::Connect(..))), "{connect:?}");
        peer
    }

    /// The next connection, accepted and subscribed.
    pub(crate) async fn serve(&self, session_present: bool) -> Peer {
        let mut peer = self.accept().await;
        peer.accept(session_present, None).await;
        peer.grant(SubscribeReasonCode::Success(QoS::AtLeastOnce))
            .await;
        peer
    }
}

impl Peer {
    /// The next packet, or nothing when the connection has ended.
    pub(crate) async fn read(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.buffer, None) {
                Ok(packet) => return Some(packet),
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("{error}"),
            }
            match within("a packet", self.stream.read_buf(&mut self.buffer)).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) async fn publish_received(&mut self) -> Publish {
        loop {
            if let Packet::Publish(publish) = self.read().await.expect("a PUBLISH") {
                return publish;
            }
        }
    }

    pub(crate) async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn accept(&mut self, session_present: bool, receive_max: Option<u16>) {
        self.send(Packet::ConnAck(ConnAck {
            session_present,
            code: ConnectReturnCode::Success,
            properties: Some(ConnAckProperties {
                receive_max,
                ..connack_properties()
            }),
        }))
        .await;
    }

    pub(crate) async fn refuse(&mut self, code: ConnectReturnCode) {
        self.send(Packet::ConnAck(ConnAck {
            session_present: false,
            code,
            properties: None,
        }))
        .await;
    }

    /// Answers the SUBSCRIBE that must come first.
    pub(crate) async fn grant(&mut self, reason: SubscribeReasonCode) {
        let packet = self.read().await;
        let Some(Packet::Subscribe(subscribe)) = packet else {
            panic!("{packet:?} instead of SUBSCRIBE");
        };
        self.send(Packet::SubAck(SubAck {
            pkid: subscribe.pkid,
            return_codes: vec![reason; subscribe.filters.len()],
            properties: None,
        }))
        .await;
    }

    pub(crate) async fn acknowledge(&mut self, publish: &Publish, reason: PubAckReason) {
        let mut puback = PubAck::new(publish.pkid, None);
        puback.reason = reason;
        self.send(Packet::PubAck(puback)).await;
    }

    pub(crate) async fn deliver(&mut self, packet_id: u16, topic: &str, payload: Vec<u8>) {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload, None);
        publish.pkid = packet_id;
        self.send(Packet::Publish(publish)).await;
    }
}

fn connack_properties() -> ConnAckProperties {
    ConnAckProperties {
        session_expiry_interval: None,
        receive_max: None,
        max_qos: None,
        retain_available: None,
        max_packet_size: None,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    }
}
