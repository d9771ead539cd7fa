//! The listener sends as many replies to a pipeline as a real Redis.

use crate::listener::process_lifecycle::redis_server;
use crate::support::property::replies_in;
use crate::support::property::simulate::{Peer, replay};
use crate::support::resp_commands::{array, pipeline};
use crate::support::{cases, tools};
use proptest::prelude::*;
use std::io::{Read, Write};
use std::net::TcpStream;
use tempfile::TempDir;

#[test]
fn pipelines_get_as_many_replies_as_from_a_real_redis() {
    if !tools(&["redis-server", "redis-cli"]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let (_server, port) = redis_server(folder.path(), "127.0.0.1");
    let ask_redis = |bytes: &[u8], end: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let (mut wire, mut buffer) = (Vec::new(), [0; 65_536]);
        while !wire.ends_with(end) {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "Redis hung up: {}", wire.escape_ascii());
            wire.extend_from_slice(&buffer[..read]);
        }
        wire
    };
    proptest!(cases(200), |((bytes, _) in pipeline())| {
        let bytes = [&bytes[..], &array(&[b"ECHO".to_vec(), b"that is all".to_vec()])].concat();
        let redis = ask_redis(&bytes, b"\r\nthat is all\r\n");
        let ours = replay([&bytes[..]], Peer::default());
        prop_assert_eq!(replies_in(&redis), Some(ours.replies), "{}", redis.escape_ascii());
    });
}
