import io.lettuce.core.ClientOptions;
import io.lettuce.core.SslOptions;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.springframework.beans.factory.DisposableBean;
import org.springframework.beans.factory.InitializingBean;
import org.springframework.context.SmartLifecycle;
import org.springframework.dao.DataAccessException;
import org.springframework.data.redis.cache.RedisCacheManager;
import org.springframework.data.redis.connection.ReactiveRedisConnectionFactory;
import org.springframework.data.redis.connection.RedisClusterConfiguration;
import org.springframework.data.redis.connection.RedisConfiguration;
import org.springframework.data.redis.connection.RedisConnectionFactory;
import org.springframework.data.redis.connection.RedisStandaloneConfiguration;
import org.springframework.data.redis.connection.jedis.JedisClientConfiguration;
import org.springframework.data.redis.connection.jedis.JedisConnectionFactory;
import org.springframework.data.redis.connection.lettuce.LettuceClientConfiguration;
import org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory;
import org.springframework.data.redis.connection.lettuce.LettucePoolingClientConfiguration;
import org.springframework.data.redis.core.ReactiveStringRedisTemplate;
import org.springframework.data.redis.core.RedisCallback;
import org.springframework.data.redis.core.RedisOperations;
import org.springframework.data.redis.core.ScanOptions;
import org.springframework.data.redis.core.SessionCallback;
import org.springframework.data.redis.core.StringRedisTemplate;
import org.springframework.data.redis.core.script.RedisScript;
import org.springframework.data.redis.listener.ChannelTopic;
import org.springframework.data.redis.listener.RedisMessageListenerContainer;

/** Uses Spring Data Redis, over Lettuce and over Jedis. */
final class Main {
    interface Factory {
        RedisConnectionFactory with(Uses.Target to, RedisConfiguration configuration) throws Exception;
    }

    interface Calls {
        void run(StringRedisTemplate template) throws Exception;
    }

    private static RedisStandaloneConfiguration single(Uses.Target to) {
        return new RedisStandaloneConfiguration("localhost", to.port());
    }

    private static RedisClusterConfiguration cluster(Uses.Target to) {
        return new RedisClusterConfiguration(List.of("localhost:" + to.port()));
    }

    private static RedisConnectionFactory lettuce(Uses.Target to, RedisConfiguration configuration) {
        var builder = LettuceClientConfiguration.builder().commandTimeout(Duration.ofSeconds(10));
        builder.shutdownTimeout(Duration.ZERO);
        if (to.tls()) {
            var trust = SslOptions.builder().trustManager(to.certificate().toFile()).build();
            builder.clientOptions(ClientOptions.builder().sslOptions(trust).build()).useSsl();
        }
        return new LettuceConnectionFactory(configuration, builder.build());
    }

    private static RedisConnectionFactory pooledLettuce(
            Uses.Target to, RedisConfiguration configuration) {
        var settings = LettucePoolingClientConfiguration.builder();
        settings.commandTimeout(Duration.ofSeconds(10)).shutdownTimeout(Duration.ZERO);
        var factory = new LettuceConnectionFactory(configuration, settings.build());
        factory.setShareNativeConnection(false);
        return factory;
    }

    private static RedisConnectionFactory jedis(Uses.Target to, RedisConfiguration configuration)
            throws Exception {
        var builder = JedisClientConfiguration.builder().readTimeout(Duration.ofSeconds(10));
        if (to.tls()) {
            builder.useSsl().sslSocketFactory(to.context().getSocketFactory());
        }
        var settings = builder.usePooling().build();
        return configuration instanceof RedisClusterConfiguration cluster
                ? new JedisConnectionFactory(cluster, settings)
                : new JedisConnectionFactory((RedisStandaloneConfiguration) configuration, settings);
    }

    /** Starts a bean, lets it be used, and destroys it, as a context does. */
    private static <T> void used(T bean, Uses.Call calls) throws Exception {
        if (bean instanceof InitializingBean one) {
            one.afterPropertiesSet();
        }
        if (bean instanceof SmartLifecycle one) {
            one.start();
        }
        try {
            calls.run();
        } finally {
            if (bean instanceof DisposableBean one) {
                one.destroy();
            }
        }
    }

    private static void template(RedisConnectionFactory factory, Calls calls) throws Exception {
        used(factory, () -> calls.run(new StringRedisTemplate(factory)));
    }

    /** All operations are sent at once. */
    private static void pipeline(StringRedisTemplate template) {
        template.executePipelined((RedisCallback<Object>) connection -> {
            connection.stringCommands().set("a".getBytes(), "1".getBytes());
            connection.stringCommands().get("a".getBytes());
            return null;
        });
    }

    private static void transaction(StringRedisTemplate template) {
        template.execute(new SessionCallback<List<Object>>() {
            @Override
            @SuppressWarnings("unchecked")
            public <K, V> List<Object> execute(RedisOperations<K, V> operations)
                    throws DataAccessException {
                operations.multi();
                operations.opsForValue().set((K) "a", (V) "1");
                return operations.exec();
            }
        });
    }

    private static void scan(StringRedisTemplate template) {
        try (var keys = template.scan(ScanOptions.scanOptions().match("*").build())) {
            keys.hasNext();
        }
    }

    /** A listener container, as `@RedisListener` and Spring Session use it. */
    private static void subscribe(StringRedisTemplate template) throws Exception {
        var container = new RedisMessageListenerContainer();
        container.setConnectionFactory(template.getRequiredConnectionFactory());
        container.setMaxSubscriptionRegistrationWaitingTime(10_000);
        container.addMessageListener((message, pattern) -> {}, new ChannelTopic("news"));
        used(container, () -> {});
    }

    private static void cache(StringRedisTemplate template) {
        RedisCacheManager.create(template.getRequiredConnectionFactory()).getCache("one").get("key");
    }

    private static void put(Map<String, Uses.Use> uses, String name, Factory factory) {
        Map<String, Calls> calls = Map.of(
                "get", template -> template.opsForValue().get("key"),
                "set", template -> template.opsForValue().set("key", "value"),
                "pipeline", Main::pipeline,
                "transaction", Main::transaction,
                "blocking", template -> template.opsForList().leftPop("key", Duration.ofSeconds(5)),
                "subscribe", Main::subscribe,
                "scan", Main::scan,
                "script", template -> template.execute(RedisScript.of("return 1"), List.of()),
                "cache", Main::cache);
        calls.forEach((use, call) -> {
            uses.put(name + "-" + use, to -> template(factory.with(to, single(to)), call));
        });
        uses.put(name + "-password", to -> {
            RedisStandaloneConfiguration access = single(to);
            access.setUsername("u");
            access.setPassword("p");
            access.setDatabase(3);
            template(factory.with(to, access), calls.get("set"));
        });
        for (String use : List.of("get", "pipeline")) {
            uses.put(name + "-cluster-" + use, to -> {
                template(factory.with(to, cluster(to)), calls.get(use));
            });
        }
    }

    public static void main(String[] arguments) {
        Map<String, Uses.Use> uses = new HashMap<>();
        put(uses, "lettuce", Main::lettuce);
        put(uses, "jedis", Main::jedis);
        uses.put("lettuce-pool", to -> {
            template(pooledLettuce(to, single(to)), template -> {
                Uses.attempt(() -> template.opsForValue().increment("a"));
                Uses.attempt(() -> template.opsForValue().increment("a"));
            });
        });
        uses.put("lettuce-reactive", to -> {
            var factory = lettuce(to, single(to));
            used(factory, () -> {
                new ReactiveStringRedisTemplate((ReactiveRedisConnectionFactory) factory)
                        .opsForValue()
                        .get("key")
                        .block();
            });
        });
        Uses.run(uses, arguments);
    }
}
