// Uses node-redis 4 and newer, and prints what the program's own call was rejected with. What
// comes as an event goes to stderr.
//
// usage: node_redis.js PORT MANNER PACKAGE
"use strict";

const [port, manner, name] = process.argv.slice(2);
const redis = require(name);
const options = { socket: { host: "127.0.0.1", port: Number(port) } };

async function opened(client) {
  client.on("error", (error) => console.error("event:", error.message));
  await client.connect();
  return client;
}
const client = (more) => opened(redis.createClient({ ...options, ...more }));
const cluster = (more) => opened(redis.createCluster({ rootNodes: [options], ...more }));
const access = { username: "u", password: "p" };
const cache = { ttl: 0, maxEntries: 0, evictPolicy: "LRU" };

const manners = {
  get: async () => (await client()).get("key"),
  set: async () => (await client({ database: 3 })).set("key", "value"),
  "no-retry": async () => {
    const socket = { ...options.socket, reconnectStrategy: false };
    await (await client({ socket, database: 3 })).set("key", "value");
  },
  password: async () => (await client({ ...access, database: 3, name: "test" })).set("key", "value"),
  url: async () => (await client({ socket: {}, url: `redis://:p@127.0.0.1:${port}/3` })).get("key"),
  resp2: async () => (await client({ RESP: 2 })).incr("key"),
  resp3: async () => (await client({ RESP: 3 })).incr("key"),
  pipeline: async () => {
    const connected = await client();
    const calls = ["a", "b", "c"].map((key) => connected.get(key));
    throw (await Promise.allSettled(calls)).map((call) => call.reason);
  },
  transaction: async () => (await client()).multi().set("a", 1).get("a").exec(),
  blocking: async () => (await client()).blPop("key", 0),
  subscribe: async () => (await client()).subscribe("news", () => {}),
  scan: async () => {
    for await (const keys of (await client()).scanIterator()) console.error(keys);
  },
  readonly: async () => (await client({ readonly: true })).get("key"),
  cache: async () => (await client({ RESP: 3, clientSideCache: cache })).get("key"),
  pool: async () => (await opened(redis.createClientPool(options))).get("key"),
  cluster: async () => (await cluster()).get("key"),
  "cluster-password": async () => (await cluster({ defaults: access })).set("key", "value"),
  "cluster-replicas": async () => (await cluster({ useReplicas: true })).get("key"),
};

manners[manner]().then(
  () => {
    console.error("no error was seen");
    process.exit(1);
  },
  (errors) => {
    for (const error of [errors].flat()) console.log(`${error.constructor.name}: ${error.message}`);
    process.exit(0);
  },
);
