//! Programs with a client library of Go get the notice as an error, in every manner of use.

use crate::listener::clients::client_program::{Library, Manners, Program};

/// What go-redis can do, in the old and in the newest version.
#[rustfmt::skip]
const GO_REDIS: Manners = &[
    ("get", 1), ("no-retry", 1), ("url", 1), ("password", 1), ("resp2", 1), ("resp3", 1), ("pool", 4),
    ("connection", 1), ("pipeline", 3), ("transaction", 2), ("watch", 1), ("blocking", 1),
    ("subscribe", 1), ("scan", 1), ("script", 1), ("universal", 1), ("ring", 1), ("cluster", 1),
    ("cluster-password", 1), ("cluster-replicas", 1), ("cluster-pipeline", 2),
    ("cluster-transaction", 2), ("cluster-subscribe", 1),
];

/// What rueidis can do, in the old and in the newest version.
#[rustfmt::skip]
const RUEIDIS: Manners = &[
    ("get", 1), ("password", 1), ("resp2", 1), ("uncached", 1), ("pipeline", 2),
    ("auto-pipeline", 4), ("transaction", 3), ("blocking", 1), ("subscribe", 1), ("script", 1),
    ("cluster", 1), ("cluster-password", 1), ("cluster-replicas", 1), ("cluster-pipeline", 2),
];

libraries! {
    go_redis_returns_the_notice: Library {
        name: "go-redis 9.14",
        language: "Go",
        raises: "proto.RedisError",
        manners: GO_REDIS,
        program: Program::Go { library: "go-redis" },
    },
    newest_go_redis_returns_the_notice: Library {
        name: "go-redis 9.23",
        language: "Go",
        raises: "proto.RedisError",
        manners: GO_REDIS,
        program: Program::NewestGo { library: "go-redis" },
    },
    redigo_returns_the_notice: Library {
        name: "redigo 1.9",
        language: "Go",
        raises: "redis.Error",
        manners: &[
            ("get", 1), ("url", 1), ("password", 1), ("pool", 3), ("pool-checked", 2),
            ("pipeline", 2), ("transaction", 1), ("blocking", 1), ("subscribe", 1), ("script", 1),
        ],
        program: Program::Go { library: "redigo" },
    },
    rueidis_returns_the_notice: Library {
        name: "rueidis 1.0.14",
        language: "Go",
        raises: "rueidis.RedisError",
        manners: RUEIDIS,
        program: Program::Go { library: "rueidis" },
    },
    newest_rueidis_returns_the_notice: Library {
        name: "rueidis 1.0.79",
        language: "Go",
        raises: "rueidis.RedisError",
        manners: RUEIDIS,
        program: Program::NewestGo { library: "rueidis" },
    },
    newest_rueidis_with_a_cache_returns_the_notice: Library {
        name: "rueidis 1.0.79, cache",
        language: "Go",
        raises: "rueidis.RedisError",
        manners: &[("cache", 1), ("cluster-cache", 1)],
        program: Program::NewestGo { library: "rueidis" },
    },
}
