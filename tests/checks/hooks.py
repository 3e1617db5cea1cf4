"""What the tool of api.sh does not know by itself: how JSON, a line each, is sent."""

import schemathesis


@schemathesis.serializer("application/jsonl")
def lines(_context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
