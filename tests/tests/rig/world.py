"""The world of the rig: every service an escape could want, on every address of its namespace.

Arguments: certificate chain, key, and the names it answers for (name=address[,address]). Prints `world ready`.
"""

import socket
import ssl
import sys
import threading

chain, key = sys.argv[1:3]
names = {}
for argument in sys.argv[3:]:
    name, addresses = argument.split("=")
    names[name.lower()] = addresses.split(",")


def bound(kind, port):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    return sock


def serve(port, handle):
    listener = bound(socket.SOCK_STREAM, port)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=guarded, args=(handle, connection), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def guarded(handle, connection):
    try:
        with connection:
            connection.settimeout(30)
            handle(connection)
    except OSError:
        pass


def http(connection):
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(4096)
            if not piece:
                return
            head += piece
        if head.startswith(b"POST /swallow "):
            while connection.recv(1 << 16):
                pass
            return
        body = b"the world says: " + head.split(b"\r\n")[0] + b"\n"
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)


def https(connection):
    with context.wrap_socket(connection, server_side=True) as tls:
        http(tls)


def speaks_first(connection):
    connection.sendall(b"SSH-2.0-world\r\n")
    while True:
        piece = connection.recv(4096)
        if not piece:
            return
        connection.sendall(piece)


def chatters(connection):
    """Speaks all the time, as a server whose connection is older than the rules might."""
    stop = threading.Event()
    while not stop.wait(0.05):
        connection.sendall(b".")


def udp(port, answer):
    """Answers come from the address that was asked, which a wildcard socket must be told to do."""
    sock = bound(socket.SOCK_DGRAM, port)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def loop():
        while True:
            packet, extra, _, peer = sock.recvmsg(4096, 256)
            reply = answer(packet)
            asked = [(level, kind, data[:16] + bytes(4)) for level, kind, data in extra if kind == socket.IPV6_PKTINFO]
            if reply:
                sock.sendmsg([reply], asked, 0, peer)

    threading.Thread(target=loop, daemon=True).start()


def dns(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("ascii", "replace"))
        at += 1 + packet[at]
    kind = int.from_bytes(packet[at + 1 : at + 3], "big")
    question = packet[12 : at + 5]
    addresses = names.get(".".join(labels).lower())
    records = b""
    count = 0
    for address in addresses or []:
        family, wanted = (socket.AF_INET6, 28) if ":" in address else (socket.AF_INET, 1)
        if kind == wanted:
            data = socket.inet_pton(family, address)
            records += b"\xc0\x0c" + wanted.to_bytes(2, "big") + b"\x00\x01\x00\x00\x01\x2c" + len(data).to_bytes(2, "big") + data
            count += 1
    flags = b"\x81\x80" if addresses else b"\x81\x83"
    return packet[:2] + flags + b"\x00\x01" + count.to_bytes(2, "big") + b"\x00\x00\x00\x00" + question + records


def dns_over_tcp(connection):
    while True:
        length = connection.recv(2)
        if len(length) < 2:
            return
        reply = dns(connection.recv(int.from_bytes(length, "big")))
        connection.sendall(len(reply).to_bytes(2, "big") + reply)


for port in (80, 8080):
    serve(port, http)
for port in (443, 853, 8443):
    serve(port, https)
for port in (22, 25, 3306):
    serve(port, speaks_first)
serve(53, dns_over_tcp)
serve(7777, chatters)
udp(53, dns)
for port in (123, 443, 853, 5353, 33434):
    udp(port, lambda packet: packet)
print("world ready", flush=True)
threading.Event().wait()
