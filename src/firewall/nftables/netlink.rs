//! Owns asking nf_tables itself, without starting a program: whether a table is there, and whether
//! anything has changed. That is asked on every look, and mostly the answer is no. Changes nothing.

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
const NAME: u16 = 1;
/// `NFT_MSG_NEWCHAIN`, `NFT_MSG_GETCHAIN`, `NFTA_CHAIN_TABLE` and `NFTA_CHAIN_NAME`.
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
/// `NFT_MSG_NEWGEN`, `NFT_MSG_GETGEN` and `NFTA_GEN_ID`.
const NEW_GENERATION: u16 = 15;
const GET_GENERATION: u16 = 16;
const NUMBER: u16 = 1;
/// The length of a `struct nlmsghdr` (netlink(7)); an error's number comes behind it.
const HEADER: usize = 16;
/// The length of both headers: attributes come behind them.
const HEADERS: usize = HEADER + 4;

/// Whether the kernel says that there is no such table, named as nft names it: `ip filter`. Whatever
/// else it says, the tools say it better.
pub(in crate::firewall) fn is_absent(table: &str) -> bool {
    let Some((family, name)) = split(table) else { return false };
    ask(&question(GET_TABLE, family, &[(NAME, name)])).is_some_and(|answer| {
        let error = answer.get(HEADER..HEADER + 4).and_then(|word| word.try_into().ok());
        kind(&answer) == Some(NLMSG_ERROR as u16)
            && error.map(i32::from_ne_bytes) == Some(-nix::libc::ENOENT)
    })
}

/// Whether the kernel says that a table has a chain.
pub(in crate::firewall) fn has_chain(table: &str, chain: &str) -> bool {
    let Some((family, table)) = split(table) else { return false };
    let answer = ask(&question(GET_CHAIN, family, &[(CHAIN_TABLE, table), (CHAIN_NAME, chain)]));
    answer.and_then(|answer| kind(&answer)) == Some(of_nf_tables(NEW_CHAIN))
}

/// The number of the rules that this network namespace has: another one after every transaction,
/// whoever makes it. It is what nft itself goes by. `None` where the kernel does not say.
pub(in crate::firewall) fn generation() -> Option<u32> {
    let answer = ask(&question(GET_GENERATION, NFPROTO_UNSPEC, &[]))?;
    if kind(&answer)? != of_nf_tables(NEW_GENERATION) {
        return None;
    }
    let mut attributes = answer.get(HEADERS..)?;
    while let [l0, l1, k0, k1, value @ ..] = attributes {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        if u16::from_ne_bytes([*k0, *k1]) == NUMBER {
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

fn of_nf_tables(message: u16) -> u16 {
    (NFNL_SUBSYS_NFTABLES as u16) << 8 | message
}

/// What kind of message an answer is.
fn kind(answer: &[u8]) -> Option<u16> {
    answer.get(4..6)?.try_into().ok().map(u16::from_ne_bytes)
}

fn ask(question: &[u8]) -> Option<Vec<u8>> {
    let kernel = NetlinkAddr::new(0, 0);
    let (family, protocol) = (AddressFamily::Netlink, SockProtocol::NetlinkNetFilter);
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).ok()?;
    sendto(socket.as_raw_fd(), question, &kernel, MsgFlags::empty()).ok()?;
    let mut answer = vec![0; 8192];
    // The kernel has answered before the question's call returns.
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT).ok()?;
    answer.truncate(length);
    Some(answer)
}

/// A header, a `struct nfgenmsg`, and attributes that are names.
fn question(message: u16, family: i32, names: &[(u16, &str)]) -> Vec<u8> {
    let flags = (NLM_F_REQUEST | NLM_F_ACK) as u16;
    let mut question = vec![0; 4];
    question.extend(of_nf_tables(message).to_ne_bytes());
    question.extend(flags.to_ne_bytes());
    question.extend([0; 8]);
    question.extend([family as u8, 0, 0, 0]);
    for (kind, name) in names {
        // With the zero that ends it.
        question.extend((4 + name.len() as u16 + 1).to_ne_bytes());
        question.extend(kind.to_ne_bytes());
        question.extend(name.bytes().chain([0]));
        question.resize(question.len().next_multiple_of(4), 0);
    }
    let length = question.len() as u32;
    question[..4].copy_from_slice(&length.to_ne_bytes());
    question
}
