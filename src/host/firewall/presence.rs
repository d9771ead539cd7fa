//! Owns asking the kernel whether our table of nf_tables is there, without starting nft: that is asked
//! on every look, and mostly it is not. Changes nothing.

use super::table::TABLE;
use nix::libc::{NFNL_SUBSYS_NFTABLES, NFPROTO_INET, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::os::fd::AsRawFd;

/// `NFT_MSG_GETTABLE` and `NFTA_TABLE_NAME` (linux/netfilter/nf_tables.h).
const GET_TABLE: u16 = 1;
const NAME: u16 = 1;
/// The length of a `struct nlmsghdr` (netlink(7)); an error's number comes behind it.
const HEADER: usize = 16;

/// Whether the kernel says that there is no such table. Whatever else it says, nft says it better.
pub(super) fn is_absent() -> bool {
    ask().is_some_and(|answer| {
        let word = |at: usize| answer.get(at..at + 4)?.try_into().ok().map(i32::from_ne_bytes);
        let kind = answer.get(4..6).map(|kind| [kind[0], kind[1]]);
        let is_error = kind.map(u16::from_ne_bytes) == Some(NLMSG_ERROR as u16);
        is_error && word(HEADER) == Some(-nix::libc::ENOENT)
    })
}

fn ask() -> Option<Vec<u8>> {
    let kernel = NetlinkAddr::new(0, 0);
    let (family, protocol) = (AddressFamily::Netlink, SockProtocol::NetlinkNetFilter);
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).ok()?;
    sendto(socket.as_raw_fd(), &question(), &kernel, MsgFlags::empty()).ok()?;
    let mut answer = vec![0; 8192];
    // The kernel has answered before the question's call returns.
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT).ok()?;
    answer.truncate(length);
    Some(answer)
}

/// A header, a `struct nfgenmsg`, and the table's name as the one attribute.
fn question() -> Vec<u8> {
    let name = TABLE.trim_start_matches("inet ").bytes().chain([0]).collect::<Vec<u8>>();
    let kind = (NFNL_SUBSYS_NFTABLES as u16) << 8 | GET_TABLE;
    let flags = (NLM_F_REQUEST | NLM_F_ACK) as u16;
    let mut message = vec![0; 4];
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([NFPROTO_INET as u8, 0, 0, 0]);
    message.extend((4 + name.len() as u16).to_ne_bytes());
    message.extend(NAME.to_ne_bytes());
    message.extend(&name);
    message.resize(message.len().next_multiple_of(4), 0);
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}
