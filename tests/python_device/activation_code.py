"""Activation codes: PROTOCOL.md, section 7."""

import hashlib
import hmac

from cbor import encode

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
READ_AS = str.maketrans("OIL", "011", " -")


class InvalidCode(Exception):
    """The text is no code: `length`, `character` or `check`."""


def parse(text):
    """The id (5 bytes) and the secret (10 bytes) of a code as it was typed."""
    values = []
    if not text.isascii():  # there are letters outside of ASCII whose capital is in it
        raise InvalidCode("character")
    for character in text.upper().translate(READ_AS):
        if character not in ALPHABET:
            raise InvalidCode("character")
        values.append(ALPHABET.index(character))
    if len(values) != 25:
        raise InvalidCode("length")
    *values, check = values
    if check_value(values) != check:
        raise InvalidCode("check")
    bits = 0
    for value in values:
        bits = bits << 5 | value
    content = bits.to_bytes(15, "big")
    return content[:5], content[5:]


def check_value(values):
    c = 0
    for value in values:
        c = (c ^ value) << 1
        if c & 0x20:
            c ^= 0x25
    return c


def proof(secret, realm, key_thumbprint, nonce):
    message = encode(["fg-code-v1", realm, key_thumbprint, nonce])
    return hmac.digest(hashlib.sha256(secret).digest(), message, "sha256")
