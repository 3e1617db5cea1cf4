//! Every capacity and limit of version 1, in one place. Sizes are bytes, durations seconds.

/// The protocol version this crate speaks: key 0 of the private claim.
pub const VERSION: u8 = 1;

/// Largest message a gateway reads (request, ack).
pub const MAX_UP: usize = 8_192;
/// Largest message a device reads (grant, notice, keys), unless it announces less.
pub const MAX_DOWN: usize = 4_096;
/// Smallest `max_down` a device may announce: one entitlement with vendor data fits.
pub const MIN_DOWN: usize = 512;

/// No header and no payload nests arrays and maps deeper than this, the outermost counted as 1.
pub const MAX_DEPTH: usize = 6;
/// Entitlements in one grant set.
pub const MAX_ENTITLEMENTS: usize = 64;
/// Wants in one request, and denials in one grant.
pub const MAX_WANTS: usize = 8;
/// Usage totals in one request or ack, exceptions in one ack, activation ids in one request.
pub const MAX_LISTED: usize = MAX_ENTITLEMENTS;
/// Certificates in an `x5chain`, the leaf first and the root left out.
pub const MAX_CHAIN: usize = 4;
/// One certificate in an `x5chain`.
pub const MAX_CERTIFICATE: usize = 4_096;
/// Keys in one key set.
pub const MAX_KEYS: usize = 8;
/// Retired roots named in one key set.
pub const MAX_RETIRED_ROOTS: usize = 2;

/// A device id, in characters.
pub const MAX_DEVICE_ID: usize = 64;
/// A realm, in characters.
pub const MAX_REALM: usize = 64;
/// A feature name, in characters.
pub const MAX_FEATURE: usize = 32;
/// The name of a rule, in characters.
pub const MAX_RULE: usize = 32;
/// A version ceiling, in characters.
pub const MAX_VERSION_CEILING: usize = 16;
/// Vendor data of one entitlement.
pub const MAX_VENDOR_DATA: usize = 64;
/// The text of a notice, in bytes of UTF-8.
pub const MAX_NOTICE_TEXT: usize = 32;
/// `hwmodel` (RFC 9711 section 4.2.4).
pub const MAX_HWMODEL: usize = 32;
/// `swname` and `swversion` (RFC 9711 sections 4.2.6 and 4.2.7), in bytes of UTF-8.
pub const MAX_SOFTWARE: usize = 32;
/// A topic prefix, in bytes of UTF-8.
pub const MAX_TOPIC_PREFIX: usize = 32;

/// `seq` and `generation` stay below this (2^48).
pub const MAX_COUNTER: u64 = (1 << 48) - 1;
/// A request's seq may pass the last one by less than this (2^24).
pub const MAX_SEQ_JUMP: u64 = 1 << 24;
/// A device persists its seq in blocks of this many.
pub const SEQ_BLOCK: u64 = 16;
/// The last instant there is: the last second of the year 9999, as in X.509.
pub const MAX_INSTANT: u64 = 253_402_300_799;

/// A challenge is good for a day when it is sent over the wire, for 90 days in a file.
pub const CHALLENGE_LIFETIME: u64 = 86_400;
/// See [`CHALLENGE_LIFETIME`].
pub const CHALLENGE_LIFETIME_OFFLINE: u64 = 90 * 86_400;
/// A grant can be installed for 30 days after it was decided.
pub const INSTALL_WINDOW: u64 = 30 * 86_400;
/// A factory grant can be installed for two years.
pub const INSTALL_WINDOW_FACTORY: u64 = 2 * 365 * 86_400;
/// How long past the end and the grace a unit counts as held without proof of removal.
pub const SLACK: u64 = 86_400;
/// `retry-after` is clamped to a day by the device.
pub const MAX_RETRY_AFTER: u64 = 86_400;
