"""What every Python client of the stories shares: how to reach the origin directly, and how to report what came back.

A story runs twice, once direct and once through the proxy, and the two reports must be equal. Through the proxy the
client is as it comes: only the environment differs. Directly, the names of the origin are resolved here, since no DNS
knows them.
"""

import hashlib
import json
import os
import socket
import sys

# Says how a message travelled, not what it is; or is rewritten because the proxy hands on what it decoded.
NOT_END_TO_END = {
    "connection", "content-encoding", "content-length", "date", "keep-alive", "transfer-encoding", "vary",
}


def resolve_directly():
    """Sends connections to `https://NAME` to 127.0.0.1:DIRECT where the story sets that variable."""
    port = os.environ.get("DIRECT")
    if port is None:
        return
    ask = socket.getaddrinfo

    def answer(host, service, *rest, **more):
        if host in ("127.0.0.1", "localhost"):
            return ask(host, service, *rest, **more)
        return ask("127.0.0.1", int(port), *rest, **more)

    socket.getaddrinfo = answer


def report(step, status=None, headers=None, body=None, **facts):
    """Prints one step as a line of JSON."""
    if status is not None:
        facts["status"] = status
    if headers is not None:
        kept = [(name.lower(), value) for name, value in headers.items()]
        facts["headers"] = sorted(pair for pair in kept if pair[0] not in NOT_END_TO_END)
    if body is not None:
        facts["bytes"] = len(body)
        facts["sha256"] = hashlib.sha256(body).hexdigest()
    json.dump({"step": step, **facts}, sys.stdout, sort_keys=True, default=str)
    print(flush=True)


resolve_directly()
