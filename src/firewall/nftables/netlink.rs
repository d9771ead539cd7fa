//! Asks nf_tables over netlink, without starting a program: whether a table or chain is there, and whether
//! anything has changed since. That is asked at every check, and mostly nothing has. Changes nothing.

use nix::errno::Errno;
use nix::libc::{
    NFNL_SUBSYS_NFTABLES, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_UNSPEC, NLM_F_ACK,
    NLM_F_REQUEST, NLMSG_ERROR,
};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::os::fd::AsRawFd;

/// `NFT_MSG_GETTABLE` and `NFTA_TABLE_NAME` (linux/netfilter/nf_tables.h).
const GET_TABLE: u16 = 1;
const TABLE_NAME: u16 = 1;
/// `NFT_MSG_GETCHAIN`, `NFTA_CHAIN_TABLE` and `NFTA_CHAIN_NAME`.
const GET_CHAIN: u16 = 4;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
/// `NFT_MSG_GETGEN` and `NFTA_GEN_ID`.
const GET_GENERATION: u16 = 16;
const GENERATION_ID: u16 = 1;
/// The length of a `struct nlmsghdr` (netlink(7)).
const HEADER: usize = 16;
/// The same with the `struct nfgenmsg` behind it, after which attributes come.
const HEADERS: usize = HEADER + 4;
/// Room for the answer about one object: the kernel's own `NLMSG_GOODSIZE` is no more.
const ANSWER_LENGTH: usize = 8192;

/// What the kernel answers without nf_tables, or without nfnetlink (`nfnetlink_rcv_msg`, socket(2)).
const NO_NF_TABLES: [Errno; 2] = [Errno::EINVAL, Errno::EPROTONOSUPPORT];

/// Whether the kernel says that a table does not exist, named as nft names it: `ip filter`; or has no
/// nf_tables. False where it does not answer: nft says why, and better.
pub(in crate::firewall) fn is_absent(table: &str) -> bool {
    let Some((family, name)) = split(table) else { return false };
    request(GET_TABLE, family, &[(TABLE_NAME, name)])
        .is_err_and(|errno| errno == Errno::ENOENT || NO_NF_TABLES.contains(&errno))
}

/// Whether the kernel says that a table exists. False where it does not answer.
pub(in crate::firewall) fn exists(table: &str) -> bool {
    let Some((family, name)) = split(table) else { return false };
    request(GET_TABLE, family, &[(TABLE_NAME, name)]).is_ok()
}

/// Whether a table exists and has a chain.
pub(in crate::firewall) fn has_chain(table: &str, chain: &str) -> bool {
    let Some((family, table)) = split(table) else { return false };
    request(GET_CHAIN, family, &[(CHAIN_TABLE, table), (CHAIN_NAME, chain)]).is_ok()
}

/// Whether the kernel refuses to tell this process anything of nf_tables (CAP_NET_ADMIN).
pub(in crate::firewall) fn is_forbidden() -> bool {
    request(GET_GENERATION, NFPROTO_UNSPEC, &[]).is_err_and(|errno| errno == Errno::EPERM)
}

/// The generation of the rules of this network namespace: another one after every transaction of any
/// program. nft itself goes by it. `None` where the kernel does not say.
pub(in crate::firewall) fn generation() -> Option<u32> {
    let answer = request(GET_GENERATION, NFPROTO_UNSPEC, &[]).ok()?;
    let mut attributes = answer.get(HEADERS..)?;
    // struct nlattr: length and type, in the machine's byte order. Lengths are rounded up to 4.
    while let [l0, l1, k0, k1, value @ ..] = attributes {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        if u16::from_ne_bytes([*k0, *k1]) == GENERATION_ID {
            return value.get(..4)?.try_into().ok().map(u32::from_be_bytes);
        }
        attributes = attributes.get(length.next_multiple_of(4).max(4)..)?;
    }
    None
}

/// A table's family and its own name.
fn split(table: &str) -> Option<(i32, &str)> {
    let (family, name) = table.split_once(' ')?;
    let family = match family {
        "ip" => NFPROTO_IPV4,
        "ip6" => NFPROTO_IPV6,
        "inet" => NFPROTO_INET,
        _ => return None,
    };
    Some((family, name))
}

/// Sends one request to nf_tables. Returns the message that answers it, or the error in it.
fn request(message: u16, family: i32, names: &[(u16, &str)]) -> Result<Vec<u8>, Errno> {
    let kernel = NetlinkAddr::new(0, 0);
    let (domain, protocol) = (AddressFamily::Netlink, SockProtocol::NetlinkNetFilter);
    let socket = socket(domain, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    let request = encode(message, family, names);
    sendto(socket.as_raw_fd(), &request, &kernel, MsgFlags::empty())?;
    let mut answer = vec![0; ANSWER_LENGTH];
    // The kernel has answered when sendto(2) returns.
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
    answer.truncate(length);
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    if kind != Some(NLMSG_ERROR as u16) {
        return Ok(answer);
    }
    // Behind the header, and negative; 0 acknowledges a request that has no other answer.
    let code = answer.get(HEADER..HEADERS).and_then(|code| code.try_into().ok());
    Err(Errno::from_raw(code.map_or(0, i32::from_ne_bytes).wrapping_neg()))
}

/// A header, a `struct nfgenmsg`, and attributes that are names.
fn encode(message: u16, family: i32, names: &[(u16, &str)]) -> Vec<u8> {
    let kind = (NFNL_SUBSYS_NFTABLES as u16) << 8 | message;
    let flags = (NLM_F_REQUEST | NLM_F_ACK) as u16;
    // The length, which is known at the end.
    let mut request = vec![0; 4];
    request.extend(kind.to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    // No sequence number and no port: there is one request, and one answer.
    request.extend([0; 8]);
    request.extend([family as u8, 0, 0, 0]);
    for (kind, name) in names {
        // With the zero that ends the name.
        request.extend((4 + name.len() as u16 + 1).to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        request.extend(name.bytes().chain([0]));
        request.resize(request.len().next_multiple_of(4), 0);
    }
    let length = request.len() as u32;
    request[..4].copy_from_slice(&length.to_ne_bytes());
    request
}
