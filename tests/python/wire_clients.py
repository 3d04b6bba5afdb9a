"""requests, httpx and aiohttp as they come, against the services of the world. Which one is the argument."""

import asyncio
import hashlib
import json
import sys

BASE = "https://api.example.com:9443"
BODY = b"\x00\xff some bytes " * 20_000


def told(step, status, body):
    print(json.dumps([step, status, len(body), hashlib.sha256(body).hexdigest()]), flush=True)


def with_requests():
    import requests

    with requests.Session() as session:
        for path in ("/text", "/large", "/none"):
            answer = session.get(BASE + path, timeout=60)
            told(path, answer.status_code, answer.content)
        answer = session.post(BASE + "/echo", data=BODY, headers={"x-story": "1"}, timeout=60)
        told("echo", answer.status_code, answer.content)
        answer = session.post(BASE + "/echo", data=iter([BODY, BODY]), timeout=60)
        told("chunked", answer.status_code, answer.content)


def with_httpx():
    import httpx

    for http2 in (False, True):
        with httpx.Client(http2=http2, timeout=60) as client:
            for path in ("/text", "/large", "/none"):
                answer = client.get(BASE + path)
                told(f"{answer.http_version} {path}", answer.status_code, answer.content)
            answer = client.post(BASE + "/echo", content=BODY, headers={"x-story": "1"})
            told("echo", answer.status_code, answer.content)


async def with_aiohttp():
    import aiohttp

    async def get(session, path):
        async with session.get(BASE + path) as answer:
            return path, answer.status, await answer.read()

    async with aiohttp.ClientSession() as session:
        for answer in await asyncio.gather(*(get(session, path) for path in ("/text", "/large", "/none"))):
            told(*answer)
        async with session.post(BASE + "/echo", data=BODY, headers={"x-story": "1"}) as answer:
            told("echo", answer.status, await answer.read())


match sys.argv[1]:
    case "requests":
        with_requests()
    case "httpx":
        with_httpx()
    case "aiohttp":
        asyncio.run(with_aiohttp())
