// Uses ioredis, or iovalkey, which began as a copy of it, and prints what the program's own call was
// rejected with. What comes as an event goes to stderr.
//
// usage: ioredis.js PORT MANNER PACKAGE
"use strict";

const [port, manner, name] = process.argv.slice(2);
const Redis = require(name);
const address = { host: "127.0.0.1", port: Number(port) };

function watched(client) {
  client.on("error", (error) => console.error("event:", error.message));
  return client;
}
const client = (more) => watched(new Redis({ ...address, ...more }));
const cluster = (more) => watched(new Redis.Cluster([address], more));
const access = { username: "u", password: "p" };

/** The errors of a pipeline, which come beside its replies. */
async function errors(pipeline) {
  throw (await pipeline.exec()).map(([error]) => error);
}

const manners = {
  get: () => client().get("key"),
  set: () => client({ db: 3 }).set("key", "value"),
  "no-retry": () => client({ db: 3, retryStrategy: null }).set("key", "value"),
  password: () => client({ ...access, db: 3, connectionName: "test" }).set("key", "value"),
  url: () => watched(new Redis(`redis://:p@127.0.0.1:${port}/3`)).get("key"),
  lazy: async () => {
    const waiting = client({ lazyConnect: true });
    await waiting.connect();
    await waiting.get("key");
  },
  unready: () => client({ enableReadyCheck: false }).get("key"),
  pipeline: () => errors(client().pipeline().set("a", 1).get("a")),
  "auto-pipeline": async () => {
    const one = client({ enableAutoPipelining: true });
    const calls = await Promise.allSettled([one.get("a"), one.get("b")]);
    throw calls.map((call) => call.reason);
  },
  transaction: () => client().multi().set("a", 1).get("a").exec(),
  blocking: () => client({ maxRetriesPerRequest: null }).blpop("key", 0),
  subscribe: () => client().subscribe("news"),
  script: () => client({ scripts: { one: { numberOfKeys: 1, lua: "return 1" } } }).one("key"),
  readonly: () => client({ readOnly: true }).get("key"),
  cluster: () => cluster().get("key"),
  "cluster-password": () => cluster({ redisOptions: access }).set("key", "value"),
  "cluster-replicas": () => cluster({ scaleReads: "slave" }).get("key"),
  "cluster-pipeline": () => errors(cluster().pipeline().get("key")),
};

manners[manner]().then(
  () => {
    console.error("no error was seen");
    process.exit(1);
  },
  (errors) => {
    for (const error of [errors].flat()) console.log(`${error.name}: ${error.message}`);
    process.exit(0);
  },
);
