package main

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

func goRedisClient(to target, change func(*redis.Options)) *redis.Client {
	options := &redis.Options{Addr: to.address, TLSConfig: to.tls}
	change(options)
	return redis.NewClient(options)
}

func goRedisCluster(to target, change func(*redis.ClusterOptions)) *redis.ClusterClient {
	options := &redis.ClusterOptions{Addrs: []string{to.address}, TLSConfig: to.tls}
	change(options)
	return redis.NewClusterClient(options)
}

// Lets call use a client of its own.
func withGoRedis(call func(context.Context, *redis.Client) []error, change func(*redis.Options)) func(target) []error {
	return func(to target) []error {
		client := goRedisClient(to, change)
		defer client.Close()
		return call(context.Background(), client)
	}
}

func withGoRedisCluster(call func(context.Context, *redis.ClusterClient) []error, change func(*redis.ClusterOptions)) func(target) []error {
	return func(to target) []error {
		client := goRedisCluster(to, change)
		defer client.Close()
		return call(context.Background(), client)
	}
}

func goRedisGet(ctx context.Context, client *redis.Client) []error {
	return []error{client.Get(ctx, "key").Err()}
}

func goRedisSet(ctx context.Context, client *redis.Client) []error {
	return []error{client.Set(ctx, "key", "value", 0).Err()}
}

func goRedisClusterGet(ctx context.Context, client *redis.ClusterClient) []error {
	return []error{client.Get(ctx, "key").Err()}
}

// What a program sees of a pipeline: the first error, and that of each command.
func ofPipeline(commands []redis.Cmder, err error) []error {
	all := []error{err}
	for _, command := range commands {
		all = append(all, command.Err())
	}
	return all
}

var goRedis = uses{
	"get": withGoRedis(goRedisGet, func(*redis.Options) {}),
	// Patient, and on one connection: for a listener that its bytes reach late.
	"no-retry": func(to target) []error {
		options, err := redis.ParseURL("redis://u:p@" + to.address + "/3?max_retries=-1&read_timeout=15s")
		if err != nil {
			return []error{err}
		}
		client := redis.NewClient(options)
		defer client.Close()
		return goRedisSet(context.Background(), client)
	},
	"url": func(to target) []error {
		options, err := redis.ParseURL("redis://u:p@" + to.address + "/3")
		if err != nil {
			return []error{err}
		}
		client := redis.NewClient(options)
		defer client.Close()
		return goRedisSet(context.Background(), client)
	},
	"password": withGoRedis(goRedisSet, func(options *redis.Options) {
		options.Username, options.Password, options.DB, options.ClientName = "u", "p", 3, "test"
	}),
	"resp2": withGoRedis(goRedisGet, func(options *redis.Options) { options.Protocol = 2 }),
	"resp3": withGoRedis(goRedisGet, func(options *redis.Options) { options.Protocol = 3 }),
	"pool": withGoRedis(func(ctx context.Context, client *redis.Client) []error {
		results := make(chan error)
		for i := 0; i < 4; i++ {
			go func() { results <- client.Incr(ctx, "key").Err() }()
		}
		return []error{<-results, <-results, <-results, <-results}
	}, func(options *redis.Options) { options.PoolSize, options.MinIdleConns = 2, 1 }),
	"connection": withGoRedis(func(ctx context.Context, client *redis.Client) []error {
		connection := client.Conn()
		defer connection.Close()
		return []error{connection.Ping(ctx).Err()}
	}, func(*redis.Options) {}),
	"pipeline": withGoRedis(func(ctx context.Context, client *redis.Client) []error {
		return ofPipeline(client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, "a", 1, 0)
			pipe.Get(ctx, "a")
			return nil
		}))
	}, func(*redis.Options) {}),
	"transaction": withGoRedis(func(ctx context.Context, client *redis.Client) []error {
		return ofPipeline(client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, "a", 1, 0)
			return nil
		}))
	}, func(*redis.Options) {}),
	"watch": withGoRedis(func(ctx context.Context, client *redis.Client) []error {
		return []error{client.Watch(ctx, func(*redis.Tx) error {
			return errors.New("the key is watched")
		}, "key")}
	}, func(*redis.Options) {}),
	"blocking": withGoRedis(func(ctx context.Context, client *redis.Client) []error {
		return []error{client.BLPop(ctx, 0, "key").Err()}
	}, func(*redis.Options) {}),
	"subscribe": withGoRedis(func(ctx context.Context, client *redis.Client) []error {
		subscription := client.Subscribe(ctx, "news")
		defer subscription.Close()
		_, err := subscription.Receive(ctx)
		return []error{err}
	}, func(*redis.Options) {}),
	"scan": withGoRedis(func(ctx context.Context, client *redis.Client) []error {
		keys := client.Scan(ctx, 0, "*", 0).Iterator()
		for keys.Next(ctx) {
		}
		return []error{keys.Err()}
	}, func(*redis.Options) {}),
	"script": withGoRedis(func(ctx context.Context, client *redis.Client) []error {
		return []error{redis.NewScript("return 1").Run(ctx, client, nil).Err()}
	}, func(*redis.Options) {}),
	"universal": func(to target) []error {
		client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{to.address}})
		defer client.Close()
		return []error{client.Get(context.Background(), "key").Err()}
	},
	"ring": func(to target) []error {
		ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": to.address}})
		defer ring.Close()
		return []error{ring.Get(context.Background(), "key").Err()}
	},
	"cluster": withGoRedisCluster(goRedisClusterGet, func(*redis.ClusterOptions) {}),
	"cluster-password": withGoRedisCluster(goRedisClusterGet, func(options *redis.ClusterOptions) {
		options.Username, options.Password = "u", "p"
	}),
	"cluster-replicas": withGoRedisCluster(goRedisClusterGet, func(options *redis.ClusterOptions) {
		options.ReadOnly, options.RouteRandomly = true, true
	}),
	"cluster-pipeline": withGoRedisCluster(func(ctx context.Context, client *redis.ClusterClient) []error {
		return ofPipeline(client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Get(ctx, "a")
			return nil
		}))
	}, func(*redis.ClusterOptions) {}),
	"cluster-transaction": withGoRedisCluster(func(ctx context.Context, client *redis.ClusterClient) []error {
		return ofPipeline(client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, "a", 1, 0)
			return nil
		}))
	}, func(*redis.ClusterOptions) {}),
	"cluster-subscribe": withGoRedisCluster(func(ctx context.Context, client *redis.ClusterClient) []error {
		subscription := client.Subscribe(ctx, "news")
		defer subscription.Close()
		_, err := subscription.Receive(ctx)
		return []error{err}
	}, func(*redis.ClusterOptions) {}),
}
