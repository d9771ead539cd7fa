"""Uses redis-py as programs do, and prints the error that the program would see.

usage: redis_py.py PORT (sync | password | resp3 | pool | pipeline | asyncio | cluster) [CERTIFICATE]

With a certificate all of it goes through TLS.
"""

import asyncio
import sys

import redis
import redis.asyncio

port = int(sys.argv[1])
manner = sys.argv[2]
common = {"host": "127.0.0.1", "port": port, "socket_timeout": 10}
if len(sys.argv) > 3:
    common.update(ssl=True, ssl_ca_certs=sys.argv[3])


def sync():
    redis.Redis(**common).get("key")


def password():
    redis.Redis(**common, username="u", password="p", db=3, client_name="test").set("key", "value")


def resp3():
    redis.Redis(**common, protocol=3).incr("key")


def pool():
    pool = redis.ConnectionPool(**common, max_connections=2)
    first, second = redis.Redis(connection_pool=pool), redis.Redis(connection_pool=pool)
    for client in (first, second, first):
        try:
            client.ping()
        except redis.ResponseError as error:
            print(error)
    second.ping()


def pipeline():
    with redis.Redis(**common).pipeline(transaction=True) as pipe:
        pipe.set("a", 1).get("a").execute()


def asynchronous():
    async def use():
        async with redis.asyncio.Redis(**common) as client:
            await client.get("key")

    asyncio.run(use())


def cluster():
    redis.RedisCluster(**common).get("key")


try:
    {
        "sync": sync,
        "password": password,
        "resp3": resp3,
        "pool": pool,
        "pipeline": pipeline,
        "asyncio": asynchronous,
        "cluster": cluster,
    }[manner]()
except redis.RedisError as error:
    print(type(error).__name__, error)
else:
    sys.exit("no error was seen")
