"""What package managers and RPC clients talk to, in one process: a PyPI simple index, an npm registry, a sparse cargo
index, a Git repository by `git http-backend`, an echo over HTTP/1.1 and HTTP/2, and a gRPC server.

Arguments: certificate chain, key, folder for the goods. HTTPS is on port 9443 and gRPC on 9444 of every address.
Prints `services ready`, then one line for each request that was parsed: `request VERSION METHOD HOST PATH`.
"""

import base64
import hashlib
import io
import json
import os
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import zipfile
from concurrent import futures
from http.server import BaseHTTPRequestHandler

import grpc
import h2.config
import h2.connection
import h2.events

chain, key = sys.argv[1:3]
folder = os.path.abspath(sys.argv[3])
BASE = "https://api.example.com:9443"


def archive(files):
    """A gzipped tar whose bytes are the same in every run."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def wheel():
    files = {
        "sample_wheel.py": b"ANSWER = 42\n",
        "sample_wheel-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: sample-wheel\nVersion: 1.0\n",
        "sample_wheel-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: story\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "sample_wheel-1.0.dist-info/RECORD": b"sample_wheel.py,,\n",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as package:
        for name, content in files.items():
            package.writestr(name, content)
    return packed.getvalue()


def goods():
    """Every static answer by path."""
    package = wheel()
    page = '<!DOCTYPE html><html><body><a href="/pypi/files/%s#sha256=%s">sample_wheel</a></body></html>'
    name = "sample_wheel-1.0-py3-none-any.whl"
    tarball = archive({
        "package/package.json": b'{"name":"sample-module","version":"1.0.0","main":"index.js"}',
        "package/index.js": b"module.exports = 42;\n",
    })
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    version = {
        "name": "sample-module", "version": "1.0.0",
        "dist": {"tarball": BASE + "/npm/sample-module/-/sample-module-1.0.0.tgz", "integrity": integrity},
    }
    crate = archive({
        "sample-crate-1.0.0/Cargo.toml": b'[package]\nname = "sample-crate"\nversion = "1.0.0"\nedition = "2021"\n',
        "sample-crate-1.0.0/src/lib.rs": b"pub const ANSWER: u32 = 42;\n",
    })
    entry = {
        "name": "sample-crate", "vers": "1.0.0", "deps": [], "cksum": hashlib.sha256(crate).hexdigest(),
        "features": {}, "yanked": False,
    }
    encoded = lambda value: json.dumps(value).encode()
    return {
        "/pypi/simple/sample-wheel/": ("text/html", (page % (name, hashlib.sha256(package).hexdigest())).encode()),
        "/pypi/files/" + name: ("application/octet-stream", package),
        "/npm/sample-module": ("application/json", encoded({
            "name": "sample-module", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version},
        })),
        "/npm/sample-module/-/sample-module-1.0.0.tgz": ("application/octet-stream", tarball),
        "/crates/config.json": ("application/json", encoded({"dl": BASE + "/crates/dl"})),
        "/crates/sa/mp/sample-crate": ("text/plain", encoded(entry) + b"\n"),
        "/crates/dl/sample-crate/1.0.0/download": ("application/octet-stream", crate),
        "/text": ("text/plain", b"some words from the world\n"),
        "/large": ("text/plain", b"".join(b"%d words of a long story\n" % line for line in range(40_000))),
    }


def repository():
    """A bare repository of one commit that is the same in every run."""
    work = os.path.join(folder, "work")
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", "Story"), ("EMAIL", "story@example.com"), ("DATE", "1700000000 +0000"))}
    environment = {**os.environ, **who, "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
    git = lambda *arguments: subprocess.run(["git", "-C", work, *arguments], env=environment, check=True, capture_output=True)
    os.makedirs(work)
    for number in range(40):
        with open(os.path.join(work, f"file{number}.txt"), "w") as file:
            file.writelines(f"line {line} of file {number}\n" for line in range(200))
    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message=a story")
    git("clone", "--quiet", "--bare", ".", os.path.join(folder, "git", "sample.git"))


def http_backend(method, path, headers, body):
    """The CGI program that comes with Git."""
    path, _, query = path.partition("?")
    environment = {
        **os.environ, "HOME": folder, "GIT_PROJECT_ROOT": folder, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
        "QUERY_STRING": query, "REQUEST_METHOD": method, "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
    }
    output = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True).stdout
    head, _, content = output.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(fields.pop("Status", "200").split()[0])
    return status, {name.lower(): value for name, value in fields.items()}, content


STATIC = goods()


def answer(version, method, path, headers, body):
    # One write: the lines of two threads must not meet.
    sys.stdout.write(f"request {version} {method} {headers.get('host', '-')} {path}\n")
    sys.stdout.flush()
    if path.startswith("/git/"):
        return http_backend(method, path, headers, body)
    if path.startswith("/echo"):
        kept = {name: headers[name] for name in ("accept", "content-type", "user-agent", "x-story") if name in headers}
        told = {"method": method, "path": path, "headers": kept, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        return 200, {"content-type": "application/json"}, json.dumps(told, sort_keys=True).encode()
    path = path.partition("?")[0]
    if path not in STATIC:
        return 404, {"content-type": "text/plain"}, b"no such thing\n"
    kind, content = STATIC[path]
    return 200, {"content-type": kind}, content


class Http1(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().strip(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, fields, content = answer("h1", self.command, self.path, headers, body)
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def log_message(self, *arguments):
        pass


def http2(tls):
    machine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    machine.initiate_connection()
    tls.sendall(machine.data_to_send())
    requests, pending = {}, {}
    while data := tls.recv(65536):
        for event in machine.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                requests[event.stream_id] = (dict(event.headers), bytearray())
            elif isinstance(event, h2.events.DataReceived):
                requests[event.stream_id][1].extend(event.data)
                machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                headers, body = requests.pop(event.stream_id)
                headers.setdefault("host", headers[":authority"])
                told = answer("h2", headers[":method"], headers[":path"], headers, bytes(body))
                status, fields, content = told
                fields = [(":status", str(status)), *fields.items(), ("content-length", str(len(content)))]
                machine.send_headers(event.stream_id, fields)
                pending[event.stream_id] = memoryview(b"" if headers[":method"] == "HEAD" else content)
            elif isinstance(event, h2.events.StreamReset):
                pending.pop(event.stream_id, None)
        for stream in list(pending):
            while room := min(machine.local_flow_control_window(stream), machine.max_outbound_frame_size, len(pending[stream])):
                machine.send_data(stream, bytes(pending[stream][:room]))
                pending[stream] = pending[stream][room:]
            if not pending[stream]:
                machine.end_stream(stream)
                del pending[stream]
        tls.sendall(machine.data_to_send())


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
context.set_alpn_protocols(["h2", "http/1.1"])


def connection(plain, peer):
    try:
        plain.settimeout(60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_side=True) as tls:
            if tls.selected_alpn_protocol() == "h2":
                http2(tls)
            else:
                Http1(tls, peer, None)
    except OSError:
        pass


def rpc():
    """Two methods that know nothing of messages: bytes in, bytes out."""
    def shout(request, call):
        call.set_trailing_metadata((("x-words", str(len(request.split()))),))
        return request.upper()

    def count(request, call):
        for number in range(int(request)):
            yield b"number %d" % number

    def fail(request, call):
        call.abort(grpc.StatusCode.FAILED_PRECONDITION, "not in this story")

    def gather(requests, call):
        return b"".join(requests)

    methods = {
        "Shout": grpc.unary_unary_rpc_method_handler(shout),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Gather": grpc.stream_unary_rpc_method_handler(gather),
    }
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("story.Words", methods),))
    with open(key, "rb") as secret, open(chain, "rb") as certificates:
        identity = grpc.ssl_server_credentials([(secret.read(), certificates.read())])
    server.add_secure_port("[::]:9444", identity)
    server.start()
    return server


repository()
server = rpc()
listener = socket.create_server(("::", 9443), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("services ready", flush=True)
while True:
    threading.Thread(target=connection, args=listener.accept(), daemon=True).start()
