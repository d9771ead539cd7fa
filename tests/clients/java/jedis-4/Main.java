import java.util.Map;
import java.util.Set;
import redis.clients.jedis.ClusterPipeline;
import redis.clients.jedis.JedisCluster;
import redis.clients.jedis.JedisPooled;
import redis.clients.jedis.Response;

/** Uses Jedis 4. */
final class Main {
    public static void main(String[] arguments) {
        Map<String, Uses.Use> uses = JedisUses.of(
                (address, config) -> new JedisPooled(address, config),
                (address, config) -> new JedisCluster(Set.of(address), config));
        uses.put("cluster-pipeline", to -> {
            var config = JedisUses.config(to).build();
            try (ClusterPipeline pipeline = new ClusterPipeline(Set.of(JedisUses.address(to)), config)) {
                Response<String> get = pipeline.get("a");
                pipeline.sync();
                get.get();
            }
        });
        Uses.run(uses, arguments);
    }
}
