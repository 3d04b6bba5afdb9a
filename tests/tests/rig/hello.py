"""A TLS client that sends its ClientHello as it is told to, and then asks for one page.

Arguments: address, server name, CA file, bytes in a piece (0: all at once), bytes in the first TLS record (0: one
record). Prints the answer.
"""

import socket
import ssl
import sys
import time

address, name, ca = sys.argv[1:4]
piece, first = map(int, sys.argv[4:6])
context = ssl.create_default_context(cafile=ca)
# Names that fill the hello up: it must be longer than a piece.
context.set_alpn_protocols(["http/1.1"] + [f"filler-{number:032}" for number in range(20)])
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
sock = socket.create_connection((address, 443), timeout=10)
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def framed(record):
    if not first:
        return record
    kind, body = record[:3], record[5:]
    return b"".join(kind + len(part).to_bytes(2, "big") + part for part in (body[:first], body[first:]))


def send(data):
    for at in range(0, len(data), piece or len(data)):
        sock.sendall(data[at : at + (piece or len(data))])
        # Apart, so that they also arrive apart.
        time.sleep(0.02 if piece >= 100 else 0.002)


def until_done(step):
    while True:
        try:
            return step()
        except ssl.SSLWantReadError:
            if outgoing.pending:
                sock.sendall(outgoing.read())
            data = sock.recv(65536)
            incoming.write(data) if data else incoming.write_eof()


try:
    tls.do_handshake()
except ssl.SSLWantReadError:
    hello = outgoing.read()
    assert len(hello) > 600, len(hello)
    send(framed(hello))
until_done(tls.do_handshake)
tls.write(f"GET /pieces HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
sock.sendall(outgoing.read())
answer = b""
while b"\n" not in answer.partition(b"\r\n\r\n")[2]:
    data = until_done(lambda: tls.read(65536))
    if not data:
        break
    answer += data
print(answer.decode())
