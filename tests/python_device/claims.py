"""What each message may hold: PROTOCOL.md, section 5, as data.

A check takes a value and raises Refused unless it is what its field allows.
"""

import re
import unicodedata

from cbor import Refused

VERSION = 1
OURS = -65537
MAX_INSTANT = 253402300799


def uint(most, least=0):
    def check(value):
        if type(value) is not int or value < 0:  # a bool is no int here
            raise Refused("wrong-type")
        if not least <= value <= most:
            raise Refused("out-of-range")

    return check


def data(*lengths):
    def check(value):
        if type(value) is not bytes:
            raise Refused("wrong-type")
        if len(value) not in lengths:
            raise Refused("wrong-length")

    return check


def text(most):
    def check(value):
        if type(value) is not str:
            raise Refused("wrong-type")
        if not 1 <= len(value.encode()) <= most:
            raise Refused("wrong-length")
        if any(unicodedata.category(c) == "Cc" for c in value):
            raise Refused("control-character")

    return check


def matching(pattern, most):
    def check(value):
        text(most)(value)
        if not re.fullmatch(pattern, value):
            raise Refused("out-of-range")

    return check


def constant(only, reason):
    def check(value):
        if type(value) is not type(only):
            raise Refused("wrong-type")
        if value != only:
            raise Refused(reason)

    return check


def items(most, check_item, subject=None, least=0):
    """A list; no two of its elements have the same subject."""

    def check(value):
        if type(value) is not list:
            raise Refused("wrong-type")
        if len(value) > most:
            raise Refused("too-many")
        if len(value) < least:
            raise Refused("wrong-length")
        for item in value:
            check_item(item)
        if subject is not None and len({subject(item) for item in value}) < len(value):
            raise Refused("repeated")

    return check


def row(*checks):
    def check(value):
        if type(value) is not list:
            raise Refused("wrong-type")
        if len(value) != len(checks):
            raise Refused("wrong-length")
        for element, check_element in zip(value, checks):
            check_element(element)

    return check


def nullable(check_value):
    return lambda value: None if value is None else check_value(value)


def fields(required, optional=()):
    """A map with exactly these keys."""
    optional = dict(optional)

    def check(value):
        if type(value) is not dict:
            raise Refused("wrong-type")
        for key, element in value.items():
            if type(key) is not int:
                raise Refused("wrong-type")
            known = required.get(key) or optional.get(key)
            if known is None:
                raise Refused("unknown-key")
            known(element)
        if not required.keys() <= value.keys():
            raise Refused("missing-key")

    return check


def every(*checks):
    def check(value):
        for one in checks:
            one(value)

    return check


u32, u48, u64 = uint(2**32 - 1), uint(2**48 - 1), uint(2**64 - 1)
instant = uint(MAX_INSTANT)
id16 = data(16)
device = matching(r"[A-Za-z0-9._-]+", 64)
realm = text(64)
feature = matching(r"[!-~]+", 32)
rule = matching(r"[!-~]+", 32)
version = constant(VERSION, "version")
confirmation = fields({5: data(32)})
held = row(u32, u48, id16)
usage = items(64, row(id16, u64), subject=lambda total: total[0])


def want(value):
    if type(value) is not list:
        raise Refused("wrong-type")
    if len(value) != 3:
        raise Refused("wrong-length")
    uint(1)(value[0])
    row(uint(1), *[(feature, u32), (data(5), data(32))][value[0]])(value)


def subject_of_want(value):
    return value[0], value[1]


def oem_id(value):
    (u32 if type(value) is int else data(3, 16))(value)


def goes_with(key, other):
    def check(value):
        if key in value and other not in value:
            raise Refused("missing-key")

    return check


REQUEST = every(
    fields(
        {
            1: device,
            3: realm,
            OURS: fields(
                {
                    0: version,
                    1: u48,
                    2: nullable(held),
                    3: u32,
                    4: uint(7),
                    5: id16,
                    6: items(8, want, subject_of_want),
                    7: usage,
                    9: row(uint(4096, least=512), u32),
                },
                {8: items(64, id16, subject=bytes, least=1)},
            ),
        },
        {
            6: instant,
            10: id16,
            258: oem_id,
            259: data(*range(1, 33)),
            267: u32,
            270: text(32),
            271: row(text(32)),
        },
    ),
    goes_with(259, 258),
    goes_with(271, 270),
)

ENTITLEMENT = fields(
    {0: id16, 1: feature, 3: uint(7, least=1)},
    {
        2: matching(r"[!-~]+", 16),
        4: instant,
        5: instant,
        6: u64,
        7: u32,
        8: data(*range(1, 65)),
        9: u64,
        10: instant,
        11: instant,
        12: uint(1, least=1),
    },
)

GRANT = fields(
    {
        1: realm,
        2: device,
        4: instant,
        6: instant,
        7: id16,
        8: confirmation,
        OURS: fields(
            {
                0: version,
                1: u32,
                2: u48,
                3: u32,
                4: items(64, ENTITLEMENT, subject=lambda right: (right[0], right[1])),
                5: id16,
            },
            {
                6: items(
                    8,
                    row(want, rule, nullable(u32)),
                    subject=lambda denial: subject_of_want(denial[0]),
                    least=1,
                ),
                7: uint(1, least=1),
            },
        ),
    },
    {10: id16},
)

ACK = fields(
    {
        1: device,
        3: realm,
        OURS: fields(
            {
                0: version,
                1: uint(2**32 - 1, least=1),
                2: held,
                3: items(
                    64,
                    row(id16, uint(2, least=1), uint(7)),
                    subject=lambda exception: exception[0],
                ),
                7: usage,
            },
            {6: data(*range(1, 4097))},
        ),
    },
    {6: instant},
)

STALE_SEQ, SEND_CHAIN, RETRY_LATER, CHALLENGE, SHOW_GRANT, POKE = 1, 2, 3, 4, 12, 13
NOTICE_NAMES = [
    None,
    "stale-seq",
    "send-chain",
    "retry-later",
    "challenge",
    "not-admitted",
    "quarantined",
    "revoked",
    "denied",
    "too-large",
    "malformed",
    "wrong-realm",
    "show-grant",
    "poke",
    "identity-conflict",
]
ALWAYS_HAS = {STALE_SEQ: {2, 5}, RETRY_LATER: {3}, CHALLENGE: {5}}


def notice_is_complete(value):
    if not ALWAYS_HAS.get(value[1], set()) <= value.keys():
        raise Refused("missing-key")


NOTICE = fields(
    {
        1: realm,
        2: device,
        6: instant,
        7: id16,
        OURS: every(
            fields({0: version, 1: uint(14, least=1)}, {2: u48, 3: u32, 4: text(32), 5: id16}),
            notice_is_complete,
        ),
    },
    {8: confirmation, 10: id16},
)


def validity(value):
    if value[1] >= value[2]:
        raise Refused("out-of-range")


COSE_KEY = fields(
    {
        1: constant(2, "algorithm"),
        -1: constant(1, "algorithm"),
        -2: data(32),
        -3: data(32),
    }
)

KEYS = fields(
    {
        1: realm,
        6: instant,
        OURS: fields(
            {
                0: version,
                1: u32,
                2: items(
                    8,
                    every(row(COSE_KEY, instant, instant, u32, uint(2, least=1)), validity),
                    subject=lambda key: (key[0][-2], key[0][-3]),
                    least=1,
                ),
            },
            {3: items(2, data(8), subject=bytes, least=1)},
        ),
    }
)

CLAIMS = {"request": REQUEST, "grant": GRANT, "ack": ACK, "notice": NOTICE, "keys": KEYS}
