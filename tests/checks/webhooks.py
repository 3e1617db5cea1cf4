"""An endpoint as a subscriber would write it, with the reference library of Standard Webhooks: it
takes the gateway's messages, and refuses what was changed, is old, or is signed by another."""

import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

GATEWAY = sys.argv[1:]
received = []


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.append((body, dict(self.headers)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def run(*words):
    done = subprocess.run([*GATEWAY, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def message():
    """The body and the header of a message that the gateway sends now."""
    run("webhooks", "test", "erp")
    return received.pop()


def refused(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


def at(headers, moment):
    return {**headers, "webhook-timestamp": str(int(moment.timestamp()))}


server = HTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
run("migrate")
url = f"http://127.0.0.1:{server.server_port}/hooks"
first = run("webhooks", "add", "erp", url, "--all")
stranger = run("webhooks", "add", "other", url, "--all")

body, headers = message()
told = Webhook(first).verify(body, headers)
assert told["type"], told
assert refused(stranger, body, headers)
assert refused(first, body + b" ", headers)
assert refused(first, body, {**headers, "webhook-id": "msg_other"})
now = datetime.now(timezone.utc)
assert refused(first, body, at(headers, now - timedelta(minutes=6)))
assert refused(first, body, at(headers, now - timedelta(seconds=30)))

# For the overlap both secrets are good, and then the new one alone.
second = run("webhooks", "rotate", "erp", "--overlap", "1h")
body, headers = message()
for secret in (first, second):
    assert Webhook(secret).verify(body, headers)["type"] == told["type"]
third = run("webhooks", "rotate", "erp", "--overlap", "0s")
body, headers = message()
Webhook(third).verify(body, headers)
assert refused(first, body, headers) and refused(second, body, headers)
print("messages are signed as the reference library of Standard Webhooks expects")
