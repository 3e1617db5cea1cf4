"""A device on the command line: asks once, takes the grant, acknowledges it.

Prints one JSON object. Exit code: 0 acknowledged, 3 refused or denied, 4 no answer, 1 an error.
"""

import argparse
import json
import queue
import random
import sys
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
    load_pem_public_key,
)
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import activation_code
from agent import GRANTS, REASONS, Agent, AuthorityKey, Profile, Wish
from cbor import Refused
from claims import MAX_INSTANT, NOTICE_NAMES

ACKNOWLEDGED, REFUSED, SILENT = 0, 3, 4
DOWN = ("grant", "notice", "keys")


def main():
    arguments = parse()
    profile = Profile(
        device=arguments.device,
        realm=arguments.realm,
        key=load_pem_private_key(arguments.key.read_bytes(), None),
        chain=tuple(
            certificate.public_bytes(Encoding.DER)
            for certificate in x509.load_pem_x509_certificates(arguments.cert.read_bytes())
        ),
        authority=tuple(authority_key(path, arguments.epoch) for path in arguments.authority),
        roots=tuple(load_pem_public_key(path.read_bytes()) for path in arguments.root),
        features=frozenset(arguments.feature) if arguments.feature else None,
        built=arguments.built,
    )
    wish = Wish(
        arguments.reason,
        tuple((name, int(total)) for name, total in (want.split("=") for want in arguments.want)),
        tuple(activation_code.parse(code) for code in arguments.code),
        tuple(bytes.fromhex(activation) for activation in arguments.concerned),
    )
    session = Session(Agent(profile, arguments.state), arguments)
    report, code = session.run(wish)
    print(json.dumps(report))
    return code


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=8883)
    parser.add_argument("--ca", type=Path, required=True, help="PEM: whom to trust as a broker")
    parser.add_argument("--cert", type=Path, required=True, help="PEM: the device's chain, leaf first")
    parser.add_argument("--key", type=Path, required=True, help="PEM: the device's private key")
    parser.add_argument("--device", required=True, help="the device id")
    parser.add_argument("--realm", required=True)
    parser.add_argument("--authority", type=Path, action="append", required=True, help="PEM: public key")
    parser.add_argument("--epoch", type=int, default=1, help="of the authority's key")
    parser.add_argument("--root", type=Path, action="append", default=[], help="PEM: public key")
    parser.add_argument("--prefix", default="fg", help="of the topics")
    parser.add_argument("--state", type=Path, help="a file that keeps what outlives a restart")
    parser.add_argument("--reason", choices=REASONS, default="boot")
    parser.add_argument("--want", action="append", default=[], metavar="FEATURE=TOTAL")
    parser.add_argument("--code", action="append", default=[], help="an activation code, as typed")
    parser.add_argument("--concerned", action="append", default=[], help="an activation id, hex")
    parser.add_argument("--feature", action="append", default=[], help="what the firmware has; default all")
    parser.add_argument("--built", type=int, help="when the firmware was built, seconds since 1970")
    parser.add_argument("--timeout", type=float, default=60, help="seconds until giving up")
    parser.add_argument("--backoff", type=float, default=10, help="seconds, the first window")
    return parser.parse_args()


def authority_key(path, epoch):
    return AuthorityKey(load_pem_public_key(path.read_bytes()), epoch, 0, MAX_INSTANT, GRANTS)


class Session:
    """One connection, until the wish is answered."""

    def __init__(self, agent, arguments):
        self.agent = agent
        self.arguments = arguments
        self.deadline = time.monotonic() + arguments.timeout
        self.inbox = queue.Queue()
        self.subscribed = queue.Queue()
        self.notices = []
        self.refused = []

    def run(self, wish):
        client = self.connect()
        try:
            return self.converse(client, wish)
        finally:
            client.disconnect()
            client.loop_stop()

    def connect(self):
        arguments = self.arguments
        device = self.agent.profile.device
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=device, protocol=mqtt.MQTTv5
        )
        client.tls_set(ca_certs=arguments.ca, certfile=arguments.cert, keyfile=arguments.key)
        client.on_connect = self.on_connect
        client.on_subscribe = lambda _c, _u, _id, codes, _p: self.subscribed.put(codes)
        client.on_message = lambda _c, _u, message: self.inbox.put(message)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 7 * 86_400
        client.connect(arguments.host, arguments.port, clean_start=False, properties=properties)
        client.loop_start()
        try:
            codes = self.subscribed.get(timeout=self.time_left())
        except queue.Empty:
            raise RuntimeError("the broker does not answer") from None
        if any(code.is_failure for code in codes):
            raise RuntimeError(f"the broker refuses: {', '.join(map(str, codes))}")
        return client

    def on_connect(self, client, _userdata, _flags, reason, _properties):
        if reason.is_failure:
            self.subscribed.put([reason])
        else:
            client.subscribe([(self.topic(kind), mqtt.SubscribeOptions(qos=1)) for kind in DOWN])

    def time_left(self):
        return max(0, self.deadline - time.monotonic())

    def topic(self, kind):
        return f"{self.arguments.prefix}/v1/{self.agent.profile.device}/{kind}"

    def converse(self, client, wish):
        agent, window = self.agent, self.arguments.backoff
        self.publish(client, "request", agent.ask(wish))
        again_at = time.monotonic() + random.uniform(1, window)
        asked_anew = 0
        while (message := self.next_message(again_at)) is not SILENT:
            if message is None:  # nothing came: the same bytes again
                window = min(window * 2, 3600)
                again_at = time.monotonic() + random.uniform(1, window)
                self.publish(client, "request", agent.outstanding.message)
                continue
            try:
                if message.topic == self.topic("grant"):
                    agent.on_grant(message.payload)
                    self.publish(client, "ack", agent.ack())
                    if agent.outstanding is None:
                        return self.report("acknowledged"), REFUSED if agent.denials() else ACKNOWLEDGED
                elif message.topic == self.topic("keys"):
                    agent.on_keys(message.payload)
                    self.publish(client, "request", agent.ask(wish))
                elif message.topic == self.topic("notice"):
                    code, what, wait = agent.on_notice(message.payload)
                    self.notices.append(NOTICE_NAMES[code])
                    if agent.show_grant:
                        self.publish(client, "ack", agent.ack())
                    if what == "refused":
                        return self.report(NOTICE_NAMES[code]), REFUSED
                    if what == "repeat":
                        again_at = time.monotonic() + wait
                    if what == "ask-anew":
                        if asked_anew:
                            time.sleep(min(random.uniform(1, window), self.time_left()))
                        asked_anew += 1
                        self.publish(client, "request", agent.ask(wish))
                        again_at = time.monotonic() + random.uniform(1, window)
            except Refused as reason:
                # Whoever can write to the topic must not be able to stop the device.
                self.refused.append(str(reason))
        return self.report("no-answer"), SILENT

    def publish(self, client, kind, message):
        """Waits for the PUBACK, which says only that the broker has it."""
        sent = client.publish(self.topic(kind), message, qos=1)
        sent.wait_for_publish(self.time_left())
        if not sent.is_published():
            raise RuntimeError(f"the broker did not take the {kind}")

    def next_message(self, again_at):
        """A message, None when the request is to be repeated, SILENT when time is up."""
        try:
            return self.inbox.get(timeout=max(0, min(again_at, self.deadline) - time.monotonic()))
        except queue.Empty:
            return None if self.time_left() else SILENT

    def report(self, result):
        agent = self.agent
        held = agent.state.held
        return {
            "result": result,
            "held": held and {"epoch": held[0], "generation": held[1], "cti": held[2]},
            "n": agent.state.n,
            "features": sorted({right[1] for right in agent.rights() if agent.is_on(right[1])}),
            "activations": sorted({right[0].hex() for right in agent.rights()}),
            "denials": [
                {"want": denial[0][1] if denial[0][0] == 0 else denial[0][1].hex(), "rule": denial[1]}
                for denial in agent.denials()
            ],
            "notices": self.notices,
            "refused": self.refused,
        }


if __name__ == "__main__":
    sys.exit(main())
