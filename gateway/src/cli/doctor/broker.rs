//! Whether the broker can be reached, and takes the gateway's certificate.

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::Finding;
use crate::config::{Broker, EmbeddedBroker, GatewayTls, HostPort};
use crate::tls::client_config;

const CHECK: &str = "broker";

/// For a connection, and for the handshake.
const PATIENCE: Duration = Duration::from_secs(5);

/// In TLS 1.3 a server tells that it refuses a client's certificate after the handshake.
const SECOND_THOUGHTS: Duration = Duration::from_millis(500);

pub(super) fn examine(broker: &Broker) -> Vec<Finding> {
    let address = &broker.address;
    let stream = match connect(address) {
        Ok(stream) => stream,
        Err(cause) => {
            return match &broker.embedded {
                Some(embedded) => vec![idle(embedded)],
                None => vec![Finding::fail(
                    CHECK,
                    format!("{address} cannot be reached: {cause}"),
                    "check broker.address, and that the broker runs",
                )],
            };
        }
    };
    vec![match greet(stream, address, &broker.tls) {
        Ok(()) => Finding::ok(
            CHECK,
            format!("{address} answers, and takes the gateway's certificate"),
        ),
        Err(cause) => Finding::fail(
            CHECK,
            format!("{address} answers, but TLS fails: {cause}"),
            "check that broker.roots holds the root of the broker's certificate, that the \
             certificate names this address, and that the broker trusts broker.certificate",
        ),
    }]
}

/// Nobody answers where the embedded broker would: could it start?
fn idle(embedded: &EmbeddedBroker) -> Finding {
    let listen = embedded.listen;
    match TcpListener::bind(listen) {
        Ok(_) => Finding::ok(
            CHECK,
            format!("not running; {listen} is free for `fleetgrant serve`"),
        ),
        Err(cause) => Finding::fail(
            CHECK,
            format!("it cannot listen on {listen}: {cause}"),
            "choose another port with broker.embedded.listen and broker.address",
        ),
    }
}

fn connect(address: &HostPort) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in (address.host.as_str(), address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

/// Goes through the handshake, and listens for second thoughts. Sends no CONNECT: the broker
/// would take it for the gateway and close the real one's connection.
fn greet(stream: TcpStream, address: &HostPort, tls: &GatewayTls) -> anyhow::Result<()> {
    let name = ServerName::try_from(address.host.clone())?;
    let connection = ClientConnection::new(Arc::new(client_config(tls)?), name)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    stream.sock.set_read_timeout(Some(SECOND_THOUGHTS))?;
    match stream.read(&mut [0; 1]) {
        Err(cause) if is_timeout(&cause) => Ok(()),
        Err(cause) => Err(cause.into()),
        Ok(0) => anyhow::bail!("the broker closed the connection"),
        // A broker does not speak first, but TLS is as it should be.
        Ok(_) => Ok(()),
    }
}

fn is_timeout(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests;
