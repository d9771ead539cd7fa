// Uses node-redis 3, which has callbacks, and prints what the program's own callback was called with.
// What comes as an event goes to stderr.
//
// usage: node_redis_3.js PORT (get | password | batch | transaction | blocking | subscribe | unready)
"use strict";

const redis = require("redis-3");

const [port, manner] = process.argv.slice(2);
const options = {
  password: { password: "p", db: 3 },
  unready: { no_ready_check: true },
};
const client = redis.createClient({ host: "127.0.0.1", port: Number(port), ...options[manner] });
client.on("error", (error) => console.error("event:", error.message));

function called(error, replies) {
  const errors = [error, replies].flat().filter((value) => value instanceof Error);
  for (const seen of errors) console.log(`${seen.name}: ${seen.message}`);
  process.exit(errors.length > 0 ? 0 : 1);
}

const manners = {
  get: () => client.get("key", called),
  password: () => client.set("key", "value", called),
  batch: () => client.batch().get("a").get("b").exec(called),
  transaction: () => client.multi().set("a", 1).get("a").exec(called),
  blocking: () => client.blpop("key", 0, called),
  subscribe: () => client.subscribe("news", called),
  unready: () => client.get("key", called),
};
manners[manner]();
