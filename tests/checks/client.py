"""Drives a gateway with the client that was generated from docs/openapi.json.

usage: client.py URL KEY
"""

import sys
import uuid

from fleetgrant_client import AuthenticatedClient
from fleetgrant_client.api.activations import list_activations
from fleetgrant_client.api.campaigns import abort_campaign, create_campaign, show_campaign
from fleetgrant_client.api.devices import act_on_devices, list_devices, show_device
from fleetgrant_client.api.entitlements import act_on_entitlement, show_entitlement
from fleetgrant_client.api.key import show_key
from fleetgrant_client.api.keys import create_key, revoke_key
from fleetgrant_client.api.policies import put_policy, show_policy
from fleetgrant_client.models import (
    ActOnEntitlement,
    ManyDeviceActs,
    NewApiKey,
    OneDeviceAct,
    ProblemDetails,
    Selection,
    Terms,
)
from fleetgrant_client.models.device_verb import DeviceVerb
from fleetgrant_client.models.role import Role
from fleetgrant_client.models.verb import Verb

url, secret = sys.argv[1:]


def client_of(key):
    return AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True)


client = client_of(secret)


def name():
    return str(uuid.uuid4())


def refused(answer, status, kind):
    """It is a refusal of this kind, which the client could read."""
    assert isinstance(answer.parsed, ProblemDetails), answer
    assert answer.status_code == status, answer
    assert answer.parsed.type_ == f"/problems/{kind}", answer.parsed
    return answer.parsed


def list_a_page_at_a_time():
    found, cursor = [], {}
    while True:
        page = list_devices.sync(client=client, limit=7, **cursor)
        found += [device.id for device in page.items]
        if page.next_ is None:
            break
        cursor = {"cursor": page.next_}
    assert len(set(found)) == len(found) == 20, found
    return found


def act_on_what_was_seen():
    activation = list_activations.sync(client=client, limit=1).items[0]
    entitlement = activation.entitlement

    def seen():
        return show_entitlement.sync_detailed(entitlement, client=client)

    def act(verb, called=None, **how):
        body = ActOnEntitlement(act=verb)
        called = called or name()
        return act_on_entitlement.sync_detailed(
            entitlement, client=client, body=body, idempotency_key=called, **how
        )

    before = seen()
    version = before.headers["etag"]
    preview = act(Verb.HOLD, preview=True)
    assert preview.parsed.entitlement.state.value == "hold", preview
    assert seen().headers["etag"] == version, "a preview changes nothing"
    held = act(Verb.HOLD, called="hold it", if_match=version)
    assert held.parsed.changed, held
    again = act(Verb.HOLD, called="hold it", if_match=version)
    assert again.content == held.content
    assert again.headers["idempotency-replayed"] == "true"
    late = act(Verb.SUSPEND, if_match=version)
    problem = refused(late, 412, "precondition-failed")
    assert seen().headers["etag"] in problem.detail
    released = act(Verb.RELEASE)
    assert released.parsed.entitlement.state.value == "active", released


def read_refusals(devices):
    unknown = show_device.sync_detailed("dev-none", client=client)
    refused(unknown, 404, "not-found")
    items = [OneDeviceAct(act=DeviceVerb.CLEAR, device=id) for id in (devices[0], "dev-none")]
    many = act_on_devices.sync(
        client=client, body=ManyDeviceActs(items=items), idempotency_key=name()
    )
    assert (many.done, many.refused) == (1, 1), many
    assert many.items[0].done.device == devices[0]
    assert many.items[1].refused.status == 404


def put_a_policy_that_was_seen():
    shown = show_policy.sync_detailed("standard", client=client)
    rules = shown.parsed.rules
    rules.grace_days = 5
    blind = put_policy.sync_detailed("standard", client=client, body=rules, idempotency_key=name())
    refused(blind, 428, "precondition-needed")
    put = put_policy.sync(
        "standard",
        client=client,
        body=rules,
        idempotency_key=name(),
        if_match=shown.headers["etag"],
    )
    assert put.changed and put.policy.version == shown.parsed.version + 1, put


def make_a_key_that_may_little():
    body = NewApiKey(name="auditor-1", roles=[Role.AUDITOR])
    made = create_key.sync(client=client, body=body, idempotency_key=name())
    auditor = client_of(made.secret)
    assert show_key.sync(client=auditor).name == "auditor-1"
    may_not = create_key.sync_detailed(client=auditor, body=body, idempotency_key=name())
    refused(may_not, 403, "forbidden")
    revoke_key.sync(key="auditor-1", client=client, idempotency_key=name())
    refused(show_key.sync_detailed(client=auditor), 401, "key-revoked")


def run_a_campaign(devices):
    entitlement = list_activations.sync(client=client, limit=1).items[0].entitlement
    terms = Terms(name="by-client", give=entitlement, devices=Selection(ids=devices[:3]))
    made = create_campaign.sync(client=client, body=terms, idempotency_key=name())
    assert made.name == "by-client", made
    abort_campaign.sync("by-client", client=client, idempotency_key=name())
    assert show_campaign.sync("by-client", client=client).state.value == "aborted"


devices = list_a_page_at_a_time()
act_on_what_was_seen()
read_refusals(devices)
put_a_policy_that_was_seen()
make_a_key_that_may_little()
run_a_campaign(devices)
print("the generated client lists, acts, and reads what is refused")
