//! Programs that decide on packets before netfilter sees them: eBPF at XDP and at tc's ingress. Changes nothing.
//!
//! Programs of cgroups are left out: they come behind netfilter, and can stop a packet but let none through that
//! it has stopped.

use super::command::{Output, Program, is_installed};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, OwnedFd};

/// Messages and attributes of rtnetlink(7), linux/if_link.h and linux/pkt_sched.h.
const GET_LINK: u16 = 18;
const GET_QDISC: u16 = 38;
const GET_FILTER: u16 = 46;
const LINK_NAME: u16 = 3;
const LINK_XDP: u16 = 43;
const XDP_ATTACHED: u16 = 2;
const TC_KIND: u16 = 1;
/// `TC_H_INGRESS`, and `TC_H_CLSACT` with `TC_H_MIN_INGRESS`.
const INGRESS: [(&str, u32); 2] = [("ingress", 0xffff_0000), ("clsact", 0xffff_fff2)];
/// `NLM_F_REQUEST | NLM_F_DUMP` (netlink(7)).
const DUMP: u16 = 0x301;
/// `NLMSG_DONE` and `NLMSG_ERROR`.
const ENDS: [u16; 2] = [3, 2];
/// The length of a `struct nlmsghdr`, of a `struct ifinfomsg` and of a `struct tcmsg`.
const HEADER: usize = 16;
const LINK_LENGTH: usize = 16;
const TC_LENGTH: usize = 20;
/// Room for one part of a dump: the kernel's own limit is less (`netlink_dump()` in Linux).
const PART_LENGTH: usize = 65536;

/// What is attached, in words; nothing where the kernel does not say. What is attached to tc through a BPF link
/// (tcx) only `bpftool` shows, where that is installed.
pub fn early_programs() -> BTreeSet<String> {
    let mut found = by_rtnetlink().unwrap_or_default();
    found.extend(by_bpftool().unwrap_or_default());
    found
}

fn at_xdp(link: &str) -> String {
    format!("an XDP program at {link}")
}

fn at_tc(link: &str) -> String {
    format!("an eBPF program (tc) at {link}")
}

fn by_rtnetlink() -> Option<BTreeSet<String>> {
    let route = Route::open()?;
    let mut found = BTreeSet::new();
    let mut names = BTreeMap::new();
    for link in route.dump(GET_LINK, &[0; LINK_LENGTH])? {
        let index = number(&link, 4)?;
        let attributes = attributes(link.get(LINK_LENGTH..)?);
        let name = text(attributes.get(&LINK_NAME)?);
        let xdp = attributes.get(&LINK_XDP).map(|xdp| self::attributes(xdp)).unwrap_or_default();
        if xdp.get(&XDP_ATTACHED).is_some_and(|attached| attached.first() != Some(&0)) {
            found.insert(at_xdp(&name));
        }
        names.insert(index, name);
    }
    for qdisc in route.dump(GET_QDISC, &[0; TC_LENGTH])? {
        let index = number(&qdisc, 4)?;
        let kind = attributes(qdisc.get(TC_LENGTH..)?).get(&TC_KIND).map(|kind| text(kind));
        let known = INGRESS.into_iter().find(|(name, _)| kind.as_deref() == Some(*name));
        let (Some((_, parent)), Some(name)) = (known, names.get(&index)) else { continue };
        let mut message = [0; TC_LENGTH];
        message[4..8].copy_from_slice(&index.to_ne_bytes());
        message[12..16].copy_from_slice(&parent.to_ne_bytes());
        let filters = route.dump(GET_FILTER, &message)?;
        let is_program = |filter: &Vec<u8>| {
            let attributes = filter.get(TC_LENGTH..).map(attributes).unwrap_or_default();
            attributes.get(&TC_KIND).is_some_and(|kind| text(kind) == "bpf")
        };
        if filters.iter().any(is_program) {
            found.insert(at_tc(name));
        }
    }
    Some(found)
}

fn by_bpftool() -> Option<BTreeSet<String>> {
    let output = is_installed("bpftool").then(|| Program::new("bpftool"))?;
    let output = output.args(["--json", "net", "show"]).run("list eBPF programs").ok()?;
    let output = Some(output).filter(Output::is_success)?;
    let listing: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(attached(&listing))
}

/// What a listing of `bpftool net` names.
fn attached(listing: &serde_json::Value) -> BTreeSet<String> {
    let of = |key: &str| -> Vec<&serde_json::Value> {
        let parts = listing.as_array().into_iter().flatten();
        parts.filter_map(|part| part[key].as_array()).flatten().collect()
    };
    let name = |one: &serde_json::Value| one["devname"].as_str().unwrap_or("?").to_owned();
    let is_ingress = |one: &&serde_json::Value| {
        one["kind"].as_str().is_some_and(|kind| kind.contains("ingress"))
    };
    let xdp = of("xdp").into_iter().map(|one| at_xdp(&name(one)));
    let tc: BTreeSet<String> =
        of("tc").into_iter().filter(is_ingress).map(|one| at_tc(&name(one))).collect();
    xdp.chain(tc).collect()
}

/// A socket to the kernel's routing part.
struct Route(OwnedFd);

impl Route {
    fn open() -> Option<Self> {
        let protocol = SockProtocol::NetlinkRoute;
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
            .ok()
            .map(Self)
    }

    /// The bodies of all messages that answer a request.
    fn dump(&self, message: u16, body: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut request = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        request.extend(message.to_ne_bytes());
        request.extend(DUMP.to_ne_bytes());
        request.extend([0; 8]);
        request.extend(body);
        sendto(self.0.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty()).ok()?;
        let mut all = Vec::new();
        loop {
            let mut part = vec![0; PART_LENGTH];
            let length = recv(self.0.as_raw_fd(), &mut part, MsgFlags::empty()).ok()?;
            let mut rest = part.get(..length)?;
            while rest.len() >= HEADER {
                let length = (number(rest, 0)? as usize).max(HEADER);
                let kind = u16::from_ne_bytes(rest.get(4..6)?.try_into().ok()?);
                if ENDS.contains(&kind) {
                    return Some(all);
                }
                all.push(rest.get(HEADER..length)?.to_vec());
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// A name with its zero.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// Attributes by kind (`struct rtattr`): length and kind, then the value. Lengths are rounded up to 4.
fn attributes(mut bytes: &[u8]) -> BTreeMap<u16, &[u8]> {
    /// `NLA_TYPE_MASK`: without the flag of a nested one.
    const KIND: u16 = 0x3fff;
    let mut all = BTreeMap::new();
    while let [l0, l1, k0, k1, rest @ ..] = bytes {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let Some(value) = length.checked_sub(4).and_then(|length| rest.get(..length)) else {
            break;
        };
        all.insert(u16::from_ne_bytes([*k0, *k1]) & KIND, value);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bpftool_names_programs_at_xdp_and_at_the_ingress() {
        let listing = r#"[{"xdp": [{"devname": "eth0", "ifindex": 2, "mode": "generic", "id": 9}],
            "tc": [{"devname": "eth1", "kind": "tcx/ingress", "name": "cil_from_netdev"},
                   {"devname": "eth1", "kind": "clsact/egress", "name": "x"}],
            "flow_dissector": [], "netfilter": []}]"#;
        let found = attached(&serde_json::from_str(listing).unwrap());
        let wanted = ["an XDP program at eth0", "an eBPF program (tc) at eth1"];
        assert_eq!(found, wanted.map(str::to_owned).into());
    }

    #[test]
    fn attributes_are_read_up_to_one_that_is_cut_off() {
        let bytes = [
            &8_u16.to_ne_bytes()[..],
            &0x8001_u16.to_ne_bytes(),
            b"abc\0",
            &9_u16.to_ne_bytes(),
            &2_u16.to_ne_bytes(),
            b"abc",
        ];
        let bytes = bytes.concat();
        assert_eq!(attributes(&bytes), BTreeMap::from([(1, &b"abc\0"[..])]));
    }
}
