#!/usr/bin/env python3
"""Writes the corpora that the targets begin with: the vectors, good and bad, in the form that each
target reads. usage: corpus.py VECTORS FOLDER"""

import base64
import json
import pathlib
import sys

vectors, folder = map(pathlib.Path, sys.argv[1:])
KINDS = ["request", "grant", "ack", "notice", "keys"]
DOWN = ["grant", "notice", "keys"]
count = 0


def put(target, data):
    global count
    count += 1
    path = folder / target
    path.mkdir(parents=True, exist_ok=True)
    (path / f"vector-{count}").write_bytes(data)


def head(data, at):
    """A CBOR head with a shortest length below 65,536: its argument, and where it ends."""
    low = data[at] & 0x1F
    if low < 24:
        return low, at + 1
    width = 1 << (low - 24)
    return int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width


def payload(message):
    """The payload of 18([protected, {}, payload, signature])."""
    length, at = head(message, 2)
    length, at = head(message, at + length + 1)
    return message[at : at + length]


def framed(what, data):
    return bytes([what]) + len(data).to_bytes(2, "big") + data


for place, kind in enumerate(KINDS):
    messages = json.loads((vectors / f"{kind}.json").read_text())
    for vector in messages["valid"] + messages["invalid"]:
        message = bytes.fromhex(vector["message"])
        put("message", message)
        if vector.get("layer") not in (None, "payload"):
            continue
        put("payload", bytes([place]) + payload(message))
        if kind in DOWN:
            what = DOWN.index(kind)
            # Something falls due and is sent, the message comes, the power goes.
            due = framed(4, b"")[:1] + b"\0\1" + framed(8, b"")
            put("device", due + framed(what, message) + framed(9, b""))
            put("device", due + framed(3 + 10 * what, payload(message)) + framed(8, b""))
        if kind == "grant":
            # A record of a set: format, two floors, no removals, the grant.
            record = b"\1" + bytes(16) + b"\0" + message
            put("records", framed(1, record))

def der(name):
    """The certificates of a PEM file."""
    pem = (vectors / "pki" / name).read_text()
    bodies = pem.split("-----BEGIN CERTIFICATE-----")[1:]
    return [base64.b64decode(body.split("-----END")[0]) for body in bodies]


# A year after the vectors were made, so that what they certify is in force.
NOW = (1_796_126_400).to_bytes(4, "big")
names = ["device.pem", "issuing.pem", "root.pem"]
certificates = [certificate for name in names for certificate in der(name)]
for certificate in certificates:
    put("certificate", b"\0" + NOW + certificate)
    put("certificate", b"\1" + NOW + certificate)
for kind in ["request"]:
    for vector in json.loads((vectors / f"{kind}.json").read_text())["valid"]:
        for certificate in vector.get("chain", []):
            put("certificate", b"\0" + NOW + bytes.fromhex(certificate))
put("certificate", b"\2" + NOW + b"".join(len(c).to_bytes(2, "big") + c for c in certificates[:2]))
put("certificate", b"\2" + NOW + b"".join(len(c).to_bytes(2, "big") + c for c in certificates))

# Requests and acknowledgements, one after the other, and time between.
said = {}
for kind, what in [("request", 1), ("ack", 3)]:
    for vector in json.loads((vectors / f"{kind}.json").read_text())["valid"]:
        said.setdefault(kind, []).append(framed(what, payload(bytes.fromhex(vector["message"]))))
later = b"\0\0\x90"
for request in said["request"]:
    put("intake", request)
    put("intake", request + later + request)
    for ack in said["ack"]:
        put("intake", request + ack + later + request)
put("intake", later.join(said["request"] + said["ack"]))

codes = json.loads((vectors / "codes.json").read_text())
for vector in codes["valid"] + codes["invalid"]:
    for typed in [vector.get("code")] + (vector.get("typed") if isinstance(vector.get("typed"), list) else [vector.get("typed")]):
        if typed:
            put("text", typed.encode())
for kind in KINDS:
    put("text", f"fg/v1/scope-4711/{kind}".encode())
for kind in range(6):
    put("line", bytes.fromhex("fa") + framed(kind, b"payload") + b"\0\0\0\0")

if count < 300:
    sys.exit(f"{count} inputs are too few: have the vectors moved?")
print(f"{count} inputs from the vectors")
