"""The `requests` library: HTTP/1.1, bodies of known and unknown length, compressed answers, streams."""

import requests
from story import report

BASE = "https://origin.test"


def main():
    with requests.Session() as session:
        for path in ("/text", "/coded/gzip", "/coded/deflate", "/members"):
            answer = session.get(BASE + path)
            report(path, answer.status_code, answer.headers, answer.content)
        for code in (204, 304, 404, 500):
            answer = session.get(f"{BASE}/status/{code}")
            report(f"status {code}", answer.status_code, answer.headers, answer.content)

        answer = session.head(BASE + "/bytes/1000")
        report("head", answer.status_code, answer.headers, answer.content)
        answer = session.post(BASE + "/reflect", json={"question": "how far is it to Zürich?", "deep": [{"a": 1}]})
        report("json", answer.status_code, answer.headers, answer.content)
        answer = session.put(BASE + "/reflect", data=b"\x00\xff" * 200_000)
        report("binary", answer.status_code, answer.headers, answer.content)
        answer = session.post(BASE + "/upload", data=(b"a piece of the whole\n" * 100 for _ in range(50)))
        report("chunked upload", answer.status_code, answer.headers, answer.content)
        answer = session.post(BASE + "/upload", files={"file": ("notes.txt", b"some notes\n" * 1000, "text/plain")})
        report("multipart", answer.status_code, answer.headers)
        answer = session.get(BASE + "/bytes/5000000", params={"q": "a b&c"})
        report("download", answer.status_code, answer.headers, answer.content)
        with session.get(BASE + "/ticks?n=5", stream=True) as answer:
            report("ticks", answer.status_code, answer.headers, lines=[line.decode() for line in answer.iter_lines()])


main()
