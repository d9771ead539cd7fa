//! No container gets packets to a reserved port, also after Docker restarts.
//!
//! The chains that Docker makes, and a container on its bridge.

use super::*;

/// As Docker has it with `iptables` and `ip6tables` on: a bridge, a container with a Redis on 6379,
/// its chains, and two ports of the host that lead there.
pub(crate) const ENGINE: &str = r#"#!/bin/sh -eu
both() { iptables -w "$@"; ip6tables -w "$@"; }
four=172.17.0 six=fd17::

jumps() { # -A, or -I as after a restart: then each comes before all that was there
    both -t nat "$1" PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    iptables -w -t nat "$1" OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
    ip6tables -w -t nat "$1" OUTPUT ! -d ::1 -m addrtype --dst-type LOCAL -j DOCKER
    set -- "$1" "DOCKER-USER" "DOCKER-ISOLATION-STAGE-1"
    both "$1" FORWARD -j "$3"
    both "$1" FORWARD -j "$2"
}

case $1 in
up)
    sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip netns add box
    ip link add docker0 type bridge
    ip link add veth0 type veth peer name eth0 netns box
    ip link set veth0 master docker0 up
    ip addr add $four.1/16 dev docker0
    ip addr add ${six}1/64 dev docker0 nodad
    ip link set docker0 up
    ip -n box addr add $four.2/16 dev eth0
    ip -n box addr add ${six}2/64 dev eth0 nodad
    ip -n box link set eth0 up
    ip -n box route add default via $four.1
    ip -n box route add default via ${six}1
    for table in nat filter; do both -t $table -N DOCKER; done
    for chain in USER ISOLATION-STAGE-1 ISOLATION-STAGE-2; do both -N DOCKER-$chain; done
    both -P FORWARD DROP
    jumps -A
    both -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    both -A FORWARD -o docker0 -j DOCKER
    both -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
    both -A FORWARD -i docker0 -o docker0 -j ACCEPT
    both -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
    both -A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
    both -A DOCKER-USER -j RETURN
    both -t nat -A DOCKER -i docker0 -j RETURN
    iptables -w -t nat -A POSTROUTING -s $four.0/16 ! -o docker0 -j MASQUERADE
    ip6tables -w -t nat -A POSTROUTING -s $six/64 ! -o docker0 -j MASQUERADE
    iptables -w -A DOCKER -d $four.2 ! -i docker0 -o docker0 -p tcp --dport 6379 -j ACCEPT
    ip6tables -w -A DOCKER -d ${six}2 ! -i docker0 -o docker0 -p tcp --dport 6379 -j ACCEPT
    for port in 6379 7001; do
        iptables -w -t nat -A DOCKER ! -i docker0 -p tcp --dport $port \
            -j DNAT --to-destination $four.2:6379
        ip6tables -w -t nat -A DOCKER ! -i docker0 -p tcp --dport $port \
            -j DNAT --to-destination "[${six}2]:6379"
    done
    systemd-run --quiet --unit=box ip netns exec box redis-server --port 6379 --bind 0.0.0.0 :: \
        --protected-mode no --save ''
    ;;
restart)
    jumps -D
    jumps -I
    ;;
esac
"#;

const PONG: &str = "+PONG";

/// What the neighbour meets at both ports that lead to the container.
#[track_caller]
fn assert_published(machine: &Machine, reserved: impl Fn(&Outcome) -> bool, when: &str) {
    let pong = Outcome::Served(PONG.to_owned());
    for met in machine.reaches(7001) {
        assert_eq!(met, pong, "7001, {when}");
    }
    for met in machine.meets(6379) {
        assert!(reserved(&met), "6379, {when}: {met:?}");
    }
}

fn is(wanted: &str) -> impl Fn(&Outcome) -> bool {
    move |met| met.kind().to_string() == wanted
}

#[test]
fn no_container_gets_what_comes_to_a_reserved_port() {
    let Some(machine) = host("containers") else { return };
    machine.write_file("/root/engine", ENGINE);
    sh(&machine, "chmod 755 /root/engine; /root/engine up; /root/engine restart");
    wait_until("the container's Redis answers", || {
        let said = |address| machine.run(&["redis-cli", "-h", address, "ping"]).stdout;
        ["172.17.0.2", "fd17::2"].map(said) == ["PONG\n", "PONG\n"]
    });
    let pong = Outcome::Served(PONG.to_owned());
    for port in [6379, 7001] {
        assert_eq!(machine.reaches(port), [pong.clone(), pong.clone()], "{port}");
    }
    let before = look(&machine);
    for (external, wanted) in [("drop", "silence"), ("reject", "refused"), ("notice", "notice")] {
        apply(&machine, external);
        assert_published(&machine, is(wanted), external);
        sh(&machine, "/root/engine restart");
        assert_published(
            &machine,
            |met| met.kind().to_string() != "served",
            "its rules before ours",
        );
        is_fixed_at_all(&machine, &["nat: the jump from PREROUTING is at position 2"]);
        assert_published(&machine, is(wanted), external);
        // Nobody comes before what nft has loaded.
        apply_by(&machine, "nftables", external);
        assert_published(&machine, is(wanted), external);
        sh(&machine, "/root/engine restart");
        assert_published(&machine, is(wanted), external);
        redisguard(&machine, &["status"]).ok();
        assert!(ping(&machine, 6379).starts_with("PORTCLOSED"), "{}", ping(&machine, 6379));
        redisguard(&machine, &["remove"]).ok();
        sh(&machine, "/root/engine restart");
        assert_published(&machine, is("served"), "without the guard");
    }
    assert_unchanged(&machine, &before);
}
