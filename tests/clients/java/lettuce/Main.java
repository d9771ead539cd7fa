import io.lettuce.core.ClientOptions;
import io.lettuce.core.ReadFrom;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScanIterator;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SslOptions;
import io.lettuce.core.TrackingArgs;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.cluster.ClusterClientOptions;
import io.lettuce.core.cluster.RedisClusterClient;
import io.lettuce.core.cluster.api.StatefulRedisClusterConnection;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.masterreplica.MasterReplica;
import io.lettuce.core.protocol.ProtocolVersion;
import io.lettuce.core.support.AsyncConnectionPoolSupport;
import io.lettuce.core.support.BoundedPoolConfig;
import io.lettuce.core.support.ConnectionPoolSupport;
import io.lettuce.core.support.caching.CacheAccessor;
import io.lettuce.core.support.caching.ClientSideCaching;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.commons.pool2.impl.GenericObjectPoolConfig;

/** Uses Lettuce. */
final class Main {
    interface WithClient {
        void run(RedisClient client) throws Exception;
    }

    interface WithConnection {
        void run(StatefulRedisConnection<String, String> connection) throws Exception;
    }

    interface WithCommands {
        void run(RedisCommands<String, String> commands) throws Exception;
    }

    interface WithCluster {
        void run(StatefulRedisClusterConnection<String, String> connection) throws Exception;
    }

    private static RedisURI address(Uses.Target to) {
        var builder = RedisURI.builder().withHost("localhost").withPort(to.port()).withSsl(to.tls());
        return builder.withTimeout(Duration.ofSeconds(10)).build();
    }

    private static void trust(ClientOptions.Builder options, Uses.Target to) {
        if (to.tls()) {
            options.sslOptions(SslOptions.builder().trustManager(to.certificate().toFile()).build());
        }
    }

    private static void client(
            Uses.Target to, RedisURI address, ClientOptions.Builder options, WithClient calls)
            throws Exception {
        RedisClient client = RedisClient.create(address);
        try {
            trust(options, to);
            client.setOptions(options.build());
            calls.run(client);
        } finally {
            client.shutdown(0, 2, TimeUnit.SECONDS);
        }
    }

    private static Uses.Use client(WithClient calls) {
        return to -> client(to, address(to), ClientOptions.builder(), calls);
    }

    private static Uses.Use connection(WithConnection calls) {
        return client(client -> calls.run(client.connect()));
    }

    private static Uses.Use commands(WithCommands calls) {
        return connection(connection -> calls.run(connection.sync()));
    }

    private static Uses.Use get(ClientOptions.Builder options) {
        return to -> client(to, address(to), options, client -> client.connect().sync().get("key"));
    }

    private static Uses.Use cluster(String password, WithCluster calls) {
        return to -> {
            RedisURI address = address(to);
            if (password != null) {
                address = RedisURI.builder(address).withAuthentication("u", password).build();
            }
            RedisClusterClient client = RedisClusterClient.create(address);
            try {
                ClusterClientOptions.Builder options = ClusterClientOptions.builder();
                trust(options, to);
                client.setOptions(options.build());
                calls.run(client.connect());
            } finally {
                client.shutdown(0, 2, TimeUnit.SECONDS);
            }
        };
    }

    /** Waits for what an asynchronous call brings. */
    private static <T> T await(RedisFuture<T> future) throws Exception {
        return future.get(10, TimeUnit.SECONDS);
    }

    private static void pool(RedisClient client, boolean checked) {
        var settings = new GenericObjectPoolConfig<StatefulRedisConnection<String, String>>();
        settings.setMaxTotal(1);
        settings.setTestOnBorrow(checked);
        try (var pool = ConnectionPoolSupport.createGenericObjectPool(client::connect, settings)) {
            for (int i = 0; i < 3; i++) {
                Uses.attempt(() -> {
                    try (var connection = pool.borrowObject()) {
                        connection.sync().incr("key");
                    }
                });
            }
        }
    }

    private static void asyncPool(Uses.Target to) throws Exception {
        client(to, address(to), ClientOptions.builder(), client -> {
            var settings = BoundedPoolConfig.builder().maxTotal(1).build();
            var pool = AsyncConnectionPoolSupport.createBoundedObjectPool(
                    () -> client.connectAsync(StringCodec.UTF8, address(to)), settings);
            pool.acquire()
                    .thenCompose(one -> one.async().get("key").toCompletableFuture())
                    .get(10, TimeUnit.SECONDS);
        });
    }

    /** Sends nothing until it is told to. */
    private static void pipeline(StatefulRedisConnection<String, String> connection) {
        RedisAsyncCommands<String, String> commands = connection.async();
        connection.setAutoFlushCommands(false);
        RedisFuture<String> set = commands.set("a", "1");
        RedisFuture<String> get = commands.get("a");
        connection.flushCommands();
        Uses.attempt(() -> await(set));
        Uses.attempt(() -> await(get));
    }

    private static void transaction(RedisCommands<String, String> commands) {
        Uses.attempt(commands::multi);
        Uses.attempt(() -> commands.set("a", "1"));
        Uses.attempt(commands::exec);
    }

    private static void cache(StatefulRedisConnection<String, String> connection) {
        Map<String, String> map = new HashMap<>();
        var args = TrackingArgs.Builder.enabled();
        try (var cache = ClientSideCaching.enable(CacheAccessor.forMap(map), connection, args)) {
            cache.get("key");
        }
    }

    private static Map<String, Uses.Use> direct() {
        Map<String, Uses.Use> uses = new HashMap<>();
        uses.put("get", commands(commands -> commands.get("key")));
        uses.put("set", commands(commands -> commands.set("key", "value")));
        uses.put("url", to -> {
            var address = RedisURI.create("redis://u:p@127.0.0.1:" + to.port() + "/3");
            client(to, address, ClientOptions.builder(), client -> {
                client.connect().sync().set("key", "value");
            });
        });
        uses.put("password", to -> {
            var address = RedisURI.builder(address(to)).withAuthentication("u", "p");
            address.withDatabase(3).withClientName("test");
            client(to, address.build(), ClientOptions.builder(), client -> {
                client.connect().sync().set("key", "value");
            });
        });
        uses.put("resp2", get(ClientOptions.builder().protocolVersion(ProtocolVersion.RESP2)));
        uses.put("resp3", get(ClientOptions.builder().protocolVersion(ProtocolVersion.RESP3)));
        uses.put("unchecked", get(ClientOptions.builder().pingBeforeActivateConnection(false)));
        uses.put("async", connection(connection -> await(connection.async().get("key"))));
        uses.put("reactive", connection(one -> one.reactive().get("key").block()));
        uses.put("pool", client(client -> pool(client, false)));
        uses.put("pool-checked", client(client -> pool(client, true)));
        uses.put("async-pool", Main::asyncPool);
        uses.put("pipeline", connection(Main::pipeline));
        uses.put("transaction", commands(Main::transaction));
        uses.put("blocking", commands(commands -> commands.blpop(0, "key")));
        uses.put("subscribe", client(client -> client.connectPubSub().sync().subscribe("news")));
        uses.put("scan", commands(commands -> ScanIterator.scan(commands).hasNext()));
        uses.put("script", commands(one -> one.eval("return 1", ScriptOutputType.INTEGER)));
        uses.put("cache", connection(Main::cache));
        uses.put("replicas", to -> client(to, address(to), ClientOptions.builder(), client -> {
            var connection = MasterReplica.connect(client, StringCodec.UTF8, address(to));
            connection.setReadFrom(ReadFrom.REPLICA_PREFERRED);
            connection.sync().get("key");
        }));
        return uses;
    }

    public static void main(String[] arguments) {
        Map<String, Uses.Use> uses = direct();
        uses.put("cluster", cluster(null, connection -> connection.sync().get("key")));
        uses.put("cluster-password", cluster("p", connection -> connection.sync().get("key")));
        uses.put("cluster-async", cluster(null, one -> await(one.async().get("key"))));
        uses.put("cluster-replicas", cluster(null, connection -> {
            connection.setReadFrom(ReadFrom.REPLICA_PREFERRED);
            connection.sync().get("key");
        }));
        uses.put("cluster-pipeline", cluster(null, connection -> {
            connection.setAutoFlushCommands(false);
            RedisFuture<String> get = connection.async().get("a");
            connection.flushCommands();
            await(get);
        }));
        Uses.run(uses, arguments);
    }
}
