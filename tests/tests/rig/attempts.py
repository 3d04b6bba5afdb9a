"""An agent that tries to get out each time it is told to: a line on stdin, `tried` on stdout.

TCP and UDP of both families to a server, to a stranger and to a resolver; and whatever connection it still has.
"""

import select
import socket
import sys

addresses = sys.argv[1:]
old = []

for _ in sys.stdin:
    fresh = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for port in (443, 7777):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.connect_ex((address, port))
            fresh.append(sock)
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            for port in (53, 123, 443):
                try:
                    sock.sendto(b"leak", (address, port))
                except OSError:
                    pass
    select.select([], fresh, [], 0.02)
    old += fresh
    for sock in old:
        try:
            sock.send(b"leak")
        except OSError:
            pass
    for sock in old[:-16]:
        sock.close()
    del old[:-16]
    print("tried", flush=True)
