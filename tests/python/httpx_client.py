"""httpx with HTTP/2: many streams on one connection, uploads, compressed answers, server-sent events."""

from concurrent.futures import ThreadPoolExecutor

import httpx
from story import report

BASE = "https://origin.test"


def main():
    with httpx.Client(http2=True, timeout=60) as client:
        for path in ("/text", "/coded/gzip", "/coded/deflate", "/bytes/3000000", "/status/204", "/status/404"):
            answer = client.get(BASE + path)
            report(path, answer.status_code, answer.headers, answer.content, version=answer.http_version)
        answer = client.head(BASE + "/bytes/1000")
        report("head", answer.status_code, answer.headers, answer.content)
        answer = client.post(BASE + "/reflect", json={"deep": [{"a": "Zürich"}]})
        report("json", answer.status_code, answer.headers, answer.content)
        answer = client.post(BASE + "/upload", content=b"\x00\xff" * 1_000_000)
        report("upload", answer.status_code, answer.headers, answer.content)

        with ThreadPoolExecutor(10) as threads:
            answers = list(threads.map(lambda n: client.get(f"{BASE}/bytes/{20_000 + n}"), range(20)))
        for n, answer in enumerate(answers):
            report(f"at once {n}", answer.status_code, answer.headers, answer.content)

        with client.stream("GET", BASE + "/ticks?n=5") as answer:
            report("ticks", answer.status_code, answer.headers, lines=list(answer.iter_lines()))


main()
