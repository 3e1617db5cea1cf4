//! The data folder, keys and certificates.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fleetgrant_core::domain::{Realm, Timestamp};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::parse_x509_certificate;

use super::Finding;
use crate::config::{Authority, Config};
use crate::crypto::{AuthorityKey, PublishedKeySet};
use crate::identity::{AnchorConfig, TrustAnchor};
use crate::tls;
use crate::webhook::Vault;

/// A certificate with less than this left is to be replaced: 30 days.
const SOON_SECONDS: u64 = 30 * 86_400;

const MAKE_ONE: &str = "`fleetgrant pki` makes one for development";

pub(super) fn data_dir(path: &Path) -> Finding {
    const CHECK: &str = "data folder";
    match tempfile_in(path) {
        Ok(()) => Finding::ok(CHECK, format!("{} can be written", path.display())),
        Err(cause) => Finding::fail(
            CHECK,
            format!("{} cannot be written: {cause}", path.display()),
            "make it, give it to the gateway's user, or choose another with data_dir",
        ),
    }
}

/// Permission bits do not tell: a file system may be read-only or full.
fn tempfile_in(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    fs::write(&probe, b"probe")?;
    fs::remove_file(&probe)
}

pub(super) fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    let broker = &config.broker;
    let mut findings = vec![
        certificate("gateway", &broker.tls.certificate, now),
        key("gateway", &broker.tls.key),
        certificate("service CA", &broker.tls.roots, now),
    ];
    if let Some(embedded) = &broker.embedded {
        findings.push(certificate("broker", &embedded.certificate, now));
        findings.push(key("broker", &embedded.key));
    }
    let (webhooks, people) = (&config.webhooks, config.http.as_ref());
    let issuer = people.and_then(|http| http.oidc.as_ref());
    for (check, key, path) in [
        ("webhooks", "webhooks.roots", webhooks.roots.as_deref()),
        (
            "token issuer",
            "http.oidc.roots",
            issuer.and_then(|issuer| issuer.roots.as_deref()),
        ),
    ] {
        findings.extend(path.map(|path| roots(check, key, path, now)));
    }
    findings.extend(sealing_key(&webhooks.sealing_key));
    findings.push(match &config.authority {
        Some(configured) => authority(configured, config.realm.as_str()),
        None => Finding::warn(
            "authority",
            "no section [authority]: nothing can be signed",
            "configure one; docs/samples/fleetgrant.toml shows it",
        ),
    });
    findings.extend(config.trust_anchors.iter().flat_map(|a| anchor(a, now)));
    if config.trust_anchors.is_empty() {
        findings.push(Finding::warn(
            "trust anchor",
            "no [[trust_anchor]]: no device is known",
            "configure one; docs/samples/fleetgrant.toml shows it",
        ));
    }
    findings
}

/// The roots that others' certificates must chain to.
fn roots(check: &'static str, key: &str, path: &Path, now: Timestamp) -> Finding {
    match tls::root_store(path) {
        Ok(_) => certificate(check, path, now),
        Err(cause) => Finding::fail(
            check,
            format!("{key}: {cause}"),
            format!(
                "give the root certificates in PEM, or leave {key} out: the system's are trusted then"
            ),
        ),
    }
}

/// The key of webhooks' secrets, once there is one.
fn sealing_key(path: &Path) -> Option<Finding> {
    const CHECK: &str = "webhooks";
    match Vault::new(path.to_owned()).key_id() {
        Ok(None) => None,
        Ok(Some(id)) => Some(Finding::ok(
            CHECK,
            format!("{} is the key {id} of their secrets", path.display()),
        )),
        Err(cause) => Some(Finding::fail(
            CHECK,
            cause.to_string(),
            "mend it, or rotate the webhooks; docs/webhooks.md tells what it is for",
        )),
    }
}

fn anchor(configured: &AnchorConfig, now: Timestamp) -> Vec<Finding> {
    const CHECK: &str = "trust anchor";
    let name = &configured.name;
    // The paths of the configuration are resolved already.
    let anchor = match TrustAnchor::load(configured.clone(), Path::new("")) {
        Ok(anchor) => anchor,
        Err(cause) => {
            let advice = "give the factory's root certificates in PEM";
            return vec![Finding::fail(CHECK, cause.to_string(), advice)];
        }
    };
    let faults = anchor.faults(now);
    if faults.is_empty() {
        return vec![Finding::ok(
            CHECK,
            format!("{name}: its certificates can be used"),
        )];
    }
    faults
        .into_iter()
        .map(|fault| {
            let advice = "replace the file; its devices may be refused meanwhile";
            Finding::warn(CHECK, format!("{name}: {fault}"), advice)
        })
        .collect()
}

fn authority(configured: &Authority, realm: &str) -> Finding {
    let readable = key("authority", &configured.key);
    if readable.verdict != "ok" {
        return readable;
    }
    let Authority {
        key: path,
        epoch,
        not_before,
        not_after,
        key_set,
    } = configured;
    let key = match AuthorityKey::load(path, *epoch, *not_before, *not_after) {
        Ok(key) => key,
        Err(cause) => return Finding::fail("authority", cause.to_string(), MAKE_ONE),
    };
    if let (Some(key_set), Ok(realm)) = (key_set, Realm::new(realm))
        && let Err(cause) = PublishedKeySet::load(key_set, &realm, &key)
    {
        let advice = "sign one with `fleetgrant pki keys`; docs/key-rollover.md tells how";
        return Finding::fail("authority", cause.to_string(), advice);
    }
    Finding::ok(
        "authority",
        format!("{} is the key with id {}", path.display(), key.key_id()),
    )
}

fn key(check: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(cause) => return Finding::fail(check, format!("{shown}: {cause}"), MAKE_ONE),
    };
    if mode & 0o077 != 0 {
        return Finding::fail(
            check,
            format!("{shown} can be read by others (mode {mode:03o})"),
            format!("chmod 600 {shown}, and replace the key if others could reach this machine"),
        );
    }
    match PrivateKeyDer::from_pem_file(path) {
        Ok(_) => Finding::ok(check, format!("{shown} is a private key, mode {mode:03o}")),
        // The cause could quote the file, which is a secret.
        Err(_) => Finding::fail(
            check,
            format!("{shown} holds no private key in PEM"),
            MAKE_ONE,
        ),
    }
}

fn certificate(check: &'static str, path: &Path, now: Timestamp) -> Finding {
    let shown = path.display();
    let first = match CertificateDer::from_pem_file(path) {
        Ok(first) => first,
        Err(cause) => {
            return Finding::fail(
                check,
                format!("{shown} holds no certificate: {cause}"),
                MAKE_ONE,
            );
        }
    };
    let Ok((_, certificate)) = parse_x509_certificate(&first) else {
        return Finding::fail(
            check,
            format!("{shown} holds no X.509 certificate"),
            MAKE_ONE,
        );
    };
    let seconds = |time: x509_parser::time::ASN1Time| {
        Timestamp::from_seconds(u64::try_from(time.timestamp()).unwrap_or(0))
    };
    let from = seconds(certificate.validity().not_before);
    let until = seconds(certificate.validity().not_after);
    if now < from {
        Finding::fail(
            check,
            format!("{shown} is valid from {from} on"),
            "check the clock",
        )
    } else if now > until {
        Finding::fail(check, format!("{shown} expired at {until}"), "replace it")
    } else if now.plus_seconds(SOON_SECONDS) > until {
        Finding::warn(
            check,
            format!("{shown} expires at {until}"),
            "replace it in time",
        )
    } else {
        Finding::ok(check, format!("{shown} is valid until {until}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_others_can_read_is_a_fault_and_so_is_what_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.key");
        let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
        fs::write(&path, private).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let open = key("gateway", &path);
        assert_eq!(open.verdict, "fail");
        assert!(open.found.contains("mode 640"), "{}", open.found);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(key("gateway", &path).verdict, "ok");
        fs::write(&path, "secret").unwrap();
        let wrong = key("gateway", &path);
        assert_eq!(wrong.verdict, "fail");
        assert!(!wrong.found.contains("secret"), "{}", wrong.found);
        assert_eq!(key("gateway", &folder.path().join("none")).verdict, "fail");
    }

    #[test]
    fn a_certificate_is_judged_by_the_time_it_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.pem");
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
        let at = |date: &str| {
            let instant: jiff::Timestamp = format!("{date}T00:00:00Z").parse().unwrap();
            let now = Timestamp::from_micros(instant.as_microsecond());
            certificate("gateway", &path, now).verdict
        };
        assert_eq!(at("2025-12-31"), "fail");
        assert_eq!(at("2026-01-01"), "ok");
        assert_eq!(at("2026-12-01"), "ok");
        assert_eq!(at("2026-12-03"), "warn");
        assert_eq!(at("2027-01-02"), "fail");
    }

    #[test]
    fn roots_of_others_are_read_as_the_gateway_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        let now = Timestamp::from_seconds(1_800_000_000);
        let of = |path: &Path| roots("webhooks", "webhooks.roots", path, now);
        let missing = of(&path);
        assert_eq!(missing.verdict, "fail");
        assert!(
            missing.found.starts_with("webhooks.roots: "),
            "{}",
            missing.found
        );
        assert!(
            missing.advice.contains("the system's"),
            "{}",
            missing.advice
        );
        fs::write(&path, "no certificate").unwrap();
        assert_eq!(of(&path).verdict, "fail");
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2036, 1, 1);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
        assert_eq!(of(&path).verdict, "ok");
    }

    #[test]
    fn a_folder_that_is_not_there_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(data_dir(folder.path()).verdict, "ok");
        assert_eq!(data_dir(&folder.path().join("none")).verdict, "fail");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
