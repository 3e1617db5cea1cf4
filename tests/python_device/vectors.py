"""The device's own reading of schemas/vectors: all valid ones taken, all invalid ones refused."""

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key

import activation_code
from cbor import Refused
from envelope import Envelope, thumbprint

VECTORS = Path(__file__).parents[2] / "schemas/vectors"


def main():
    material = load("material")
    keys = {key["name"]: load_pem_public_key(key["public_key_pem"].encode()) for key in material["keys"]}
    for key in material["keys"]:
        assert thumbprint(keys[key["name"]]).hex() == key["thumbprint"]
    failures, counts = [], {"valid": 0, "invalid": 0}
    for kind in ("request", "grant", "ack", "notice", "keys"):
        vectors = load(kind)
        for expected in ("valid", "invalid"):
            for vector in vectors[expected]:
                counts[expected] += 1
                layer, reason = read(vector, kind, keys)
                if layer != vector.get("layer", "taken"):
                    failures.append(f"{vector['name']}: {layer} ({reason})")
    failures += list(check_codes(load("codes"), keys))
    for failure in failures:
        print(failure, file=sys.stderr)
    assert counts["valid"] > 40 and counts["invalid"] > 700, counts
    print(f"the device takes {counts['valid']} vectors and refuses {counts['invalid']}")
    sys.exit(1 if failures else 0)


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def read(vector, kind, keys):
    """Where the device refuses a message, and why."""
    layer = "envelope"
    try:
        envelope = Envelope(bytes.fromhex(vector["message"]), kind)
        if "digest" in vector and envelope.digest().hex() != vector["digest"]:
            return "digest", "it is another"
        layer = "signature"
        envelope.verify(keys[vector.get("signed_by") or vector["verify_with"]])
        layer = "payload"
        envelope.claims()
    except Refused as reason:
        return layer, str(reason)
    return "taken", None


def check_codes(codes, keys):
    key = thumbprint(keys[codes["device_key"]])
    nonce = bytes.fromhex(codes["nonce"])
    for code in codes["valid"]:
        for typed in [code["code"], *code["typed"]]:
            code_id, secret = activation_code.parse(typed)
            proof = activation_code.proof(secret, codes["realm"], key, nonce)
            if (code_id.hex(), secret.hex(), proof.hex()) != (code["id"], code["secret"], code["proof"]):
                yield f"code {typed}"
    for code in codes["invalid"]:
        try:
            activation_code.parse(code["text"])
            yield f"code {code['text']} was taken"
        except activation_code.InvalidCode as reason:
            if str(reason) != code["reason"]:
                yield f"code {code['text']}: {reason}"


if __name__ == "__main__":
    main()
