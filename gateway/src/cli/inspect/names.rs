//! The names of what stands in a message, by place: claims, keys, and numbers that stand for words.

use fleetgrant_schemas::ack::{Outcome, OutcomeReason};
use fleetgrant_schemas::entitlement::Model;
use fleetgrant_schemas::keys::Role;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

/// What is known of a value by its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Nothing more than its name.
    Plain,
    /// Seconds since 1970.
    Instant,
    /// A number that stands for a word.
    Word(fn(u64) -> Option<&'static str>),
    /// A COSE algorithm (IANA's registry).
    Algorithm(&'static [(i128, &'static str)]),
    /// A map with known keys.
    Map(&'static [Key]),
    /// An array whose places have meanings.
    Tuple(&'static [Place]),
    /// An array of the same.
    Each(&'static Shape),
    /// CBOR within a byte string.
    Embedded(&'static Shape),
}

/// A key of a map, its name, and what is known of its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(pub(super) i128, pub(super) &'static str, pub(super) Shape);

/// A place in an array, and what is known of what stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(pub(super) &'static str, pub(super) Shape);

use Shape::{Algorithm, Each, Embedded, Instant, Map, Plain, Tuple, Word};

/// The claims of a message.
pub(super) const fn payload(message: MessageType) -> Shape {
    match message {
        MessageType::Request => Map(REQUEST),
        MessageType::Grant => Map(GRANT),
        MessageType::Ack => Map(ACK),
        MessageType::Notice => Map(NOTICE),
        MessageType::Keys => Map(KEYS),
    }
}

/// The protected header (RFC 9052 section 3.1, RFC 9360, RFC 9596).
pub(super) const HEADER: Shape = Map(&[
    Key(1, "alg", Algorithm(&[(-7, "ES256")])),
    Key(4, "kid", Plain),
    Key(16, "typ", Plain),
    Key(33, "x5chain", Plain),
    Key(
        34,
        "x5t",
        Tuple(&[
            Place("hash", Algorithm(&[(-16, "SHA-256")])),
            Place("thumbprint", Plain),
        ]),
    ),
]);

const REQUEST: &[Key] = &[
    Key(1, "iss: device", Plain),
    Key(3, "aud: realm", Plain),
    Key(6, "iat", Instant),
    Key(10, "nonce: challenge echoed", Plain),
    Key(258, "oemid", Plain),
    Key(259, "hwmodel", Plain),
    Key(267, "bootcount", Plain),
    Key(270, "swname", Plain),
    Key(271, "swversion", Plain),
    Key(
        -65537,
        "fleetgrant",
        Map(&[
            Key(0, "version", Plain),
            Key(1, "seq", Plain),
            Key(2, "held", HELD),
            Key(3, "key set", Plain),
            Key(4, "reason", Word(reason)),
            Key(5, "device nonce", Plain),
            Key(6, "wants", Each(&WANT)),
            Key(7, "usage", Each(&USAGE)),
            Key(8, "concerned", Plain),
            Key(
                9,
                "receiver",
                Tuple(&[Place("largest down", Plain), Place("capabilities", Plain)]),
            ),
        ]),
    ),
];

const GRANT: &[Key] = &[
    Key(1, "iss: realm", Plain),
    Key(2, "sub: device", Plain),
    Key(4, "exp: last moment of installation", Instant),
    Key(6, "iat", Instant),
    Key(7, "cti", Plain),
    Key(
        8,
        "cnf",
        Map(&[Key(5, "thumbprint of the device's key", Plain)]),
    ),
    Key(10, "nonce: device nonce answered", Plain),
    Key(
        -65537,
        "fleetgrant",
        Map(&[
            Key(0, "version", Plain),
            Key(1, "epoch", Plain),
            Key(2, "generation", Plain),
            Key(3, "renew after, s", Plain),
            Key(4, "entitlements", Each(&Map(ENTITLEMENT))),
            Key(5, "next challenge", Plain),
            Key(
                6,
                "denials",
                Each(&Tuple(&[
                    Place("want", WANT),
                    Place("rule", Plain),
                    Place("retry after, s", Plain),
                ])),
            ),
            Key(7, "flags", Plain),
        ]),
    ),
];

const ENTITLEMENT: &[Key] = &[
    Key(0, "activation", Plain),
    Key(1, "feature", Plain),
    Key(2, "version ceiling", Plain),
    Key(3, "model", Word(model)),
    Key(4, "start", Instant),
    Key(5, "end", Instant),
    Key(6, "count", Plain),
    Key(7, "grace, s", Plain),
    Key(8, "vendor data", Plain),
    Key(9, "usage base", Plain),
    Key(10, "lease end", Instant),
];

const ACK: &[Key] = &[
    Key(1, "iss: device", Plain),
    Key(3, "aud: realm", Plain),
    Key(6, "iat", Instant),
    Key(
        -65537,
        "fleetgrant",
        Map(&[
            Key(0, "version", Plain),
            Key(1, "n", Plain),
            Key(2, "held", HELD),
            Key(
                3,
                "exceptions",
                Each(&Tuple(&[
                    Place("activation", Plain),
                    Place("outcome", Word(outcome)),
                    Place("why", Word(outcome_reason)),
                ])),
            ),
            Key(6, "shown grant", Embedded(&Plain)),
            Key(7, "usage", Each(&USAGE)),
        ]),
    ),
];

const NOTICE: &[Key] = &[
    Key(1, "iss: realm", Plain),
    Key(2, "sub: device", Plain),
    Key(6, "iat", Instant),
    Key(7, "cti", Plain),
    Key(
        8,
        "cnf",
        Map(&[Key(5, "thumbprint of the device's key", Plain)]),
    ),
    Key(10, "nonce: device nonce answered", Plain),
    Key(
        -65537,
        "fleetgrant",
        Map(&[
            Key(0, "version", Plain),
            Key(1, "code", Word(notice_code)),
            Key(2, "seq expected", Plain),
            Key(3, "retry after, s", Plain),
            Key(4, "text", Plain),
            Key(5, "challenge", Plain),
        ]),
    ),
];

const KEYS: &[Key] = &[
    Key(1, "iss: realm", Plain),
    Key(6, "iat", Instant),
    Key(
        -65537,
        "fleetgrant",
        Map(&[
            Key(0, "version", Plain),
            Key(1, "generation", Plain),
            Key(
                2,
                "keys",
                Each(&Tuple(&[
                    Place(
                        "key",
                        Map(&[
                            Key(1, "kty", Plain),
                            Key(-1, "crv", Plain),
                            Key(-2, "x", Plain),
                            Key(-3, "y", Plain),
                        ]),
                    ),
                    Place("not before", Instant),
                    Place("not after", Instant),
                    Place("epoch", Plain),
                    Place("role", Word(role)),
                ])),
            ),
            Key(3, "retired roots", Plain),
        ]),
    ),
];

const HELD: Shape = Tuple(&[
    Place("epoch", Plain),
    Place("generation", Plain),
    Place("cti", Plain),
]);

const WANT: Shape = Tuple(&[
    Place("by", Word(want_kind)),
    Place("feature or code", Plain),
    Place("total or proof", Plain),
]);

const USAGE: Shape = Tuple(&[Place("activation", Plain), Place("total", Plain)]);

fn want_kind(number: u64) -> Option<&'static str> {
    ["feature", "code"]
        .get(usize::try_from(number).ok()?)
        .copied()
}

macro_rules! words {
    ($($function:ident: $closed:ident,)*) => {$(
        fn $function(number: u64) -> Option<&'static str> {
            $closed::from_number(number).map($closed::as_str)
        }
    )*};
}

words! {
    reason: Reason,
    model: Model,
    outcome: Outcome,
    outcome_reason: OutcomeReason,
    notice_code: NoticeCode,
    role: Role,
}
