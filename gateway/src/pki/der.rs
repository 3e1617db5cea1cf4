//! As much DER (X.690) as certificates need beyond what rcgen writes.

/// Universal tags.
pub(super) const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// `[n]`, constructed: an explicit tag, or an implicit one on a SEQUENCE.
pub(super) const fn context(n: u8) -> u8 {
    0xa0 | n
}

/// Tag, length, content.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let significant = &bytes[bytes.iter().position(|b| *b != 0).unwrap_or(0)..];
            // A usize has at most eight bytes.
            out.push(0x80 | significant.len() as u8);
            out.extend_from_slice(significant);
        }
    }
    out.extend_from_slice(content);
    out
}

/// A SEQUENCE of what is already encoded.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// An OBJECT IDENTIFIER of at least two arcs.
pub(super) fn oid(arcs: &[u64]) -> Vec<u8> {
    let mut content = Vec::new();
    if let [first, second, rest @ ..] = arcs {
        base128(first * 40 + second, &mut content);
        for arc in rest {
            base128(*arc, &mut content);
        }
    }
    tlv(OBJECT_IDENTIFIER, &content)
}

fn base128(value: u64, out: &mut Vec<u8>) {
    let groups = (64 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        // The low seven bits of a group.
        let bits = ((value >> (7 * group)) & 0x7f) as u8;
        out.push(if group == 0 { bits } else { bits | 0x80 });
    }
}

/// The subject alternative name with one hardwareModuleName (RFC 4108 section 5).
pub(super) fn hardware_module_name(hardware_type: &[u64], serial: &[u8]) -> Vec<u8> {
    const ID_ON_HARDWARE_MODULE_NAME: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 8, 4];
    let module = sequence(&[&oid(hardware_type), &tlv(OCTET_STRING, serial)]);
    let value = tlv(context(0), &module);
    let other_name = [oid(&ID_ON_HARDWARE_MODULE_NAME), value].concat();
    sequence(&[&tlv(context(0), &other_name)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_as_in_x690() {
        // X.690 section 8.19.5.
        assert_eq!(oid(&[2, 999, 3]), [0x06, 0x03, 0x88, 0x37, 0x03]);
        assert_eq!(
            oid(&[1, 2, 840, 113_549]),
            [0x06, 0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]
        );
    }

    #[test]
    fn lengths_are_shortest() {
        assert_eq!(tlv(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
    }
}
