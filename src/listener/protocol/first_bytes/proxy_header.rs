//! Incremental parser of the PROXY header that a load balancer puts before a client's bytes, versions 1
//! and 2.
//!
//! Source: the PROXY protocol specification, versions 1 & 2 (HAProxy).
//! Never: does I/O, or believes what the header states.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How a header of version 1 begins: a line of text.
pub(super) const V1_START: &[u8] = b"PROXY ";
/// How a header of version 2 begins: its signature.
pub(super) const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1, its line end included (section 2.1).
const MAX_V1_BYTES: usize = 107;
/// The signature, version and command, family, and the length of what follows (section 2.2).
const V2_FIXED_BYTES: usize = 16;
/// The longest addresses that are read: two of IPv6, each with a port. UNIX socket paths are skipped.
const MAX_V2_ADDRESS_BYTES: usize = 36;

/// What a header has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// More bytes are needed.
    Partial,
    /// It is complete. The client's address, where the header states one.
    Complete(Option<SocketAddr>),
    /// It is not a header of version 1 or 2.
    Malformed,
}

/// A header under way.
#[derive(Debug)]
pub(super) struct ProxyHeader {
    /// The header so far, without what is skipped.
    kept: Vec<u8>,
    /// Bytes of version 2 that follow and are skipped.
    skip: usize,
}

impl ProxyHeader {
    /// A header that began with `start`, one of [`V1_START`] and [`V2_START`].
    pub(super) fn begin(start: &'static [u8]) -> ProxyHeader {
        ProxyHeader { kept: start.to_vec(), skip: 0 }
    }

    /// Takes bytes from the front of `bytes`, up to the header's end.
    pub(super) fn read(&mut self, bytes: &mut &[u8]) -> Header {
        if self.kept.starts_with(V2_START) { self.read_v2(bytes) } else { self.read_v1(bytes) }
    }

    fn read_v1(&mut self, bytes: &mut &[u8]) -> Header {
        let room = MAX_V1_BYTES - self.kept.len();
        let line = bytes.iter().take(room).position(|byte| *byte == b'\n');
        let taken = line.map_or(bytes.len().min(room), |end| end + 1);
        self.take(taken, bytes);
        match line {
            Some(_) => v1_address(&self.kept),
            None if self.kept.len() == MAX_V1_BYTES => Header::Malformed,
            None => Header::Partial,
        }
    }

    fn read_v2(&mut self, bytes: &mut &[u8]) -> Header {
        self.take(V2_FIXED_BYTES.saturating_sub(self.kept.len()), bytes);
        let Some(&[version, family, high, low]) = self.kept.get(V2_START.len()..V2_FIXED_BYTES)
        else {
            return Header::Partial;
        };
        if version >> 4 != 2 {
            return Header::Malformed;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let kept = V2_FIXED_BYTES + length.min(MAX_V2_ADDRESS_BYTES);
        if self.kept.len() < kept {
            self.take(kept - self.kept.len(), bytes);
            self.skip = V2_FIXED_BYTES + length - kept;
        }
        let skipped = if self.kept.len() < kept { 0 } else { self.skip.min(bytes.len()) };
        *bytes = &bytes[skipped..];
        self.skip -= skipped;
        if self.kept.len() < kept || self.skip > 0 {
            return Header::Partial;
        }
        // The other command is LOCAL: the proxy itself asks, for its health check.
        let is_proxied = version & 0x0f == 1;
        let address = is_proxied.then(|| v2_address(family, &self.kept[V2_FIXED_BYTES..]));
        Header::Complete(address.flatten())
    }

    /// Keeps `count` bytes, or all that there are.
    fn take(&mut self, count: usize, bytes: &mut &[u8]) {
        let (taken, rest) = bytes.split_at(count.min(bytes.len()));
        self.kept.extend_from_slice(taken);
        *bytes = rest;
    }
}

/// The source address in a line `PROXY TCP4 source destination port port`; `UNKNOWN` states none.
fn v1_address(line: &[u8]) -> Header {
    let text = std::str::from_utf8(line).unwrap_or_default();
    let Some(text) = text.strip_suffix("\r\n") else { return Header::Malformed };
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Header::Complete(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), source, _, port, _] => {
            let address = source.parse::<IpAddr>().ok().zip(port.parse().ok());
            match address.filter(|(address, _)| address.is_ipv4() == (family == "TCP4")) {
                Some((address, port)) => Header::Complete(Some(SocketAddr::new(address, port))),
                None => Header::Malformed,
            }
        }
        _ => Header::Malformed,
    }
}

/// The source address for TCP over IPv4 (0x11) or IPv6 (0x21); other families state none.
fn v2_address(family: u8, addresses: &[u8]) -> Option<SocketAddr> {
    let (address, port) = match family {
        0x11 => {
            let octets: [u8; 4] = addresses.get(..4)?.try_into().ok()?;
            (IpAddr::from(Ipv4Addr::from(octets)), addresses.get(8..10)?)
        }
        0x21 => {
            let octets: [u8; 16] = addresses.get(..16)?.try_into().ok()?;
            (IpAddr::from(Ipv6Addr::from(octets)), addresses.get(32..34)?)
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_be_bytes(port.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Reads `header` and what follows in pieces of `step` bytes; returns the result and the rest.
    fn read(start: &'static [u8], rest: &[u8], step: usize) -> (Header, Vec<u8>) {
        let mut header = ProxyHeader::begin(start);
        let mut pieces = rest.chunks(step);
        while let Some(mut piece) = pieces.next() {
            match header.read(&mut piece) {
                Header::Partial => assert!(piece.is_empty()),
                result => return (result, [piece, &pieces.collect::<Vec<_>>().concat()].concat()),
            }
        }
        (Header::Partial, Vec::new())
    }

    #[track_caller]
    fn assert_read(start: &'static [u8], header: &[u8], expected: Header) {
        let (followed, expected) = ([header, b"PING"].concat(), (expected, b"PING".to_vec()));
        for step in [1, 2, 7, usize::MAX] {
            assert_eq!(read(start, &followed, step), expected, "in steps of {step}");
        }
    }

    fn v2(version: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = (addresses.len() as u16).to_be_bytes();
        [&[version, family], &length[..], addresses].concat()
    }

    #[test]
    fn a_line_states_the_address() {
        let stated = |text: &str| Header::Complete(Some(text.parse().unwrap()));
        let four = b"TCP4 192.0.2.7 192.0.2.1 50000 6379\r\n";
        assert_read(V1_START, four, stated("192.0.2.7:50000"));
        let six = b"TCP6 2001:db8::7 2001:db8::1 50000 6379\r\n";
        assert_read(V1_START, six, stated("[2001:db8::7]:50000"));
        assert_read(V1_START, b"UNKNOWN\r\n", Header::Complete(None));
        assert_read(V1_START, b"UNKNOWN ffff:: :: 1 2\r\n", Header::Complete(None));
    }

    #[test]
    fn a_line_that_is_no_header_is_malformed() {
        for line in [
            "TCP4 192.0.2.7 192.0.2.1 50000\r\n",
            "TCP4 2001:db8::7 2001:db8::1 50000 6379\r\n",
            "TCP4 192.0.2.7 192.0.2.1 70000 6379\r\n",
            "TCP4 192.0.2.7 192.0.2.1 50000 6379\n",
            "UDP4 192.0.2.7 192.0.2.1 50000 6379\r\n",
            "\r\n",
        ] {
            assert_read(V1_START, line.as_bytes(), Header::Malformed);
        }
        let endless = read(V1_START, &[b'x'; 200], 3);
        assert_eq!((endless.0, endless.1.len()), (Header::Malformed, 200 - (107 - 6)));
    }

    #[test]
    fn a_binary_header_states_the_address() {
        let four = [&[192, 0, 2, 7, 192, 0, 2, 1][..], &50_000_u16.to_be_bytes(), &[0x18, 0xeb]];
        let stated = Header::Complete(Some("192.0.2.7:50000".parse().unwrap()));
        assert_read(V2_START, &v2(0x21, 0x11, &four.concat()), stated);
        let source = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets();
        let six = [&source[..], &[0; 16], &443_u16.to_be_bytes(), &[0, 80], &[1; 300]].concat();
        let stated = Header::Complete(Some("[2001:db8::7]:443".parse().unwrap()));
        assert_read(V2_START, &v2(0x21, 0x21, &six), stated);
    }

    #[test]
    fn a_binary_header_may_state_nothing() {
        assert_read(V2_START, &v2(0x20, 0x00, b""), Header::Complete(None));
        assert_read(V2_START, &v2(0x20, 0x11, &[7; 12]), Header::Complete(None));
        assert_read(V2_START, &v2(0x21, 0x31, &[b'/'; 216]), Header::Complete(None));
        assert_read(V2_START, &v2(0x21, 0x11, &[7; 3]), Header::Complete(None));
        let (result, _) = read(V2_START, &v2(0x11, 0x11, &[7; 12]), 5);
        assert_eq!(result, Header::Malformed);
    }
}
