//! The access list as `mqtt5` wants it: one provider a connection, which knows whose it is.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;

use super::access::AccessList;
use super::listener::refused;
use crate::identity::PeerIdentity;

/// `mqtt5`'s own `CertificateAuthProvider` never passes the certificate's identity on to the
/// authorisation, so the identity is bound here, before the first byte of MQTT is read.
pub(super) struct ConnectionAuth {
    pub(super) peer: PeerIdentity,
    pub(super) access: Arc<AccessList>,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl ConnectionAuth {
    fn admit(&self, connect: &ConnectPacket) -> Result<(), (ReasonCode, &'static str)> {
        if connect.protocol_version != 5 {
            return Err((ReasonCode::UnsupportedProtocolVersion, "mqtt-version"));
        }
        if !AccessList::may_connect(&self.peer, &connect.client_id) {
            return Err((ReasonCode::ClientIdentifierNotValid, "client-id"));
        }
        // No part of the protocol uses a will, and a delayed one outlives its connection.
        if connect.will.is_some() {
            return Err((ReasonCode::NotAuthorized, "will"));
        }
        Ok(())
    }
}

impl AuthProvider for ConnectionAuth {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        let result = match self.admit(connect) {
            Ok(()) => AuthResult::success(),
            Err((code, reason)) => {
                refused(reason);
                tracing::warn!(peer = ?self.peer, client_id = %connect.client_id, %client_addr,
                    reason, "connection refused");
                AuthResult::fail(code)
            }
        };
        Box::pin(ready(Ok(result)))
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        topic: &'a str,
    ) -> Answer<'a, bool> {
        let allowed = self.access.may_publish(&self.peer, topic);
        if !allowed {
            refused("publish");
            tracing::debug!(peer = ?self.peer, topic, "publish refused");
        }
        Box::pin(ready(allowed))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Answer<'a, bool> {
        let allowed = self.access.may_subscribe(&self.peer, topic_filter);
        if !allowed {
            refused("subscribe");
            tracing::warn!(peer = ?self.peer, topic_filter, "subscription refused");
        }
        Box::pin(ready(allowed))
    }
}

/// Guards the plain listener that `mqtt5` insists on: nobody gets in.
pub(super) struct DenyEverybody;

impl AuthProvider for DenyEverybody {
    fn authenticate<'a>(
        &'a self,
        _connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        refused("plain-listener");
        tracing::warn!(%client_addr, "connection without TLS refused");
        Box::pin(ready(Ok(AuthResult::fail(ReasonCode::NotAuthorized))))
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        _topic: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(ready(false))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        _topic_filter: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(ready(false))
    }
}
