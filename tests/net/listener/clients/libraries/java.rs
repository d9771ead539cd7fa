//! Programs with a client library of Java get the notice as an exception, in every manner of use.

use crate::listener::clients::client_program::{Library, Program};

libraries! {
    jedis_4_throws_the_notice: Library {
        name: "Jedis 4",
        language: "Java",
        raises: "JedisDataException",
        manners: &[
            ("get", 1), ("set", 1), ("no-retry", 1), ("connection", 1), ("url", 1), ("password", 1), ("pool", 3),
            ("pipeline", 2), ("transaction", 1), ("watch", 1), ("blocking", 1), ("subscribe", 1),
            ("scan", 1), ("script", 1), ("cluster", 1), ("cluster-password", 1),
            ("cluster-pipeline", 1),
        ],
        program: Program::Java { module: "jedis-4" },
    },
    jedis_4_with_pub_sub_in_a_cluster_throws_the_notice: Library {
        name: "Jedis 4, pub/sub in a cluster",
        language: "Java",
        raises: "JedisClusterOperationException",
        manners: &[("cluster-subscribe", 1)],
        program: Program::Java { module: "jedis-4" },
    },
    jedis_throws_the_notice: Library {
        name: "Jedis 8",
        language: "Java",
        raises: "JedisDataException",
        manners: &[
            ("get", 1), ("set", 1), ("no-retry", 1), ("connection", 1), ("url", 1), ("password", 1), ("resp2", 1),
            ("resp3", 1), ("pool", 3), ("pipeline", 2), ("transaction", 3), ("watch", 1),
            ("blocking", 1), ("subscribe", 1), ("scan", 1), ("script", 1), ("cache", 1),
            ("cluster", 1), ("cluster-password", 1), ("cluster-replicas", 1),
            ("cluster-pipeline", 1),
        ],
        program: Program::Java { module: "jedis" },
    },
    jedis_with_pub_sub_in_a_cluster_throws_the_notice: Library {
        name: "Jedis 8, pub/sub in a cluster",
        language: "Java",
        raises: "JedisClusterOperationException",
        manners: &[("cluster-subscribe", 1)],
        program: Program::Java { module: "jedis" },
    },
    lettuce_throws_the_notice: Library {
        name: "Lettuce 7",
        language: "Java",
        raises: "RedisCommandExecutionException",
        manners: &[
            ("get", 1), ("set", 1), ("url", 1), ("password", 1), ("resp2", 1), ("resp3", 1),
            ("unchecked", 1), ("async", 1), ("reactive", 1), ("pool", 3), ("pool-checked", 3),
            ("async-pool", 1), ("pipeline", 2), ("transaction", 3), ("blocking", 1),
            ("subscribe", 1), ("scan", 1), ("script", 1), ("cache", 1), ("replicas", 1),
            ("cluster", 1), ("cluster-password", 1), ("cluster-async", 1),
            ("cluster-replicas", 1), ("cluster-pipeline", 1),
        ],
        program: Program::Java { module: "lettuce" },
    },
    redisson_throws_the_notice: Library {
        name: "Redisson 4",
        language: "Java",
        raises: "RedisException",
        manners: &[
            ("get", 1), ("unchecked", 1), ("set", 1), ("password", 1), ("resp3", 1), ("lazy", 1),
            ("async", 1), ("reactive", 1), ("map", 1), ("lock", 1), ("batch", 2),
            ("transaction", 1), ("queue", 1), ("publish", 1), ("scan", 1), ("cluster", 1),
            ("cluster-replicas", 1), ("cluster-lock", 2), ("cluster-batch", 2),
        ],
        program: Program::Java { module: "redisson" },
    },
    spring_data_redis_over_lettuce_throws_the_notice: Library {
        name: "Spring Data Redis 4, Lettuce",
        language: "Java",
        raises: "RedisSystemException",
        manners: &[
            ("lettuce-get", 1), ("lettuce-set", 1), ("lettuce-password", 1), ("lettuce-pool", 2),
            ("lettuce-transaction", 1), ("lettuce-blocking", 1), ("lettuce-subscribe", 1),
            ("lettuce-scan", 1), ("lettuce-script", 1), ("lettuce-cache", 1),
            ("lettuce-reactive", 1), ("lettuce-cluster-get", 1),
        ],
        program: Program::Java { module: "spring" },
    },
    spring_data_redis_over_jedis_throws_the_notice: Library {
        name: "Spring Data Redis 4, Jedis",
        language: "Java",
        raises: "InvalidDataAccessApiUsageException",
        manners: &[
            ("jedis-get", 1), ("jedis-set", 1), ("jedis-password", 1), ("jedis-transaction", 1),
            ("jedis-blocking", 1), ("jedis-subscribe", 1), ("jedis-script", 1), ("jedis-cache", 1),
            ("jedis-cluster-get", 1),
        ],
        program: Program::Java { module: "spring" },
    },
    spring_data_redis_with_a_pipeline_throws_the_notice: Library {
        name: "Spring Data Redis 4, pipeline",
        language: "Java",
        raises: "RedisPipelineException",
        manners: &[("lettuce-pipeline", 1), ("lettuce-cluster-pipeline", 1), ("jedis-pipeline", 1)],
        program: Program::Java { module: "spring" },
    },
}
