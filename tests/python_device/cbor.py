"""CBOR with one reading: PROTOCOL.md, section 2."""

import cbor2


class Refused(Exception):
    """A message is not taken; the text is a name of PROTOCOL.md, section 11, or of section 8."""


def encode(value):
    """Deterministic: the keys of this protocol have the same order by length and by bytes."""
    return cbor2.dumps(value, canonical=True)


def decode(data):
    """Reads exactly one deterministically encoded item.

    Whatever two readers could understand differently (indefinite lengths, long heads, keys out of
    order or twice, bytes that follow) is not what encoding the value again gives.
    """
    try:
        value = cbor2.loads(data)
        again = encode(value)
    except (cbor2.CBORError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as e:
        raise Refused("malformed-cbor") from e
    if again != data:
        raise Refused("not-deterministic")
    return value
