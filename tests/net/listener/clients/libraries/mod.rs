//! Programs with a client library get the notice as an error, in every manner of use.

use crate::listener::clients::client_program::{Library, Program};

/// A test for each library, and the list of all of them.
macro_rules! libraries {
    ($($test:ident: $library:expr,)*) => {
        pub const ALL: &[Library] = &[$($library),*];
        $(
            #[test]
            fn $test() {
                $library.shows_the_notice();
            }
        )*
    };
}

pub mod go;
pub mod java;

/// The libraries of all languages.
pub fn all() -> impl Iterator<Item = &'static Library> {
    [ALL, java::ALL, go::ALL].into_iter().flatten()
}

libraries! {
    redis_py_raises_the_notice: Library {
        name: "redis-py 8",
        language: "Python",
        raises: "redis.exceptions.ResponseError",
        manners: &[
            ("get", 1), ("set", 1), ("no-retry", 1), ("url", 1), ("password", 1), ("resp2", 1),
            ("resp3", 1), ("pool", 4), ("pipeline", 1), ("transaction", 1), ("blocking", 1),
            ("pubsub", 1), ("lock", 1), ("retry", 1), ("cache", 1), ("asyncio", 1),
            ("asyncio-pipeline", 1),
        ],
        program: Program::Python { script: "python/redis_py.py", package: "redis" },
    },
    redis_py_with_a_cluster_raises_the_notice: Library {
        name: "redis-py 8, cluster",
        language: "Python",
        raises: "redis.exceptions.ResponseError",
        manners: &[
            ("cluster", 1), ("cluster-replicas", 1), ("cluster-pipeline", 1), ("asyncio-cluster", 1),
        ],
        program: Program::Python { script: "python/redis_py.py", package: "redis" },
    },
    valkey_py_raises_the_notice: Library {
        name: "valkey-py 6",
        language: "Python",
        raises: "valkey.exceptions.ResponseError",
        manners: &[("get", 1), ("password", 1), ("asyncio", 1), ("cluster", 1)],
        program: Program::Python { script: "python/redis_py.py", package: "valkey" },
    },
    valkey_glide_raises_the_notice: Library {
        name: "Valkey GLIDE 2",
        language: "Python",
        raises: "ClosingError",
        manners: &[("get", 1), ("password", 1), ("resp2", 1), ("cluster", 1)],
        program: Program::Python { script: "python/valkey_glide.py", package: "glide" },
    },
    celery_raises_the_notice: Library {
        name: "Celery 5",
        language: "Python",
        raises: "OperationalError",
        manners: &[("task", 1)],
        program: Program::Python { script: "python/job_queues.py", package: "celery" },
    },
    rq_raises_the_notice: Library {
        name: "RQ 3",
        language: "Python",
        raises: "ResponseError",
        manners: &[("task", 1)],
        program: Program::Python { script: "python/job_queues.py", package: "rq" },
    },
    node_redis_rejects_with_the_notice: Library {
        name: "node-redis 6",
        language: "Node.js",
        raises: "SimpleError",
        manners: &[
            ("get", 1), ("set", 1), ("no-retry", 1), ("url", 1), ("password", 1), ("resp2", 1),
            ("resp3", 1), ("pool", 1), ("pipeline", 3), ("transaction", 1), ("blocking", 1),
            ("subscribe", 1), ("scan", 1), ("readonly", 1), ("cache", 1), ("cluster", 1),
            ("cluster-password", 1), ("cluster-replicas", 1),
        ],
        program: Program::Node { script: "node/node_redis.js", package: "redis" },
    },
    node_redis_4_rejects_with_the_notice: Library {
        name: "node-redis 4",
        language: "Node.js",
        raises: "ErrorReply",
        manners: &[
            ("get", 1), ("password", 1), ("pipeline", 3), ("transaction", 1), ("subscribe", 1),
            ("cluster", 1),
        ],
        program: Program::Node { script: "node/node_redis.js", package: "redis-4" },
    },
    node_redis_3_calls_back_with_the_notice: Library {
        name: "node-redis 3",
        language: "Node.js",
        raises: "ReplyError",
        manners: &[
            ("get", 1), ("password", 1), ("batch", 2), ("transaction", 1), ("blocking", 1),
            ("subscribe", 1), ("unready", 1),
        ],
        program: Program::Node { script: "node/node_redis_3.js", package: "redis-3" },
    },
    ioredis_rejects_with_the_notice: Library {
        name: "ioredis 6",
        language: "Node.js",
        raises: "ReplyError",
        manners: &[
            ("get", 1), ("set", 1), ("no-retry", 1), ("url", 1), ("password", 1), ("lazy", 1),
            ("unready", 1), ("pipeline", 2), ("auto-pipeline", 2), ("transaction", 1), ("blocking", 1), ("subscribe", 1),
            ("script", 1), ("readonly", 1), ("cluster", 1), ("cluster-password", 1),
            ("cluster-replicas", 1), ("cluster-pipeline", 1),
        ],
        program: Program::Node { script: "node/ioredis.js", package: "ioredis" },
    },
    ioredis_5_rejects_with_the_notice: Library {
        name: "ioredis 5",
        language: "Node.js",
        raises: "ReplyError",
        manners: &[("get", 1), ("password", 1), ("pipeline", 2), ("blocking", 1), ("cluster", 1)],
        program: Program::Node { script: "node/ioredis.js", package: "ioredis-5" },
    },
    iovalkey_rejects_with_the_notice: Library {
        name: "iovalkey 0.4",
        language: "Node.js",
        raises: "ReplyError",
        manners: &[("get", 1), ("password", 1), ("cluster", 1)],
        program: Program::Node { script: "node/ioredis.js", package: "iovalkey" },
    },
    phpredis_throws_the_notice: Library {
        name: "phpredis",
        language: "PHP",
        raises: "RedisException",
        manners: &[
            ("get", 1), ("set", 1), ("password", 1), ("persistent", 1), ("transaction", 1),
            ("raw", 1), ("array", 1), ("session", 1), ("list", 1), ("pipeline", 1),
        ],
        program: Program::Debian { interpreter: "php", script: "php/phpredis.php", package: "",
            probe: &["php", "-r", "exit((int) !extension_loaded('redis'));"] },
    },
    predis_throws_the_notice: Library {
        name: "Predis",
        language: "PHP",
        raises: "Predis\\Response\\ServerException",
        manners: &[
            ("get", 1), ("password", 1), ("pipeline", 1), ("transaction", 1), ("blocking", 1),
            ("scan", 1), ("cluster", 1),
        ],
        program: Program::Debian { interpreter: "php", script: "php/predis.php", package: "",
            probe: &["php", "-r", "exit((int) !stream_resolve_include_path('Predis/Autoloader.php'));"] },
    },
    redis_rb_raises_the_notice: Library {
        name: "redis-rb",
        language: "Ruby",
        raises: "Redis::CommandError",
        manners: &[
            ("get", 1), ("url", 1), ("password", 1), ("pipeline", 1), ("transaction", 1),
            ("blocking", 1), ("subscribe", 1), ("scan", 1),
        ],
        program: Program::Debian { interpreter: "ruby", script: "ruby/redis_rb.rb", package: "",
            probe: &["ruby", "-rredis", "-e", ""] },
    },
    redis_rb_with_a_cluster_raises_the_notice: Library {
        name: "redis-rb, cluster",
        language: "Ruby",
        raises: "Redis::Cluster::InitialSetupError",
        manners: &[("cluster", 1), ("cluster-replicas", 1)],
        program: Program::Debian { interpreter: "ruby", script: "ruby/redis_rb.rb", package: "",
            probe: &["ruby", "-rredis", "-e", ""] },
    },
    redis_rb_returns_the_notice_as_information: Library {
        name: "redis-rb, INFO",
        language: "Ruby",
        raises: "Hash",
        manners: &[("info", 1)],
        program: Program::Debian { interpreter: "ruby", script: "ruby/redis_rb.rb", package: "",
            probe: &["ruby", "-rredis", "-e", ""] },
    },
    perl_redis_dies_of_the_notice: Library {
        name: "Redis",
        language: "Perl",
        raises: "die",
        manners: &[
            ("get", 1), ("password", 1), ("database", 1), ("reconnect", 1), ("list", 1),
            ("pipeline", 2), ("transaction", 1), ("subscribe", 1),
        ],
        program: Program::Debian { interpreter: "perl", script: "perl/redis.pl", package: "Redis",
            probe: &["perl", "-MRedis", "-e", "1"] },
    },
    perl_redis_fast_dies_of_the_notice: Library {
        name: "Redis::Fast",
        language: "Perl",
        raises: "die",
        manners: &[
            ("get", 1), ("password", 1), ("database", 1), ("reconnect", 1), ("list", 1),
            ("pipeline", 2), ("transaction", 1),
        ],
        program: Program::Debian { interpreter: "perl", script: "perl/redis.pl", package: "Redis::Fast",
            probe: &["perl", "-MRedis::Fast", "-e", "1"] },
    },
    redis_lua_raises_the_notice: Library {
        name: "redis-lua",
        language: "Lua",
        raises: "error",
        manners: &[
            ("get", 1), ("password", 1), ("pipeline", 1), ("transaction", 1), ("list", 1),
            ("subscribe", 1),
        ],
        program: Program::Debian { interpreter: "lua5.1", script: "lua/redis.lua", package: "",
            probe: &["lua5.1", "-lredis", "-e", ""] },
    },
    hiredis_replies_with_the_notice: Library {
        name: "hiredis",
        language: "C",
        raises: "REDIS_REPLY_ERROR",
        manners: &[("get", 1), ("password", 1), ("pipeline", 100), ("transaction", 3)],
        program: Program::C,
    },
    eredis_gives_the_notice: Library {
        name: "eredis",
        language: "Erlang",
        raises: "error",
        manners: &[("get", 1), ("password", 1), ("pipeline", 2)],
        program: Program::Debian { interpreter: "escript", script: "erlang/eredis.escript", package: "",
            probe: &["erl", "-noshell", "-eval", "halt(length([1 || code:which(eredis) =:= non_existing]))."] },
    },
    redis_rs_returns_the_notice: Library {
        name: "redis-rs 1",
        language: "Rust",
        raises: "RedisError",
        manners: &[
            ("get", 1), ("set", 1), ("no-retry", 1), ("password", 1), ("resp3", 1), ("pipeline", 2),
            ("scan", 1), ("cluster", 1), ("cluster-replicas", 1), ("async-get", 1), ("async-pipeline", 2),
            ("async-manager", 1), ("async-subscribe", 1), ("async-cluster", 1),
        ],
        program: Program::Rust,
    },
}
