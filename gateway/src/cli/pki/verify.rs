//! `fleetgrant pki verify`: what the gateway would say of a certificate.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::anyhow;
use fleetgrant_core::domain::Timestamp;

use super::super::stdout::stdout;
use super::super::{Failure, OrUnavailable};
use crate::clock::Clock;
use crate::identity::pem_files::{self, Kind};
use crate::identity::{
    AdmissionMode, AnchorConfig, AnchorError, AnchorMaterial, CrlCoverage, DeviceVerifier,
    IdentityRule, InvalidTrust, Purpose, Refusal, TrustAnchor, VerifiedCertificate,
};

/// Say whether a device certificate would be accepted, and as whom
///
/// Files are PEM with any number of entries, or one entry in DER. Ends with 0 if the certificate
/// is accepted, 1 if it is refused, 2 if a file cannot be read.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Root certificates
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    roots: Vec<PathBuf>,
    /// Certificates of CAs between the roots and the device
    #[arg(long, value_name = "FILE", num_args = 1..)]
    intermediates: Vec<PathBuf>,
    /// The device's certificate; what follows it in the file was presented above it
    #[arg(long, value_name = "FILE")]
    leaf: PathBuf,
    /// Certificate revocation lists
    #[arg(long, value_name = "FILE", num_args = 1..)]
    crl: Vec<PathBuf>,
    /// Which certificates these must cover, if there are any
    #[arg(long, value_enum, default_value_t = CrlCoverage::None)]
    crl_coverage: CrlCoverage,
    /// The moment to judge by, as 2026-01-31T00:00:00Z [default: now]
    #[arg(long, value_name = "RFC3339")]
    time: Option<jiff::Timestamp>,
    /// What the certificate is to be used for
    #[arg(long, value_enum, default_value_t = For::Client)]
    purpose: For,
    /// Where the identity stands: subject.serialNumber, subject.commonName, san.uri,
    /// san.hwModuleName[:TYPE-OID], otherName:OID [default: the first of them that is there]
    #[arg(long, value_name = "RULE")]
    identity: Option<IdentityRule>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum For {
    /// To sign messages and authenticate as a TLS client
    Client,
    /// Whatever its keyUsage and extendedKeyUsage say
    Any,
}

impl From<For> for Purpose {
    fn from(purpose: For) -> Self {
        match purpose {
            For::Client => Self::Client,
            For::Any => Self::Any,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let read = |paths: &[PathBuf], kind| -> Result<Vec<Vec<u8>>, Failure> {
        let mut ders = Vec::new();
        for path in paths {
            ders.extend(pem_files::read(path, kind).map_err(Failure::input)?);
        }
        Ok(ders)
    };
    let material = AnchorMaterial {
        roots: read(&args.roots, Kind::Certificate)?,
        intermediates: read(&args.intermediates, Kind::Certificate)?,
        crls: read(&args.crl, Kind::Crl)?,
    };
    let chain = read(std::slice::from_ref(&args.leaf), Kind::Certificate)?;
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let now = args.time.map_or_else(
        || Clock::system().now(),
        |time| Timestamp::from_micros(time.as_microsecond()),
    );
    let rules = match &args.identity {
        Some(rule) => vec![rule.clone()],
        None => IdentityRule::ANY.to_vec(),
    };
    let anchors = rules
        .into_iter()
        .map(|rule| anchor(rule, args.crl_coverage));
    let verdict = judge(
        &material,
        &chain,
        now,
        args.purpose.into(),
        anchors.collect(),
    )?;
    describe(&verdict, &mut stdout()).or_unavailable(|| "cannot write the verdict".to_owned())?;
    match verdict {
        Verdict::Accepted { .. } => Ok(()),
        Verdict::Refused(refusal) => Err(Failure::refused(anyhow!(
            "the certificate is refused as {}",
            refusal.name()
        ))),
    }
}

enum Verdict {
    Accepted {
        certificate: VerifiedCertificate,
        notes: Vec<String>,
    },
    Refused(Refusal),
}

/// The verdict under the first anchor whose rule finds an identity.
fn judge(
    material: &AnchorMaterial,
    chain: &[&[u8]],
    now: Timestamp,
    purpose: Purpose,
    anchors: Vec<AnchorConfig>,
) -> Result<Verdict, Failure> {
    let several = anchors.len() > 1;
    for config in anchors {
        let anchor = match TrustAnchor::new(config, material.clone()) {
            Ok(anchor) => anchor,
            Err(AnchorError::Invalid {
                source: InvalidTrust::Certificate(refusal),
                ..
            }) => return Ok(Verdict::Refused(refusal)),
            Err(error) => return Err(Failure::input(error)),
        };
        let notes = anchor.faults(now);
        let verifier = DeviceVerifier::new(vec![anchor], 0).map_err(Failure::input)?;
        match verifier.verify_afresh(chain, now, purpose) {
            Ok(certificate) => return Ok(Verdict::Accepted { certificate, notes }),
            Err(Refusal::NoUsableIdentity { .. }) if several => {}
            Err(refusal) => return Ok(Verdict::Refused(refusal)),
        }
    }
    Ok(Verdict::Refused(Refusal::NoUsableIdentity {
        rule: "field that an identity rule reads".to_owned(),
    }))
}

fn anchor(identity: IdentityRule, crl_coverage: CrlCoverage) -> AnchorConfig {
    AnchorConfig {
        name: "command line".to_owned(),
        product_line: String::new(),
        id_prefix: "cli".parse().expect("lower-case letters"),
        identity,
        admission: AdmissionMode::Open,
        roots: Vec::new(),
        intermediates: Vec::new(),
        crls: Vec::new(),
        refuse_stale_crls: false,
        crl_coverage,
        pinned_devices_outlive_issuing_ca: false,
    }
}

fn describe(verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    match verdict {
        Verdict::Accepted { certificate, notes } => {
            writeln!(out, "verdict      accepted")?;
            writeln!(out, "identity     {}", readable(certificate.identity()))?;
            writeln!(out, "rule         {}", certificate.anchor().identity_rule())?;
            if let Some(hardware_type) = certificate.hardware_type() {
                writeln!(out, "hardware     {hardware_type}")?;
            }
            writeln!(out, "key          {}", certificate.key_thumbprint())?;
            writeln!(out, "certificate  {}", certificate.certificate())?;
            writeln!(out, "not after    {}", end(certificate.not_after()))?;
            for note in notes {
                writeln!(out, "note         {note}")?;
            }
            Ok(())
        }
        Verdict::Refused(refusal) => {
            writeln!(out, "verdict      refused")?;
            writeln!(out, "reason       {}", refusal.name())?;
            writeln!(out, "             {refusal}")
        }
    }
}

/// RFC 5280 section 4.1.2.5: the last second of 9999 says that there is no end.
fn end(not_after: Timestamp) -> String {
    const LAST_DAY: Timestamp = Timestamp::from_seconds(253_402_214_400);
    if not_after < LAST_DAY {
        not_after.to_string()
    } else {
        "no end".to_owned()
    }
}

/// Text as it is, without what would move the cursor; bytes in hex.
fn readable(identity: &[u8]) -> String {
    match std::str::from_utf8(identity) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => identity
            .iter()
            .fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
    }
}
