"""What the tool of api.sh does not know by itself: how JSON, a line each, is sent; and what there is,
so that what it makes up names mostly things that exist."""

import itertools
import json
import os
import random
import time
import urllib.error
import urllib.request
import uuid

import schemathesis

API = os.environ["FLEETGRANT_API"] + "/api/v1"
# The names in paths and bodies, the list of what they can be, and the field that names it.
NOUNS = {
    "activation": ("activations", "id"),
    "batch": ("batches", "id"),
    "campaign": ("campaigns", "name"),
    "case": ("cases", "id"),
    "device": ("devices", "id"),
    "entitlement": ("entitlements", "id"),
    "key": ("keys", "name"),
    "order": ("orders", "id"),
    "party": ("parties", "id"),
    "product": ("products", "id"),
    "station": ("stations", "name"),
    "tier": ("policies", "tier"),
    "webhook": ("webhooks", "name"),
}
# What fields of bodies name, where that is not what they are called.
FIELDS = {
    "from": "activation",
    "give": "entitlement",
    "into": "party",
    "manufacturer": "party",
    "replacement": "device",
    "take": "entitlement",
    "to": "party",
} | {noun: noun for noun in NOUNS if noun not in ("key", "product", "tier")}
# Of so many requests one keeps what the tool made up.
MADE_UP = 4
# Seconds that a list is good for.
FRESH = 3

chance = random.Random(1)
numbers = itertools.count(1)
lists = {}


def ask(method, path, body=None, key=None):
    """What the API answers; nothing, if it refuses."""
    request = urllib.request.Request(
        API + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {key or own_key}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        },
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError:
        return None


def key_named(name, role):
    body = {"name": name, "roles": [role], "lives_seconds": 3600}
    return ask("POST", "/keys", body, os.environ["FLEETGRANT_KEY"])


# A key of its own: nobody approves what they asked for themselves.
own_key = key_named("hooks", "admin")["secret"]


def there_is(noun):
    """What a noun can name now."""
    path, field = NOUNS[noun]
    found, at = lists.get(noun, ([], 0))
    if time.monotonic() - at > FRESH:
        answer = ask("GET", f"/{path}?limit=100") or {"items": []}
        # Without the keys that ask.
        found = [row[field] for row in answer["items"] if row[field] not in ("hooks", "quickstart")]
        lists[noun] = found, time.monotonic()
    return found


def any_of(noun):
    found = there_is(noun)
    return chance.choice(found) if found else None


def new(noun):
    """One that nothing was done to yet, of what is soon used up."""
    name = f"{noun}-{next(numbers)}"
    if noun == "key":
        key_named(name, "auditor")
    elif noun == "webhook":
        body = {"name": name, "url": "https://localhost:1/", "all": True}
        if ask("POST", "/webhooks", body) is None:
            return any_of(noun)
    elif noun == "campaign":
        devices = {"ids": [any_of("device")]}
        body = {"name": name, "give": any_of("entitlement"), "devices": devices}
        if ask("POST", "/campaigns", body) is None:
            return any_of(noun)
    elif noun == "station":
        ask("POST", "/stations", {"name": name})
    elif noun == "case":
        broken = f"/devices/{any_of('device')}/outage"
        ask("POST", broken, {"replacement": any_of("device")})
        open_ones = ask("GET", "/cases?state=open&step=approval") or {"items": []}
        return open_ones["items"][0]["id"] if open_ones["items"] else any_of(noun)
    else:
        return any_of(noun)
    return name


def real(value):
    """A body with names of what there is."""
    if isinstance(value, list):
        return [real(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {}
    for field, inner in value.items():
        noun = FIELDS.get(field) if isinstance(inner, str) else None
        named[field] = (noun and any_of(noun)) or real(inner)
    return named


@schemathesis.hook
def before_call(_context, case, _kwargs):
    if next(numbers) % MADE_UP == 0:
        return
    for name in list(case.path_parameters or {}):
        if name == "version":
            case.path_parameters[name] = 1
        elif name in NOUNS:
            # What is only looked at is not used up.
            found = any_of(name) if case.method == "GET" else None
            case.path_parameters[name] = found or new(name) or case.path_parameters[name]
    if isinstance(case.body, dict):
        case.body = real(case.body)


@schemathesis.serializer("application/jsonl")
def lines(_context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
