//! `fleetgrant inspect`: what a message file says, and whether its signature is good.

mod diagnostic;
mod key;
mod names;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::anyhow;
use fleetgrant_schemas::ack::Ack;
use fleetgrant_schemas::envelope::{Envelope, Signer, Verified};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::keys::KeySet;
use fleetgrant_schemas::notice::Notice;
use fleetgrant_schemas::request::Request;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Malformed, limits};

use super::stdout::stdout;
use super::{Failure, OrUnavailable, message_file};

/// Show any message file in CBOR diagnostic notation, with the names of its claims
///
/// Ends with 0 if the message is well formed and its signature, where it was checked, is good.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The message, as bytes or in hex; - reads standard input
    file: PathBuf,
    /// Who is to have signed: a certificate or a key in PEM
    #[arg(long, value_name = "PEM")]
    by: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let bytes = message_file::read(&args.file)?;
    let by = args.by.as_deref().map(key::read).transpose()?;
    let mut out = stdout();
    let verdict = describe(&bytes, by.as_ref(), &mut out)
        .or_unavailable(|| "cannot write the message".to_owned())?;
    verdict.map_err(|fault| Failure::refused(anyhow!(fault)))
}

/// What is wrong with a message.
type Fault = String;

fn describe(
    bytes: &[u8],
    by: Option<&key::PublicKey>,
    out: &mut impl Write,
) -> io::Result<Result<(), Fault>> {
    let (message, mut verdict) = match Envelope::parse(bytes) {
        Ok(envelope) => {
            let message = envelope.message();
            writeln!(out, "message    {message}, {} bytes", bytes.len())?;
            writeln!(out, "signer     {}", signer(&envelope.signer()))?;
            let verdict = describe_verified(envelope, by, out)?;
            (Some(message), verdict)
        }
        Err(reason) => {
            writeln!(
                out,
                "message    {} bytes, no message of version {}",
                bytes.len(),
                limits::VERSION
            )?;
            (
                None,
                Err(format!("refused as {}: {reason}", reason.as_str())),
            )
        }
    };
    writeln!(out)?;
    match serde_cbor::from_slice(bytes) {
        Ok(value) => diagnostic::write_envelope(out, &value, message)?,
        Err(cause) => verdict = Err(format!("no CBOR: {cause}")),
    }
    Ok(verdict)
}

fn describe_verified(
    envelope: Envelope<'_>,
    by: Option<&key::PublicKey>,
    out: &mut impl Write,
) -> io::Result<Result<(), Fault>> {
    let in_message = key::of_signer(&envelope.signer());
    let (key, whose) = match (by, &in_message) {
        (Some(key), _) => (Some(key), "the key given"),
        (None, Some(key)) => (
            Some(key),
            "the certificate in it, which nobody here vouches for",
        ),
        (None, None) => (None, ""),
    };
    let (mut good, mut checked) = (true, false);
    let verified = envelope.verify(|signed, signature| {
        if let Some(key) = key {
            checked = true;
            good = key.verifies(signed, signature);
        }
        // Shown whatever it is worth; the verdict says what that is.
        true
    });
    match (checked, good) {
        (false, _) => writeln!(
            out,
            "signature  not checked: give the signer's key with --by"
        )?,
        (true, true) => writeln!(out, "signature  good, by {whose}")?,
        (true, false) => writeln!(out, "signature  BAD: not by {whose}")?,
    }
    let Ok(verified) = verified else {
        return Ok(Err("the signature was not checked".to_owned()));
    };
    writeln!(out, "digest     {}", verified.digest())?;
    Ok(match strict(&verified) {
        Err(reason) => Err(format!(
            "the payload is refused as {}: {reason}",
            reason.as_str()
        )),
        Ok(()) if !good => Err("the signature is not by the key it was checked with".to_owned()),
        Ok(()) => Ok(()),
    })
}

/// Reads the payload as both ends do.
fn strict(verified: &Verified<'_>) -> Result<(), Malformed> {
    match verified.message() {
        MessageType::Request => verified.read::<Request<'_>>().map(drop),
        MessageType::Grant => verified.read::<Grant<'_>>().map(drop),
        MessageType::Ack => verified.read::<Ack<'_>>().map(drop),
        MessageType::Notice => verified.read::<Notice<'_>>().map(drop),
        MessageType::Keys => verified.read::<KeySet<'_>>().map(drop),
    }
}

fn signer(signer: &Signer<'_>) -> String {
    match signer {
        Signer::Chain(chain) => format!("a device, by a chain of {} certificates", chain.len()),
        Signer::Thumbprint(thumbprint) => {
            format!("a device, by certificate thumbprint {thumbprint}")
        }
        Signer::Key(kid) => format!("the authority, by key id {kid}"),
    }
}

#[cfg(test)]
mod tests;
