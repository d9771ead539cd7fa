"""Uses Valkey GLIDE, and prints what the program's own call raised.

usage: valkey_glide.py PORT (get | password | resp2 | cluster)
"""

import asyncio
import sys

import glide

port, manner = int(sys.argv[1]), sys.argv[2]
options = {
    "get": {},
    "password": {"credentials": glide.ServerCredentials(username="u", password="p")},
    "resp2": {"protocol": glide.ProtocolVersion.RESP2},
    "cluster": {},
}[manner]


async def use():
    client, configuration = glide.GlideClient, glide.GlideClientConfiguration
    if manner == "cluster":
        client, configuration = glide.GlideClusterClient, glide.GlideClusterClientConfiguration
    addresses = [glide.NodeAddress("127.0.0.1", port)]
    connected = await client.create(configuration(addresses, request_timeout=10_000, **options))
    try:
        await connected.get("key")
    finally:
        await connected.close()


try:
    asyncio.run(use())
except glide.GlideError as error:
    print(f"{type(error).__name__}: {error}")
else:
    sys.exit("no error was seen")
