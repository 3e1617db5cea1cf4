"""The device's own reading of schemas/vectors: all valid ones taken, all invalid ones refused."""

import json
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
    load_pem_public_key,
)

import activation_code
from agent import Agent, AuthorityKey, Profile, Wish
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
    failures += list(check_judgements(load("judgements"), material, keys))
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


def check_judgements(judgements, material, keys):
    """Scenarios: what depends on who the device is, what it holds and what it asked."""
    private = next(k["private_key_pem"] for k in material["keys"] if k["name"] == judgements["key"])
    certificate = x509.load_pem_x509_certificate((VECTORS / "pki/device.pem").read_bytes())
    trusted = judgements["authority"]
    profile = Profile(
        device=judgements["device"],
        realm=judgements["realm"],
        key=load_pem_private_key(private.encode(), None),
        chain=(certificate.public_bytes(Encoding.DER),),
        authority=(
            AuthorityKey(
                keys[trusted["key"]], trusted["epoch"], trusted["nbf"], trusted["exp"], trusted["role"]
            ),
        ),
        roots=tuple(keys[root] for root in judgements["roots"]),
        max_down=judgements["max_down"],
    )
    for scenario in judgements["scenarios"]:
        uptime = 0
        agent = Agent(profile, now=lambda: uptime, random=lambda _len: nonce)
        for step in scenario["steps"]:
            uptime += 1
            if step["do"] == "ask":
                nonce = bytes.fromhex(step["nonce"])
                agent.ask(Wish("upgrade"))
            elif (judged := judge(agent, step)) != (step.get("taken"), step.get("refused")):
                yield f"{scenario['name']}, {step['says']}: {judged}"


def judge(agent, step):
    message = bytes.fromhex(step["message"])
    try:
        if step["topic"] == "grant":
            return agent.on_grant(message), None
        if step["topic"] == "notice":
            agent.on_notice(message)
        else:
            agent.on_keys(message)
        return step["topic"], None
    except Refused as reason:
        return None, str(reason)


if __name__ == "__main__":
    main()
