package main

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// Lets call use a client of its own.
func withRueidis(call func(context.Context, rueidis.Client) []error, change func(*rueidis.ClientOption)) func(target) []error {
	return func(to target) []error {
		option := rueidis.ClientOption{InitAddress: []string{to.address}, TLSConfig: to.tls}
		change(&option)
		client, err := rueidis.NewClient(option)
		if err != nil {
			return []error{err}
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return call(ctx, client)
	}
}

// One node, whatever it says of a cluster.
func single(option *rueidis.ClientOption) { option.ForceSingleClient = true }

// A cluster, as rueidis takes every address that says it is one.
func asFound(*rueidis.ClientOption) {}

func rueidisGet(ctx context.Context, client rueidis.Client) []error {
	return []error{client.Do(ctx, client.B().Get().Key("key").Build()).Error()}
}

func rueidisSet(ctx context.Context, client rueidis.Client) []error {
	return []error{client.Do(ctx, client.B().Set().Key("key").Value("value").Build()).Error()}
}

func ofResults(results []rueidis.RedisResult) []error {
	var all []error
	for _, result := range results {
		all = append(all, result.Error())
	}
	return all
}

func rueidisCached(ctx context.Context, client rueidis.Client) []error {
	return []error{client.DoCache(ctx, client.B().Get().Key("key").Cache(), time.Minute).Error()}
}

func rueidisPipeline(ctx context.Context, client rueidis.Client) []error {
	get := func(key string) rueidis.Completed { return client.B().Get().Key(key).Build() }
	return ofResults(client.DoMulti(ctx, get("a"), get("b")))
}

func rueidisSubscribe(ctx context.Context, client rueidis.Client) []error {
	subscribe := client.B().Subscribe().Channel("news").Build()
	return []error{client.Receive(ctx, subscribe, func(rueidis.PubSubMessage) {})}
}

var rueidisUses = uses{
	"get": withRueidis(rueidisGet, single),
	"password": withRueidis(rueidisSet, func(option *rueidis.ClientOption) {
		option.ForceSingleClient = true
		option.Username, option.Password, option.SelectDB, option.ClientName = "u", "p", 3, "test"
	}),
	"resp2": withRueidis(rueidisGet, func(option *rueidis.ClientOption) {
		option.ForceSingleClient, option.AlwaysRESP2, option.DisableCache = true, true, true
	}),
	"uncached": withRueidis(rueidisGet, func(option *rueidis.ClientOption) {
		option.ForceSingleClient, option.DisableCache = true, true
	}),
	"cache":    withRueidis(rueidisCached, single),
	"pipeline": withRueidis(rueidisPipeline, single),
	"auto-pipeline": withRueidis(func(ctx context.Context, client rueidis.Client) []error {
		results := make(chan error)
		for i := 0; i < 4; i++ {
			go func() { results <- rueidisGet(ctx, client)[0] }()
		}
		return []error{<-results, <-results, <-results, <-results}
	}, single),
	"transaction": withRueidis(func(ctx context.Context, client rueidis.Client) []error {
		var all []error
		err := client.Dedicated(func(one rueidis.DedicatedClient) error {
			all = ofResults(one.DoMulti(ctx, one.B().Multi().Build(),
				one.B().Incr().Key("a").Build(), one.B().Exec().Build()))
			return nil
		})
		return append(all, err)
	}, single),
	"blocking": withRueidis(func(ctx context.Context, client rueidis.Client) []error {
		return []error{client.Do(ctx, client.B().Blpop().Key("key").Timeout(0).Build()).Error()}
	}, single),
	"subscribe": withRueidis(rueidisSubscribe, single),
	"script": withRueidis(func(ctx context.Context, client rueidis.Client) []error {
		return []error{rueidis.NewLuaScript("return 1").Exec(ctx, client, nil, nil).Error()}
	}, single),
	"cluster": withRueidis(rueidisGet, asFound),
	"cluster-password": withRueidis(rueidisGet, func(option *rueidis.ClientOption) {
		option.Username, option.Password = "u", "p"
	}),
	"cluster-replicas": withRueidis(rueidisGet, func(option *rueidis.ClientOption) { option.ReplicaOnly = true }),
	"cluster-pipeline": withRueidis(rueidisPipeline, asFound),
	"cluster-cache":    withRueidis(rueidisCached, asFound),
}
