import java.net.URI;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisClientConfig;
import redis.clients.jedis.JedisPool;
import redis.clients.jedis.JedisPoolConfig;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.Response;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.UnifiedJedis;
import redis.clients.jedis.params.ScanParams;

/** What every version of Jedis can do. How a client is made differs. */
final class JedisUses {
    interface Make {
        UnifiedJedis client(HostAndPort address, JedisClientConfig config);
    }

    interface Calls {
        void run(UnifiedJedis client) throws Exception;
    }

    static HostAndPort address(Uses.Target to) {
        // The certificate is for this name.
        return new HostAndPort("localhost", to.port());
    }

    /** What all uses have in common. */
    static DefaultJedisClientConfig.Builder config(Uses.Target to) throws Exception {
        var builder = DefaultJedisClientConfig.builder().timeoutMillis(10_000).ssl(to.tls());
        return to.tls() ? builder.sslSocketFactory(to.context().getSocketFactory()) : builder;
    }

    static Uses.Use with(Make make, Calls calls) {
        return to -> {
            try (UnifiedJedis client = make.client(address(to), config(to).build())) {
                calls.run(client);
            }
        };
    }

    static Uses.Use connected(Consumer<Jedis> calls) {
        return to -> {
            try (Jedis jedis = new Jedis(address(to), config(to).build())) {
                calls.accept(jedis);
            }
        };
    }

    private static void pool(Uses.Target to, boolean checked) throws Exception {
        JedisPoolConfig settings = new JedisPoolConfig();
        settings.setMaxTotal(1);
        settings.setTestOnBorrow(checked);
        try (JedisPool pool = new JedisPool(settings, address(to), config(to).build())) {
            for (int i = 0; i < 3; i++) {
                Uses.attempt(() -> {
                    try (Jedis jedis = pool.getResource()) {
                        jedis.incr("key");
                    }
                });
            }
        }
    }

    private static void pipeline(Jedis jedis) {
        Pipeline pipeline = jedis.pipelined();
        Response<String> set = pipeline.set("a", "1");
        Response<String> get = pipeline.get("a");
        pipeline.sync();
        Uses.attempt(set::get);
        Uses.attempt(get::get);
    }

    private static void transaction(Jedis jedis) {
        Transaction transaction = jedis.multi();
        transaction.set("a", "1");
        transaction.exec();
    }

    private static JedisPubSub listener() {
        return new JedisPubSub() {};
    }

    static Map<String, Uses.Use> of(Make single, Make cluster) {
        Map<String, Uses.Use> uses = new HashMap<>();
        uses.put("get", with(single, client -> client.get("key")));
        uses.put("set", with(single, client -> client.set("key", "value")));
        uses.put("connection", connected(jedis -> jedis.get("key")));
        uses.put("url", to -> {
            try (Jedis jedis = new Jedis(URI.create("redis://u:p@127.0.0.1:" + to.port() + "/3"))) {
                jedis.set("key", "value");
            }
        });
        // Patient, and on one connection: for a listener that its bytes reach late.
        uses.put("no-retry", to -> {
            var address = URI.create("redis://u:p@127.0.0.1:" + to.port() + "/3");
            try (Jedis jedis = new Jedis(address, 15_000)) {
                jedis.set("key", "value");
            }
        });
        uses.put("password", to -> {
            var access = config(to).user("u").password("p").database(3).clientName("test");
            try (UnifiedJedis client = single.client(address(to), access.build())) {
                client.set("key", "value");
            }
        });
        uses.put("pool", to -> pool(to, false));
        uses.put("pool-checked", to -> pool(to, true));
        uses.put("pipeline", connected(JedisUses::pipeline));
        uses.put("transaction", connected(JedisUses::transaction));
        uses.put("watch", connected(jedis -> jedis.watch("key")));
        uses.put("blocking", with(single, client -> client.blpop(0, "key")));
        uses.put("subscribe", with(single, client -> client.subscribe(listener(), "news")));
        uses.put("scan", with(single, client -> client.scan("0", new ScanParams().match("*"))));
        uses.put("script", with(single, client -> client.eval("return 1")));
        uses.put("cluster", with(cluster, client -> client.get("key")));
        uses.put("cluster-subscribe", with(cluster, client -> client.subscribe(listener(), "news")));
        uses.put("cluster-password", to -> {
            var access = config(to).user("u").password("p").clientName("test");
            try (UnifiedJedis client = cluster.client(address(to), access.build())) {
                client.set("key", "value");
            }
        });
        return uses;
    }
}
