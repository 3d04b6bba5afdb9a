"""Every combination of two names in CONNECT, SNI, absolute URI, Host and :authority, as first and as later request.

Prints one line of JSON for each attempt: the shape, the names, whether all agree, and the status (0: no answer).
"""

import itertools
import json
import socket
import ssl

import h2.config
import h2.connection
import h2.events

A, B = "api.example.com", "other.example.com"
PROXY = ("127.0.0.1", 3128)
ORIGIN = ("93.184.216.34", 9443)
count = itertools.count()


def told(shape, names, status, path):
    agree = len({name for name in names.values() if name}) == 1
    print(json.dumps({"shape": shape, "names": names, "agree": agree, "status": status, "path": path}), flush=True)


def answered(connection):
    """Reads one HTTP/1.1 answer with a length."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return 0
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while lengths and len(body) < lengths[0] and (piece := connection.recv(65536)):
            body += piece
        return int(head.split()[1])
    except OSError:
        return 0


def connected(connect):
    plain = socket.create_connection(PROXY if connect else ORIGIN, timeout=20)
    if connect:
        plain.sendall(f"CONNECT {connect}:9443 HTTP/1.1\r\nHost: {connect}:9443\r\n\r\n".encode())
        status = answered(plain)
        assert status == 200, status
    return plain


def tls(connect, sni, protocol):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    try:
        wrapped = context.wrap_socket(connected(connect), server_hostname=sni)
    except OSError:
        return None
    return wrapped if wrapped.selected_alpn_protocol() == protocol else None


def asked(connection, uri, host, port=9443):
    """One HTTP/1.1 request; with a URI its target is in absolute form."""
    path = f"/text?{next(count)}"
    suffix = "" if port == 80 else f":{port}"
    target = f"{'https' if port != 80 else 'http'}://{uri}{suffix}{path}" if uri else path
    try:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}{suffix}\r\n\r\n".encode())
        return answered(connection), path
    except OSError:
        return 0, path


def over_http1(shape, connect, sni, uri, host, later):
    connection = tls(connect, sni, "http/1.1")
    if later and connection:
        assert asked(connection, None, sni)[0] == 200
    status, path = asked(connection, uri, host) if connection else (0, "")
    told(shape, {"connect": connect, "sni": sni, "uri": uri, "host": host}, status, path)


def over_http2(shape, connect, sni, authority, host, later):
    connection = tls(connect, sni, "h2")
    names = {"connect": connect, "sni": sni, "authority": authority, "host": host}
    if connection is None:
        return told(shape, names, 0, "")
    configuration = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    machine = h2.connection.H2Connection(configuration)
    machine.initiate_connection()
    paths = {}
    for stream, (name, other) in zip((1, 3), [(sni, None)] * later + [(authority, host)]):
        paths[stream] = f"/text?{next(count)}"
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", f"{name}:9443"), (":path", paths[stream])]
        machine.send_headers(stream, fields + ([("host", f"{other}:9443")] if other else []), end_stream=True)
    statuses = dict.fromkeys(paths, 0)
    waiting = set(paths)
    try:
        connection.sendall(machine.data_to_send())
        while waiting and (data := connection.recv(65536)):
            for event in machine.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    statuses[event.stream_id] = int(dict(event.headers)[b":status"])
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    waiting.discard(event.stream_id)
                elif isinstance(event, h2.events.ConnectionTerminated):
                    waiting.clear()
            connection.sendall(machine.data_to_send())
    except OSError:
        pass
    if later:
        assert statuses[1] == 200, statuses
    told(shape, names, statuses[max(paths)], paths[max(paths)])


def main():
    pairs = (A, B)
    for connect, sni, uri, host in itertools.product((*pairs, None), pairs, (*pairs, None), pairs):
        over_http1("http/1.1", connect, sni, uri, host, False)
        if connect in (sni, None):
            over_http1("http/1.1, second request", connect, sni, uri, host, True)
    for connect, sni, authority, host in itertools.product((*pairs, None), pairs, pairs, (*pairs, None)):
        over_http2("h2", connect, sni, authority, host, False)
        if connect in (sni, None):
            over_http2("h2, another stream", connect, sni, authority, host, True)
    for uri, host in itertools.product(pairs, pairs):
        for first in (None, *pairs):
            with socket.create_connection(PROXY, timeout=20) as plain:
                if first:
                    assert asked(plain, first, first, 80)[0] == 200
                status, path = asked(plain, uri, host, 80)
                told(f"absolute form after {first}", {"uri": uri, "host": host}, status, path)
    for sni in pairs:
        connection = tls(sni, sni, "http/1.1")
        connection.sendall(f"CONNECT {sni}:9443 HTTP/1.1\r\nHost: {sni}:9443\r\n\r\n".encode())
        told("CONNECT inside a tunnel", {"inside": sni, "not": "allowed"}, answered(connection), "")


main()
