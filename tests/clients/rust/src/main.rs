//! Uses redis-rs, and prints what the program's own call returned as its error.
//!
//! usage: redis-rs PORT MANNER

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::{AsyncCommands, Client, Commands, RedisResult};

type Value = Option<String>;
type Pair = (Value, Value);

fn directly(port: &str, manner: &str) -> RedisResult<()> {
    let address = format!("redis://127.0.0.1:{port}/");
    let client = Client::open(match manner {
        "set" | "no-retry" => format!("{address}3"),
        "password" => format!("redis://u:p@127.0.0.1:{port}/3"),
        "resp3" => format!("{address}?protocol=resp3"),
        _ => address.clone(),
    })?;
    match manner {
        "get" | "password" | "resp3" => client.get_connection()?.get("key").map(|_: Value| ()),
        // The library never tries again by itself.
        "set" | "no-retry" => client.get_connection()?.set("key", "value"),
        "pipeline" => {
            let mut connection = client.get_connection()?;
            redis::pipe().get("a").get("b").query(&mut connection).map(|_: Pair| ())
        }
        "scan" => client.get_connection()?.scan::<String>()?.try_for_each(|key| key.map(|_| ())),
        "cluster" => ClusterClient::new([address])?.get_connection()?.get("key").map(|_: Value| ()),
        "cluster-replicas" => {
            let cluster = ClusterClientBuilder::new([address])
                .read_routing_strategy(RandomReplicaStrategy)
                .build()?;
            cluster.get_connection()?.get("key").map(|_: Value| ())
        }
        _ => panic!("unknown manner {manner}"),
    }
}

async fn asynchronously(port: &str, manner: &str) -> RedisResult<()> {
    let address = format!("redis://127.0.0.1:{port}/");
    let client = Client::open(address.as_str())?;
    match manner {
        "get" => {
            let mut connection = client.get_multiplexed_async_connection().await?;
            connection.get("key").await.map(|_: Value| ())
        }
        "pipeline" => {
            let mut connection = client.get_multiplexed_async_connection().await?;
            redis::pipe().get("a").get("b").query_async(&mut connection).await.map(|_: Pair| ())
        }
        "manager" => {
            let mut connection = client.get_connection_manager().await?;
            connection.get("key").await.map(|_: Value| ())
        }
        "subscribe" => client.get_async_pubsub().await?.subscribe("news").await,
        "cluster" => {
            let mut connection = ClusterClient::new([address])?.get_async_connection().await?;
            connection.get("key").await.map(|_: Value| ())
        }
        _ => panic!("unknown manner {manner}"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, manner, ..] = arguments.as_slice() else { panic!("PORT MANNER") };
    let result = match manner.strip_prefix("async-") {
        Some(manner) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(asynchronously(port, manner))
        }
        None => directly(port, manner),
    };
    let error = result.expect_err("no error was seen");
    println!("{}: {error}", std::any::type_name_of_val(&error));
}
