"""Uses redis-py, or valkey-py, which began as a copy of it, and prints what the program's own call
raised.

usage: redis_py.py PORT MANNER (redis | valkey) [CERTIFICATE]

With a certificate all of it goes through TLS.
"""

import asyncio
import importlib
import sys

port, manner, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
library = importlib.import_module(name)
asynchronous = importlib.import_module(f"{name}.asyncio")
cluster_module = importlib.import_module(f"{name}.asyncio.cluster")
Client = getattr(library, name.capitalize())
Cluster = getattr(library, f"{name.capitalize()}Cluster")
AsyncClient = getattr(asynchronous, name.capitalize())
AsyncCluster = getattr(cluster_module, f"{name.capitalize()}Cluster")
LibraryError = getattr(library, f"{name.capitalize()}Error")
address = {"host": "127.0.0.1", "port": port}
if len(sys.argv) > 4:
    address.update(ssl=True, ssl_ca_certs=sys.argv[4])
common = {**address, "socket_timeout": 10}
# With RESP2, replies to set-up commands look like the reply to SET.
selecting = {**common, "protocol": 2, "db": 3}


def show(error):
    print(f"{type(error).__module__}.{type(error).__name__}: {error}")


def pool():
    pool = library.ConnectionPool(**common, max_connections=2)
    first, second = Client(connection_pool=pool), Client(connection_pool=pool)
    for client in (first, second, first):
        try:
            client.ping()
        except library.ResponseError as error:
            show(error)
    second.ping()


def pubsub():
    pubsub = Client(**common).pubsub()
    pubsub.subscribe("news")
    next(pubsub.listen())


def retry():
    backoff = importlib.import_module(f"{name}.backoff").ExponentialBackoff()
    retry = importlib.import_module(f"{name}.retry").Retry(backoff, 3)
    Client(**common, retry=retry, retry_on_error=[library.ConnectionError]).get("key")


def cache():
    config = importlib.import_module("redis.cache").CacheConfig()
    Client(**common, protocol=3, cache_config=config).get("key")


def no_retry():
    backoff = importlib.import_module(f"{name}.backoff").NoBackoff()
    retry = importlib.import_module(f"{name}.retry").Retry(backoff, 0)
    Client(**selecting, retry=retry).set("key", "value")


async def asyncio_get():
    async with AsyncClient(**common) as client:
        await client.get("key")


async def asyncio_pipeline():
    async with AsyncClient(**common).pipeline() as pipeline:
        await pipeline.set("a", 1).get("a").execute()


async def asyncio_cluster():
    async with AsyncCluster(**common) as cluster:
        await cluster.get("key")


manners = {
    "get": lambda: Client(**common).get("key"),
    "set": lambda: Client(**selecting).set("key", "value"),
    "no-retry": no_retry,
    "url": lambda: library.from_url(f"{name}://u:p@localhost:{port}/3").set("key", "value"),
    "password": lambda: Client(**common, password="p", db=3, client_name="test").get("key"),
    "resp2": lambda: Client(**common, protocol=2).incr("key"),
    "resp3": lambda: Client(**common, protocol=3).incr("key"),
    "pool": pool,
    "pipeline": lambda: Client(**common).pipeline(transaction=False).get("a").get("b").execute(),
    "transaction": lambda: Client(**common).pipeline().set("a", 1).get("a").execute(),
    "blocking": lambda: Client(**address).blpop("key", 0),
    "pubsub": pubsub,
    "lock": lambda: Client(**common).lock("key", timeout=3).acquire(),
    "retry": retry,
    "cache": cache,
    "asyncio": lambda: asyncio.run(asyncio_get()),
    "asyncio-pipeline": lambda: asyncio.run(asyncio_pipeline()),
    "cluster": lambda: Cluster(**common).get("key"),
    "cluster-replicas": lambda: Cluster(**common, read_from_replicas=True).get("key"),
    "cluster-pipeline": lambda: Cluster(**common).pipeline().get("key").execute(),
    "asyncio-cluster": lambda: asyncio.run(asyncio_cluster()),
}

try:
    manners[manner]()
except LibraryError as error:
    show(error)
else:
    sys.exit("no error was seen")
