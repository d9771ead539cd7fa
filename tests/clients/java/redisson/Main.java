import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.redisson.Redisson;
import org.redisson.api.RBatch;
import org.redisson.api.RFuture;
import org.redisson.api.RTransaction;
import org.redisson.api.RedissonClient;
import org.redisson.api.TransactionOptions;
import org.redisson.config.Config;
import org.redisson.config.ConstantDelay;
import org.redisson.config.DelayStrategy;
import org.redisson.config.Protocol;
import org.redisson.config.ReadMode;

/** Uses Redisson. */
final class Main {
    interface Calls {
        void run(RedissonClient client) throws Exception;
    }

    private static String address(Uses.Target to) {
        return (to.tls() ? "rediss" : "redis") + "://localhost:" + to.port();
    }

    private static Config config(Uses.Target to) throws Exception {
        // Few threads, because each use starts its own.
        Config config = new Config().setThreads(2).setNettyThreads(2);
        return to.tls() ? config.setSslTrustManagerFactory(to.trust()) : config;
    }

    /** Shorter than by default, one to two seconds, so that the tests need not wait. */
    private static final DelayStrategy SHORT = new ConstantDelay(Duration.ofMillis(10));

    private static Config single(Uses.Target to) throws Exception {
        Config config = config(to);
        var server = config.useSingleServer().setAddress(address(to)).setRetryDelay(SHORT);
        server.setConnectionMinimumIdleSize(1);
        return config;
    }

    /** Sends no PING before the first command. */
    private static Config unchecked(Uses.Target to) throws Exception {
        Config config = single(to);
        config.useSingleServer().setPingConnectionInterval(0);
        return config;
    }

    private static void run(Config config, Calls calls) throws Exception {
        RedissonClient client = Redisson.create(config);
        try {
            calls.run(client);
        } finally {
            client.shutdown(0, 2, TimeUnit.SECONDS);
        }
    }

    private static Uses.Use with(Calls calls) {
        return to -> run(unchecked(to), calls);
    }

    private static Uses.Use cluster(ReadMode mode, Calls calls) {
        return to -> {
            Config config = config(to);
            var servers = config.useClusterServers().addNodeAddress(address(to)).setReadMode(mode);
            servers.setRetryDelay(SHORT).setPingConnectionInterval(0);
            run(config, calls);
        };
    }

    private static void get(RedissonClient client) {
        client.getBucket("key").get();
    }

    private static void batch(RedissonClient client) {
        RBatch batch = client.createBatch();
        RFuture<Void> set = batch.getBucket("a").setAsync("1");
        RFuture<Object> get = batch.getBucket("a").getAsync();
        batch.execute();
    }

    private static void transaction(RedissonClient client) {
        RTransaction transaction = client.createTransaction(TransactionOptions.defaults());
        transaction.getBucket("a").set("1");
        transaction.commit();
    }

    public static void main(String[] arguments) {
        Map<String, Uses.Use> uses = new HashMap<>();
        uses.put("get", to -> run(single(to), Main::get));
        uses.put("unchecked", with(Main::get));
        uses.put("set", with(client -> client.getBucket("key").set("value")));
        uses.put("password", to -> {
            Config config = single(to).setUsername("u").setPassword("p");
            config.useSingleServer().setDatabase(3).setClientName("test");
            run(config, Main::get);
        });
        uses.put("resp3", to -> run(single(to).setProtocol(Protocol.RESP3), Main::get));
        uses.put("lazy", to -> run(single(to).setLazyInitialization(true), Main::get));
        uses.put("async", with(one -> one.getBucket("key").getAsync().get(10, TimeUnit.SECONDS)));
        uses.put("reactive", with(client -> client.reactive().getBucket("key").get().block()));
        uses.put("map", with(client -> client.getMap("key").put("a", "1")));
        uses.put("lock", with(client -> client.getLock("key").lock()));
        uses.put("batch", with(Main::batch));
        uses.put("transaction", with(Main::transaction));
        uses.put("queue", with(client -> client.getBlockingQueue("key").take()));
        uses.put("publish", with(client -> client.getTopic("news").publish("text")));
        uses.put("subscribe", with(client -> {
            client.getTopic("news").addListener(String.class, (channel, text) -> {});
        }));
        uses.put("scan", with(client -> client.getKeys().getKeys().iterator().hasNext()));
        uses.put("cluster", cluster(ReadMode.MASTER, Main::get));
        uses.put("cluster-replicas", cluster(ReadMode.SLAVE, Main::get));
        uses.put("cluster-lock", cluster(ReadMode.MASTER, client -> client.getLock("key").lock()));
        uses.put("cluster-batch", cluster(ReadMode.MASTER, Main::batch));
        Uses.run(uses, arguments);
    }
}
