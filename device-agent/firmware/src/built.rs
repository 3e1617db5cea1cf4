//! When the firmware was built.

/// In seconds since 1970: what build ceilings are compared with. By `SOURCE_DATE_EPOCH`, which a
/// build that is reproduced is told; without it, rights with a build ceiling are refused.
pub const BUILT: Option<u64> = match option_env!("SOURCE_DATE_EPOCH") {
    Some(text) => match u64::from_str_radix(text, 10) {
        Ok(seconds) => Some(seconds),
        Err(_) => panic!("SOURCE_DATE_EPOCH must be a number of seconds"),
    },
    None => None,
};
