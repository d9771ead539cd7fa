//! Encoder of replies: RESP2 and RESP3, HTTP/1.1 and one TLS alert.
//!
//! Source: the Redis serialization protocol specification, RFC 9112 (HTTP/1.1), RFC 8446 (TLS 1.3).
//! Never: decides which reply is due.

use std::net::IpAddr;
use std::rc::Rc;

use super::reply_policy::{Reply, RespVersion};

/// The version in INFO: recent enough for every client library.
const SERVER_VERSION: &str = "7.0.0";
/// The version in HELLO: with a client-side cache, redis-py refuses older servers before it sends the
/// first command.
const HELLO_VERSION: &str = "7.4.0";
/// A TLS record (RFC 8446, section 6): type 21 (alert), version 3.3 (TLS 1.2), length 2, level 2
/// (fatal), description 49 (`access_denied`).
pub const ACCESS_DENIED: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x31];
/// A cluster node's bus port is its client port plus this (the Redis cluster specification).
const BUS_OFFSET: u16 = 10_000;

/// What replies to one connection are made of.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The notice: one line, without sign or line end.
    pub sentence: Rc<str>,
    /// The reserved port that the client connected to.
    pub port: u16,
    /// The address that the client connected to; any address if no reply needs it.
    pub address: IpAddr,
}

impl Notice {
    /// Appends the bytes of `reply` to `out`.
    pub fn encode(&self, reply: &Reply, out: &mut Vec<u8>) {
        match reply {
            Reply::NoticeError | Reply::SetupError | Reply::Unprompted => {
                out.push(b'-');
                out.extend_from_slice(self.sentence.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Reply::Ok | Reply::OkAndClose => out.extend_from_slice(b"+OK\r\n"),
            Reply::Pong => out.extend_from_slice(b"+PONG\r\n"),
            Reply::ClientId => out.extend_from_slice(b":1\r\n"),
            Reply::Echo(text) => bulk(text, out),
            Reply::Info => bulk(self.info().as_bytes(), out),
            Reply::ClusterNodes => bulk(self.nodes().as_bytes(), out),
            Reply::ClusterInfo => bulk(CLUSTER_STATE.as_bytes(), out),
            Reply::Hello(version) => out.extend_from_slice(hello(*version).as_bytes()),
            Reply::ClusterSlots => out.extend_from_slice(self.slots().as_bytes()),
            Reply::ClusterShards(version) => {
                out.extend_from_slice(self.shards(*version).as_bytes())
            }
            Reply::Http { body } => out.extend_from_slice(self.http(*body).as_bytes()),
            Reply::TlsAlert => out.extend_from_slice(&ACCESS_DENIED),
        }
    }

    fn info(&self) -> String {
        let sentence = &self.sentence;
        // The notice is a field, because libraries drop comment lines when they parse INFO.
        format!("notice:{sentence}\r\nredis_version:{SERVER_VERSION}\r\nloading:0\r\n")
    }

    /// 421 Misdirected Request (RFC 9110, section 15.5.20): this server will not answer for the address.
    fn http(&self, body: bool) -> String {
        let sentence = &self.sentence;
        let length = sentence.len() + 1;
        let mut response = format!(
            "HTTP/1.1 421 {sentence}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        if body {
            response.push_str(sentence);
            response.push('\n');
        }
        response
    }

    /// A node id of forty hexadecimal digits: the same in every reply, another for each port and address.
    fn node_id(&self) -> String {
        let address = match self.address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        format!("{:036x}{:04x}", address.to_bits(), self.port)
    }

    fn nodes(&self) -> String {
        let (id, address, port) = (self.node_id(), self.address, self.port);
        let bus = port.checked_add(BUS_OFFSET).unwrap_or(0);
        format!("{id} {address}:{port}@{bus} myself,master - 0 0 1 connected 0-16383\n")
    }

    fn slots(&self) -> String {
        let (address, port, id) =
            (text(&self.address.to_string()), self.port, text(&self.node_id()));
        format!("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n{address}:{port}\r\n{id}")
    }

    fn shards(&self, version: RespVersion) -> String {
        let address = text(&self.address.to_string());
        let node = map(
            version,
            &[
                ("id", text(&self.node_id())),
                ("port", format!(":{}\r\n", self.port)),
                ("ip", address.clone()),
                ("endpoint", address),
                ("role", text("master")),
                ("replication-offset", ":0\r\n".to_owned()),
                ("health", text("online")),
            ],
        );
        let slots = "*2\r\n:0\r\n:16383\r\n".to_owned();
        let shard = map(version, &[("slots", slots), ("nodes", format!("*1\r\n{node}"))]);
        format!("*1\r\n{shard}")
    }
}

/// The fields of `CLUSTER INFO` that client libraries check, for a healthy cluster.
const CLUSTER_STATE: &str = "cluster_enabled:1\r\ncluster_state:ok\r\n\
    cluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n\
    cluster_slots_fail:0\r\ncluster_known_nodes:1\r\ncluster_size:1\r\n\
    cluster_current_epoch:1\r\ncluster_my_epoch:1\r\n";

fn hello(version: RespVersion) -> String {
    let protocol = if version == RespVersion::Resp3 { ":3\r\n" } else { ":2\r\n" };
    map(
        version,
        &[
            ("server", text("redis")),
            ("version", text(HELLO_VERSION)),
            ("proto", protocol.to_owned()),
            ("id", ":1\r\n".to_owned()),
            ("mode", text("standalone")),
            ("role", text("master")),
            ("modules", "*0\r\n".to_owned()),
        ],
    )
}

/// A map of RESP3; in RESP2, which has none, an array of keys and values in turn.
fn map(version: RespVersion, entries: &[(&str, String)]) -> String {
    let mut out = match version {
        RespVersion::Resp2 => format!("*{}\r\n", 2 * entries.len()),
        RespVersion::Resp3 => format!("%{}\r\n", entries.len()),
    };
    for (key, value) in entries {
        out.push_str(&text(key));
        out.push_str(value);
    }
    out
}

fn text(value: &str) -> String {
    format!("${}\r\n{value}\r\n", value.len())
}

fn bulk(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(reply: &Reply) -> String {
        let notice = Notice {
            sentence: "PORTCLOSED 6379 is blocked".into(),
            port: 6379,
            address: IpAddr::from([192, 0, 2, 7]),
        };
        let mut out = Vec::new();
        notice.encode(reply, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn the_notice_is_a_redis_error() {
        assert_eq!(encoded(&Reply::NoticeError), "-PORTCLOSED 6379 is blocked\r\n");
    }

    #[test]
    fn hello_is_a_map_in_either_version() {
        let two = encoded(&Reply::Hello(RespVersion::Resp2));
        assert!(two.starts_with("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n"), "{two}");
        assert!(two.contains("$5\r\nproto\r\n:2\r\n"), "{two}");
        let three = encoded(&Reply::Hello(RespVersion::Resp3));
        assert!(three.starts_with("%7\r\n"), "{three}");
        assert!(three.contains("$5\r\nproto\r\n:3\r\n"), "{three}");
    }

    #[test]
    fn the_only_cluster_node_is_the_address_and_the_reserved_port() {
        let slots = encoded(&Reply::ClusterSlots);
        assert!(
            slots.starts_with("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n192.0.2.7\r\n:6379\r\n")
        );
        let nodes = encoded(&Reply::ClusterNodes);
        assert!(nodes.contains(" 192.0.2.7:6379@16379 myself,master "), "{nodes}");
        let id = "000000000000000000000000ffffc000020718eb";
        assert!(nodes.contains(&format!("\r\n{id} ")), "{nodes}");
        let shards = encoded(&Reply::ClusterShards(RespVersion::Resp3));
        assert!(shards.starts_with("*1\r\n%2\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n"));
        assert!(encoded(&Reply::ClusterShards(RespVersion::Resp2)).starts_with("*1\r\n*4\r\n"));
        assert!(encoded(&Reply::ClusterInfo).contains("cluster_state:ok\r\n"));
    }

    #[test]
    fn info_satisfies_a_ready_check_and_contains_the_notice() {
        let info = encoded(&Reply::Info);
        for part in ["notice:PORTCLOSED 6379", "\r\nredis_version:7.0.0\r\n", "\r\nloading:0\r\n"] {
            assert!(info.contains(part), "{info}");
        }
    }

    #[test]
    fn http_has_the_notice_as_reason_and_as_body() {
        let full = encoded(&Reply::Http { body: true });
        assert!(full.starts_with("HTTP/1.1 421 PORTCLOSED 6379 is blocked\r\n"), "{full}");
        assert!(full.contains("\r\nContent-Length: 27\r\n"), "{full}");
        assert!(full.ends_with("\r\n\r\nPORTCLOSED 6379 is blocked\n"), "{full}");
        assert!(encoded(&Reply::Http { body: false }).ends_with("close\r\n\r\n"));
    }
}
