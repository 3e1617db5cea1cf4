"""The device's side of the protocol without any network: PROTOCOL.md, section 8."""

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from activation_code import proof
from cbor import Refused
from claims import CHALLENGE, OURS, POKE, RETRY_LATER, SEND_CHAIN, SHOW_GRANT, STALE_SEQ, VERSION
from envelope import MAX_DOWN, Envelope, by_chain, by_thumbprint, seal, thumbprint

GRANTS, NOTICES = 1, 2
FACTORY = 1
SEQ_BLOCK = 16
MAX_SEQ = 2**48 - 1
REASONS = ["boot", "factory", "renew", "upgrade", "return", "rehost", "temporary", "keys"]
# A notice that ends a request, and how long the device then waits, unless it says.
WAIT_AFTER_REFUSAL = 6 * 3600
HOUR = 3600


# Reasons of exceptions.
UNKNOWN_FEATURE, BUILD_CEILING, ENDED = 1, 6, 7


def name_of(right):
    return right[0], right[1]


@dataclass(frozen=True)
class AuthorityKey:
    key: ec.EllipticCurvePublicKey
    epoch: int
    not_before: int
    not_after: int
    role: int

    @property
    def kid(self):
        return thumbprint(self.key)[:8]


@dataclass(frozen=True)
class Profile:
    """What a device is made with."""

    device: str
    realm: str
    key: ec.EllipticCurvePrivateKey
    chain: tuple  # DER, the leaf first, the root left out
    authority: tuple  # AuthorityKey
    roots: tuple = ()  # public keys
    features: frozenset | None = None  # those the firmware has; None: all
    built: int | None = None  # when the firmware was, seconds since 1970; None: not told
    max_down: int = MAX_DOWN

    @property
    def thumbprint(self):
        return thumbprint(self.key.public_key())


@dataclass
class State:
    """What outlives a power cut. Bytes are hex, so that it is JSON."""

    seq: int = 0  # the last that may have been used
    held: list | None = None  # epoch, generation, cti
    grant: str | None = None
    n: int = 0
    challenge: str | None = None
    floor: int = 0  # proven, seconds since 1970
    key_set: int = 0
    keys: list = field(default_factory=list)  # of the key set: x, y, nbf, exp, epoch, role
    retired: list = field(default_factory=list)

    @classmethod
    def load(cls, path):
        if path is None or not path.exists():
            return cls()
        return cls(**json.loads(path.read_text()))

    def store(self, path):
        """The old or the new state, whatever happens."""
        if path is None:
            return
        new = path.with_suffix(".new")
        with open(new, "w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


@dataclass(frozen=True)
class Wish:
    """What to ask for; the same in each request until it is answered."""

    reason: str
    features: tuple = ()  # (feature, total)
    codes: tuple = ()  # (id, secret)
    concerned: tuple = ()  # activation ids


@dataclass
class Outstanding:
    wish: Wish
    nonce: bytes
    message: bytes


class Agent:
    def __init__(self, profile, state_file=None, now=time.monotonic, random=secrets.token_bytes):
        self.profile = profile
        self.state_file = None if state_file is None else Path(state_file)
        self.state = State.load(self.state_file)
        self.now = now
        self.random = random
        self.started = now()
        self.reserved = self.state.seq
        self.outstanding = None
        self.show_grant = False
        self.with_chain = False
        self.followed = {}  # what is done once an hour, and when it was
        # By activation and feature, since when each right was in force in this run.
        self.since = dict.fromkeys(map(name_of, self.rights()), self.started)

    # --- Asking

    def ask(self, wish):
        """A new request, from now on the outstanding one."""
        profile, state = self.profile, self.state
        nonce = self.random(16)
        wants = [[0, feature, total] for feature, total in wish.features]
        wants += [[1, i, proof(s, profile.realm, profile.thumbprint, nonce)] for i, s in wish.codes]
        body = {
            0: VERSION,
            1: self.next_seq(),
            2: held_of(state),
            3: state.key_set,
            4: REASONS.index(wish.reason),
            5: nonce,
            6: wants,
            7: [],
            9: [profile.max_down, 0],
        }
        if wish.concerned:
            body[8] = list(wish.concerned)
        claims = {1: profile.device, 3: profile.realm, 270: "python-device", 271: ["1"], OURS: body}
        if state.challenge:
            claims[10] = bytes.fromhex(state.challenge)
        blank = state.held is None
        signer = by_chain(list(profile.chain)) if blank or self.with_chain else self.by_thumbprint()
        message = seal("request", claims, signer, profile.key)
        self.outstanding = Outstanding(wish, nonce, message)
        return message

    def next_seq(self):
        """Stored before it is used, in blocks."""
        seq = min(self.state.seq + 1, MAX_SEQ)
        if seq > self.reserved:
            self.reserved = min(seq + SEQ_BLOCK - 1, MAX_SEQ)
            stored, self.state.seq = self.state.seq, self.reserved
            self.save()
            self.state.seq = stored
        self.state.seq = seq
        return seq

    def by_thumbprint(self):
        return by_thumbprint(self.profile.chain[0])

    # --- Receiving

    def on_grant(self, message):
        """`installed` or `again`; an ack is due after both."""
        envelope, authority = self.authenticate(message, "grant")
        grant = envelope.claims()
        self.addressed(grant)
        answers = self.answers(grant)
        body = grant[OURS]
        if body[1] != authority.epoch:
            raise Refused("key-epoch")
        floor = max(self.floor(), grant[6]) if answers else self.floor()
        if floor >= authority.not_after:
            raise Refused("key-expired")
        if floor >= grant[4]:
            raise Refused("install-window")
        if body.get(7) == FACTORY and body[2] != 1:
            raise Refused("factory-generation")
        order, held = (body[1], body[2]), self.state.held
        if held is None:
            if not answers and body.get(7) != FACTORY:
                raise Refused("blank-without-nonce")
        elif order < tuple(held[:2]):
            raise Refused("superseded")
        elif order == tuple(held[:2]):
            if grant[7].hex() != held[2]:
                raise Refused("conflict")
            self.settle(answers, grant[6])
            return "again"
        now, floor = self.now(), max(self.floor(), grant[6]) if answers else self.floor()
        on = {
            name_of(right): self.since[name_of(right)]
            for right in self.rights()
            if self.runs(right, floor)
        }
        self.since = {name_of(right): on.get(name_of(right), now) for right in body[4]}
        self.state.held = [*order, grant[7].hex()]
        self.state.grant = message.hex()
        self.state.n = 0
        self.state.challenge = body[5].hex()
        self.settle(answers, grant[6])
        return "installed"

    def on_notice(self, message):
        """(what to do, seconds until then): `ask-anew`, `repeat`, `refused`, or `nothing`."""
        envelope, _ = self.authenticate(message, "notice")
        notice = envelope.claims()
        self.addressed(notice)
        body = notice[OURS]
        code = body[1]
        if not self.answers(notice):
            if code not in (SEND_CHAIN, POKE):
                raise Refused("not-asked")
            if not self.once_an_hour(code):
                raise Refused("too-soon")
            if self.outstanding is None:
                return code, "poked" if code == POKE else "nothing", 0
            self.with_chain |= code == SEND_CHAIN
            return code, "ask-anew" if code == SEND_CHAIN else "repeat", 0
        self.prove(notice[6])
        if 5 in body:
            self.state.challenge = body[5].hex()
        self.save()
        wait = min(max(body.get(3, WAIT_AFTER_REFUSAL), 60), 24 * HOUR)
        if code in (STALE_SEQ, SEND_CHAIN) and not self.once_an_hour(code):
            return code, "nothing", 0
        if code == STALE_SEQ:
            self.state.seq = max(self.state.seq, body[2] - 1)
        if code == SEND_CHAIN:
            self.with_chain = True
        if code in (STALE_SEQ, SEND_CHAIN, CHALLENGE, POKE):
            return code, "ask-anew", 0
        if code == RETRY_LATER:
            return code, "repeat", min(body[3], 24 * HOUR)
        if code == SHOW_GRANT:
            self.show_grant = self.state.held is not None
        self.outstanding = None
        return code, "refused", wait

    def on_keys(self, message):
        """Takes a key set; a new request is due after it."""
        envelope = Envelope(message, "keys", self.profile.max_down)
        retired = set(self.state.retired)
        roots = {thumbprint(root)[:8]: root for root in self.profile.roots}
        root = roots.get(envelope.signer)
        if root is None or envelope.signer.hex() in retired:
            raise Refused("unknown-root")
        envelope.verify(root)
        keys = envelope.claims()
        body = keys[OURS]
        if keys[1] != self.profile.realm:
            raise Refused("other-realm")
        if body[1] <= self.state.key_set:
            raise Refused("old-key-set")
        rows = [[k[-2].hex(), k[-3].hex(), *rest] for k, *rest in body[2]]
        epochs = [row[4] for row in rows if row[5] == GRANTS]
        current = max((key.epoch for key in self.keys() if key.role == GRANTS), default=0)
        if not epochs or max(epochs) < current or envelope.signer in body.get(3, []):
            raise Refused("bad-key-set")
        self.state.key_set, self.state.keys = body[1], rows
        self.state.retired = sorted(retired | {kid.hex() for kid in body.get(3, [])})
        self.save()

    def authenticate(self, message, kind):
        envelope = Envelope(message, kind, self.profile.max_down)
        authority = next((key for key in self.keys() if key.kid == envelope.signer), None)
        if authority is None:
            raise Refused("unknown-key-id")
        if kind == "grant" and authority.role != GRANTS:
            raise Refused("key-role")
        if self.floor() >= authority.not_after:
            raise Refused("key-expired")
        envelope.verify(authority.key)
        issued_at = envelope.claims()[6]
        if not authority.not_before <= issued_at < authority.not_after:
            raise Refused("issued-outside-key")
        return envelope, authority

    def addressed(self, claims):
        if claims[1] != self.profile.realm:
            raise Refused("other-realm")
        if claims[2] != self.profile.device:
            raise Refused("other-device")
        if 8 in claims and claims[8][5] != self.profile.thumbprint:
            raise Refused("other-key")

    def answers(self, claims):
        return self.outstanding is not None and claims.get(10) == self.outstanding.nonce

    def settle(self, answers, issued_at):
        if answers:
            self.outstanding = None
            self.prove(issued_at)
        self.save()

    def keys(self):
        if self.state.key_set == 0:
            yield from self.profile.authority
        for x, y, not_before, not_after, epoch, role in self.state.keys:
            try:
                numbers = ec.EllipticCurvePublicNumbers(int(x, 16), int(y, 16), ec.SECP256R1())
                yield AuthorityKey(numbers.public_key(), epoch, not_before, not_after, role)
            except ValueError:
                pass  # no point of the curve: it verifies nothing

    # --- Acknowledging and using

    def ack(self):
        """An acknowledgement of the set that is held."""
        profile, state = self.profile, self.state
        state.n += 1
        self.save()
        body = {0: VERSION, 1: state.n, 2: held_of(state), 3: self.exceptions(), 7: []}
        if self.show_grant:
            body[6] = bytes.fromhex(state.grant)
            self.show_grant = False
        claims = {1: profile.device, 3: profile.realm, OURS: body}
        return seal("ack", claims, self.by_thumbprint(), profile.key)

    def rights(self):
        """The entitlements of the set that is held."""
        if self.state.grant is None:
            return []
        return Envelope(bytes.fromhex(self.state.grant), "grant").claims()[OURS][4]

    def denials(self):
        if self.state.grant is None:
            return []
        return Envelope(bytes.fromhex(self.state.grant), "grant").claims()[OURS].get(6, [])

    def exceptions(self):
        """Activations none of whose features is in force: refused, and why."""
        why = [(right[0], self.refusal(right)) for right in self.rights()]
        used = {activation for activation, reason in why if reason is None}
        refused = {}
        for activation, reason in why:
            if activation not in used:
                refused.setdefault(activation, reason)
        return [[activation, 1, reason] for activation, reason in refused.items()]

    def refusal(self, right):
        """Why a right is not in force, whatever time does to it; None if it is."""
        known, built = self.profile.features, self.profile.built
        if known is not None and right[1] not in known:
            return UNKNOWN_FEATURE
        if 11 in right and (built is None or built >= right[11]):
            return BUILD_CEILING
        return ENDED if 12 in right and self.is_past(right, self.floor()) else None

    def is_past(self, right, floor):
        """Whether it was past its end and grace when it was put in force after the start."""
        if 5 not in right:
            return False
        return floor - int(self.now() - self.since[name_of(right)]) >= right[5] + right.get(7, 0)

    def runs(self, right, floor):
        """This device counts no uses."""
        ends = right.get(5, floor + 1) + right.get(7, 0)
        runs_on = floor < ends or (12 in right and not self.is_past(right, floor))
        in_time = right.get(4, 0) <= floor < right.get(10, floor + 1) and runs_on
        return in_time and self.refusal(right) is None and right.get(6, 1) > 0

    def is_on(self, feature):
        """Whether a feature may be used now."""
        floor = self.floor()
        return any(right[1] == feature and self.runs(right, floor) for right in self.rights())

    # --- Time

    def floor(self):
        return self.state.floor + int(self.now() - self.started)

    def prove(self, issued_at):
        self.state.floor = max(self.floor(), issued_at)
        self.started = self.now()

    def once_an_hour(self, code):
        last = self.followed.get(code)
        if last is not None and self.now() - last < HOUR:
            return False
        self.followed[code] = self.now()
        return True

    def save(self):
        used, self.state.seq = self.state.seq, max(self.state.seq, self.reserved)
        self.state.store(self.state_file)
        self.state.seq = used


def held_of(state):
    return None if state.held is None else [*state.held[:2], bytes.fromhex(state.held[2])]
