"""The COSE_Sign1 around each message: PROTOCOL.md, sections 4 and 6."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

import cbor2
from cbor import Refused, decode, encode
from claims import CLAIMS

UP = ("request", "ack")
MAX_UP, MAX_DOWN = 8192, 4096
ALG, KID, TYP, X5CHAIN, X5T = 1, 4, 16, 33, 34
ES256, SHA_256 = -7, -16
TAG = 18


def media_type(kind):
    return f"application/vnd.fleetgrant.{kind}+cwt"


def thumbprint(public_key):
    """COSE Key Thumbprint with SHA-256 (RFC 9679); its first 8 bytes are the kid."""
    numbers = public_key.public_numbers()
    x, y = (n.to_bytes(32, "big") for n in (numbers.x, numbers.y))
    return hashlib.sha256(encode({1: 2, -1: 1, -2: x, -3: y})).digest()


def to_be_signed(protected, payload):
    return encode(["Signature1", protected, b"", payload])


def by_thumbprint(certificate):
    return {X5T: [SHA_256, hashlib.sha256(certificate).digest()]}


def by_chain(certificates):
    return {X5CHAIN: certificates[0] if len(certificates) == 1 else certificates}


def seal(kind, claims, signer, private_key):
    """A finished message; `signer` is the part of the header that names the device."""
    CLAIMS[kind](claims)
    protected = encode({ALG: ES256, TYP: media_type(kind), **signer})
    payload = encode(claims)
    der = private_key.sign(to_be_signed(protected, payload), ec.ECDSA(SHA256()))
    signature = b"".join(n.to_bytes(32, "big") for n in decode_dss_signature(der))
    return encode(cbor2.CBORTag(TAG, [protected, {}, payload, signature]))


class Envelope:
    """A message whose signature was not checked yet."""

    def __init__(self, message, kind, max_down=MAX_DOWN):
        if len(message) > (MAX_UP if kind in UP else max_down):
            raise Refused("oversize")
        value = decode(message)
        if type(value) is not cbor2.CBORTag or value.tag != TAG:
            raise Refused("not-cose-sign1")
        if type(value.value) is not list or len(value.value) != 4:
            raise Refused("not-cose-sign1")
        protected, unprotected, payload, signature = value.value
        if any(type(part) is not bytes for part in (protected, payload, signature)):
            raise Refused("wrong-type")
        if type(unprotected) is not dict:
            raise Refused("wrong-type")
        if unprotected:
            raise Refused("unprotected-header")
        if len(signature) != 64:
            raise Refused("wrong-length")
        self.kind, self.payload = kind, payload
        self.signer = read_header(protected, kind)
        self.signed = to_be_signed(protected, payload)
        self.signature = signature

    def digest(self):
        return hashlib.sha256(self.signed).digest()

    def verify(self, public_key):
        r, s = (int.from_bytes(half, "big") for half in (self.signature[:32], self.signature[32:]))
        try:
            public_key.verify(encode_dss_signature(r, s), self.signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise Refused("signature") from None

    def claims(self):
        """Only after `verify`."""
        claims = decode(self.payload)
        CLAIMS[self.kind](claims)
        return claims


def read_header(protected, kind):
    header = decode(protected)
    if type(header) is not dict:
        raise Refused("wrong-type")
    if any(type(key) is not int for key in header):
        raise Refused("wrong-type")
    if not header.keys() <= {ALG, KID, TYP, X5CHAIN, X5T}:
        raise Refused("unknown-key")
    if type(header.get(ALG)) is not int or header[ALG] != ES256:
        raise Refused("algorithm")
    if type(header.get(TYP)) is not str or header[TYP] != media_type(kind):
        raise Refused("type")
    signers = header.keys() & {KID, X5CHAIN, X5T}
    if len(signers) != 1 or (KID in signers) == (kind in UP):
        raise Refused("signer")
    (signer,) = signers
    {KID: check_kid, X5CHAIN: check_chain, X5T: check_x5t}[signer](header[signer])
    return header[signer]


def check_kid(kid):
    if type(kid) is not bytes or len(kid) != 8:
        raise Refused("wrong-length")


def check_chain(chain):
    if type(chain) is list and not 2 <= len(chain) <= 4:
        raise Refused("wrong-length")
    for certificate in chain if type(chain) is list else [chain]:
        if type(certificate) is not bytes or not 1 <= len(certificate) <= 4096:
            raise Refused("wrong-length")


def check_x5t(x5t):
    if type(x5t) is not list or len(x5t) != 2:
        raise Refused("wrong-type")
    if type(x5t[0]) is not int or x5t[0] != SHA_256:
        raise Refused("algorithm")
    if type(x5t[1]) is not bytes or len(x5t[1]) != 32:
        raise Refused("wrong-length")
