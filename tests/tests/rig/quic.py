"""A QUIC client that asks an address for HTTP/3 and gives up soon. Argument: the address."""

import asyncio
import ssl
import sys

from aioquic.asyncio import connect
from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import QuicConfiguration


async def main():
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, server_name="evil.test"
    )
    async with connect(sys.argv[1], 443, configuration=configuration) as client:
        await client.ping()


asyncio.run(asyncio.wait_for(main(), 1))
