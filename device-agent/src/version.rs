//! Version ceilings: the newest firmware a right is good for.

/// Whether firmware `version` is at or below `ceiling`.
///
/// Both are dotted decimal numbers, compared number by number. Where the ceiling ends, or says
/// `x`, anything goes: `2.x` and `2` allow 2.0 to 2.999. A version that ends first counts as 0
/// there. What cannot be read is above every ceiling.
pub(crate) fn is_within(version: &str, ceiling: &str) -> bool {
    // Split as bytes: searching text for a character would be linked for nothing else.
    let is_dot = |byte: &u8| *byte == b'.';
    let mut version = version.as_bytes().split(is_dot);
    for limit in ceiling.as_bytes().split(is_dot) {
        if limit == b"x" {
            return true;
        }
        let version = version.next().unwrap_or(b"0");
        let (Some(number), Some(limit)) = (number(version), number(limit)) else {
            return false;
        };
        if number != limit {
            return number < limit;
        }
    }
    true
}

#[inline(never)]
fn number(digits: &[u8]) -> Option<u32> {
    let add = |number: u32, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    (!digits.is_empty()).then(|| digits.iter().try_fold(0, add))?
}

#[cfg(test)]
mod tests {
    use super::is_within;

    #[test]
    fn ceilings() {
        let within = [
            ("1.2.3", "2.x"),
            ("2.9.1", "2.x"),
            ("2.9.1", "2"),
            ("2.0", "2.0.0"),
            ("2", "2.0"),
            ("2.10", "2.10"),
            ("2.9", "2.10"),
            ("7", "x"),
        ];
        for (version, ceiling) in within {
            assert!(is_within(version, ceiling), "{version} within {ceiling}");
        }
        let above = [
            ("3.0", "2.x"),
            ("2.10", "2.9"),
            ("2.0.1", "2.0.0"),
            ("2.0-beta", "2.0"),
            ("", "2"),
            ("2.1", "2.+1"),
            ("99999999999", "100000000000"),
        ];
        for (version, ceiling) in above {
            assert!(!is_within(version, ceiling), "{version} above {ceiling}");
        }
    }
}
