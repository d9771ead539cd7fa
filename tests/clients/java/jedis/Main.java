import java.util.Map;
import java.util.Set;
import redis.clients.jedis.ClusterPipeline;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisClusterClient;
import redis.clients.jedis.Response;
import redis.clients.jedis.csc.CacheConfig;

/** Uses the newest Jedis. */
final class Main {
    public static void main(String[] arguments) {
        Map<String, Uses.Use> uses = JedisUses.of(
                (address, config) -> RedisClient.builder().hostAndPort(address).clientConfig(config).build(),
                (address, config) ->
                        RedisClusterClient.builder().nodes(Set.of(address)).clientConfig(config).build());
        uses.put("resp2", to -> {
            try (Jedis jedis = new Jedis(JedisUses.address(to), JedisUses.config(to).resp2().build())) {
                jedis.get("key");
            }
        });
        uses.put("resp3", to -> {
            try (Jedis jedis = new Jedis(JedisUses.address(to), JedisUses.config(to).resp3().build())) {
                jedis.get("key");
            }
        });
        uses.put("cache", to -> {
            var builder = RedisClient.builder().hostAndPort(JedisUses.address(to));
            builder.clientConfig(JedisUses.config(to).resp3().build());
            builder.cacheConfig(CacheConfig.builder().maxSize(10).build());
            try (RedisClient client = builder.build()) {
                client.get("key");
            }
        });
        uses.put("cluster-pipeline", to -> {
            var builder = RedisClusterClient.builder().nodes(Set.of(JedisUses.address(to)));
            try (RedisClusterClient client =
                            builder.clientConfig(JedisUses.config(to).build()).build();
                    ClusterPipeline pipeline = client.pipelined()) {
                Response<String> get = pipeline.get("a");
                pipeline.sync();
                get.get();
            }
        });
        uses.put("cluster-replicas", to -> {
            var config = JedisUses.config(to).readOnlyForRedisClusterReplicas().build();
            var builder = RedisClusterClient.builder().nodes(Set.of(JedisUses.address(to)));
            try (RedisClusterClient client = builder.clientConfig(config).build()) {
                client.get("key");
            }
        });
        Uses.run(uses, arguments);
    }
}
