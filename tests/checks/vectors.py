"""Judges schemas/vectors by schemas/cddl, an independent CDDL tool and an independent COSE library."""

import hashlib
import hmac
import json
import sys
from pathlib import Path

import cbor2
from cddl_verifier import Validator
from cddl_verifier import cbor as strict
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cwt import COSE, COSEKey, VerifyError

SCHEMAS = Path(__file__).parents[2] / "schemas"
LIMITS = {"request": 8192, "ack": 8192, "grant": 4096, "notice": 4096, "keys": 4096}

# Refused by the strict decoder of the CDDL tool, which knows deterministic encoding.
ENCODING = {
    "truncated",
    "trailing-bytes",
    "indefinite-length",
    "not-shortest",
    "unsorted-keys",
    "duplicate-key",
    "invalid-utf8",
}
# What CDDL cannot say; PROTOCOL.md does, and the device in Python refuses them.
BEYOND_CDDL = {"repeated", "oversize"}
BEYOND_CDDL_BY_NAME = {"keys-reversed"}


def main():
    material = load("material")
    keys = {key["name"]: cose_key(key) for key in material["keys"]}
    cddl = "\n".join(path.read_text() for path in sorted((SCHEMAS / "cddl").glob("*.cddl")))
    validator = Validator(cddl)
    counts = {"valid": 0, "invalid": 0}
    for kind in LIMITS:
        vectors = load(kind)
        assert vectors["message"] == kind
        for vector in vectors["valid"]:
            with_name(vector, check_valid, validator, keys, kind)
            counts["valid"] += 1
        for vector in vectors["invalid"]:
            with_name(vector, check_invalid, validator, keys, kind)
            counts["invalid"] += 1
    check_material(material)
    check_codes(load("codes"), material)
    assert counts["valid"] > 40 and counts["invalid"] > 700, counts
    print(f"{counts['valid']} valid and {counts['invalid']} invalid vectors are as they should be")


def load(name):
    return json.loads((SCHEMAS / "vectors" / f"{name}.json").read_text())


def cose_key(key):
    x, y, kid = (bytes.fromhex(key[part]) for part in ("x", "y", "kid"))
    return COSEKey.new({1: 2, 2: kid, 3: -7, -1: 1, -2: x, -3: y})


def with_name(vector, check, *arguments):
    try:
        check(vector, *arguments)
    except Exception:
        print(f"vector {vector['name']}", file=sys.stderr)
        raise


def check_valid(vector, validator, keys, kind):
    message = bytes.fromhex(vector["message"])
    assert len(message) == vector["size"] <= LIMITS[kind]
    assert refusal(message, validator, kind) is None, refusal(message, validator, kind)
    header, _, payload, _ = strict.decode(message).value
    assert COSE.new().decode(message, keys[vector["signed_by"]]) == payload
    signed = cbor2.dumps(["Signature1", header, b"", payload])
    assert hashlib.sha256(signed).hexdigest() == vector["digest"]


def check_invalid(vector, validator, keys, kind):
    message = bytes.fromhex(vector["message"])
    layer, reason = vector["layer"], vector["reason"]
    found = refusal(message, validator, kind)
    if layer == "signature":
        assert found is None, found
        assert not is_signed(message, keys[vector["verify_with"]])
    elif reason in BEYOND_CDDL or vector["name"] in BEYOND_CDDL_BY_NAME:
        assert reason != "oversize" or len(message) > LIMITS[kind]
    elif reason in ENCODING:
        assert found == "encoding", found
    else:
        assert found is not None
    if layer == "payload":
        # Refused for its content alone: the signature is good.
        assert is_signed(message, keys[vector["verify_with"]])


def is_signed(message, key):
    try:
        COSE.new().decode(message, key)
        return True
    except VerifyError:
        return False


def refusal(message, validator, kind):
    """Why the independent tool finds the message none of ours, or None."""
    try:
        value = strict.decode(message, require_deterministic=True)
        for part in (0, 2):
            if isinstance(value.value[part], bytes):
                strict.decode(value.value[part], require_deterministic=True)
    except strict.CBORDecodeError:
        return "encoding"
    except (AttributeError, LookupError, TypeError):
        pass  # no tag, no array: for CDDL to say
    result = validator.validate(message, root_type=f"{kind}-message")
    return None if result.valid else "; ".join(d.message for d in result.diagnostics)


def check_material(material):
    for key in material["keys"]:
        private = load_pem_private_key(key["private_key_pem"].encode(), None)
        numbers = private.private_numbers()
        assert f"{numbers.private_value:064x}" == key["d"]
        x, y = bytes.fromhex(key["x"]), bytes.fromhex(key["y"])
        assert (numbers.public_numbers.x, numbers.public_numbers.y) == (
            int.from_bytes(x, "big"),
            int.from_bytes(y, "big"),
        )
        # RFC 9679: SHA-256 of the required parameters of the COSE key.
        thumbprint = hashlib.sha256(cbor2.dumps({1: 2, -1: 1, -2: x, -3: y}, canonical=True)).digest()
        assert thumbprint.hex() == key["thumbprint"]
        assert thumbprint[:8].hex() == key["kid"]
    certificates = {
        name: x509.load_pem_x509_certificate((SCHEMAS / "vectors/pki" / f"{name}.pem").read_bytes())
        for name in ("root", "issuing", "device")
    }
    certificates["device"].verify_directly_issued_by(certificates["issuing"])
    certificates["issuing"].verify_directly_issued_by(certificates["root"])
    device = next(key for key in material["keys"] if key["name"] == "device")
    numbers = certificates["device"].public_key().public_numbers()
    assert f"{numbers.x:064x}" == device["x"]


def check_codes(codes, material):
    key = next(key for key in material["keys"] if key["name"] == codes["device_key"])
    over = ["fg-code-v1", codes["realm"], bytes.fromhex(key["thumbprint"]), bytes.fromhex(codes["nonce"])]
    for code in codes["valid"]:
        secret = hashlib.sha256(bytes.fromhex(code["secret"])).digest()
        proof = hmac.digest(secret, cbor2.dumps(over, canonical=True), "sha256")
        assert proof.hex() == code["proof"]


if __name__ == "__main__":
    main()
