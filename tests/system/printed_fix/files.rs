//! Damages of installed files and units.

use super::{Damage, damage, with_act};

pub(super) const FILES: &[Damage] = &[
    damage("rules.v4 removed", "rm /etc/redisguard/rules.v4"),
    damage("rules.v6 emptied", ": >/etc/redisguard/rules.v6"),
    damage("rules.v4 edited", "sed -i s/DROP/ACCEPT/ /etc/redisguard/rules.v4"),
    damage("redisguard.nft writable by all", "chmod 666 /etc/redisguard/redisguard.nft"),
    damage("notice.toml of another user", "chown daemon /etc/redisguard/notice.toml"),
    damage("notice.toml removed", "rm /etc/redisguard/notice.toml"),
    damage("notice.toml edited", "echo '# mine' >>/etc/redisguard/notice.toml"),
    damage(
        "notice.toml a link",
        "mv /etc/redisguard/notice.toml /root/; ln -s /root/notice.toml /etc/redisguard/",
    ),
    with_act(
        "notice.toml a directory",
        "rm /etc/redisguard/notice.toml; mkdir /etc/redisguard/notice.toml",
        "/etc/redisguard/notice.toml",
        "rm -rf /root/moved; mv /etc/redisguard/notice.toml /root/moved",
    ),
    damage("/etc/redisguard removed", "rm -r /etc/redisguard"),
    damage("/etc/redisguard writable by all", "chmod 777 /etc/redisguard"),
    damage("the unit of the rules removed", "rm /etc/systemd/system/redis-ports-block.service"),
    damage("the unit of the listener emptied", ": >/etc/systemd/system/redis-port-notice.service"),
    damage(
        "the unit of the listener edited",
        "sed -i s/MemoryMax=.*/MemoryMax=1G/ /etc/systemd/system/redis-port-notice.service; systemctl daemon-reload",
    ),
    damage(
        "the timer removed",
        "rm /etc/systemd/system/redis-ports-check.timer; systemctl daemon-reload",
    ),
    damage("the check removed", "rm /etc/systemd/system/redis-ports-check.service"),
    damage("logrotate removed", "rm /etc/logrotate.d/redis-port-notice"),
    damage("tmpfiles removed", "rm /etc/tmpfiles.d/redisguard.conf"),
    damage("sysctl.d removed", "rm /etc/sysctl.d/60-redisguard.conf"),
    damage("local reserved ports emptied", "sysctl -qw net.ipv4.ip_local_reserved_ports="),
];

pub(super) const UNITS: &[Damage] = &[
    damage("the rules' unit stopped", "systemctl stop redis-ports-block"),
    damage("the listener stopped", "systemctl stop redis-port-notice"),
    damage("the listener killed", "systemctl kill -s KILL redis-port-notice; sleep 0.1"),
    damage("the listener halted", "systemctl kill -s STOP redis-port-notice"),
    damage(
        "the listener failed",
        "printf '[Service]\\nRestart=no\\n' >/run/systemd/system/service.d/zz.conf; systemctl daemon-reload
         systemctl kill -s KILL redis-port-notice; sleep 0.1
         rm /run/systemd/system/service.d/zz.conf; systemctl daemon-reload",
    ),
    damage(
        "the listener started too often",
        "for start in 1 2 3 4 5 6; do systemctl restart redis-port-notice; done; systemctl stop redis-port-notice",
    ),
    damage("the listener disabled", "systemctl disable --now redis-port-notice"),
    damage("the rules' unit disabled", "systemctl disable redis-ports-block"),
    damage("the timer stopped", "systemctl stop redis-ports-check.timer"),
    damage("the timer disabled", "systemctl disable --now redis-ports-check.timer"),
    damage(
        "the check failed",
        "chmod -x /usr/local/sbin/redisguard-install; systemctl start redis-ports-check
         chmod +x /usr/local/sbin/redisguard-install",
    ),
    damage(
        "the rules' unit failed",
        "chmod -x /usr/local/sbin/redisguard-install; systemctl restart redis-ports-block
         chmod +x /usr/local/sbin/redisguard-install",
    ),
    damage("all units stopped", "systemctl stop 'redis-port*'"),
    with_act(
        "the listener masked",
        "ln -sf /dev/null /etc/systemd/system/redis-port-notice.service; systemctl daemon-reload
         systemctl stop redis-port-notice",
        "systemctl unmask redis-port-notice.service",
        "systemctl unmask redis-port-notice.service",
    ),
    with_act(
        "the rules' unit masked, and the rules flushed",
        "ln -sf /dev/null /etc/systemd/system/redis-ports-block.service; systemctl daemon-reload; nft flush ruleset",
        "systemctl unmask redis-ports-block.service",
        "systemctl unmask redis-ports-block.service",
    ),
    with_act(
        "the timer masked by systemctl",
        "rm /etc/systemd/system/redis-ports-check.timer; systemctl mask --now redis-ports-check.timer",
        "systemctl unmask redis-ports-check.timer",
        "systemctl unmask redis-ports-check.timer",
    ),
    with_act(
        "a drop-in of the listener",
        "mkdir -p /etc/systemd/system/redis-port-notice.service.d
         printf '[Service]\\nNice=1\\n' >/etc/systemd/system/redis-port-notice.service.d/x.conf; systemctl daemon-reload",
        "/etc/systemd/system/redis-port-notice.service.d/x.conf",
        "rm -r /etc/systemd/system/redis-port-notice.service.d; systemctl daemon-reload",
    ),
    with_act(
        "the rules' unit from system.control",
        "mkdir -p /run/systemd/system.control
         cp /etc/systemd/system/redis-ports-block.service /run/systemd/system.control/; systemctl daemon-reload",
        "/run/systemd/system.control/redis-ports-block.service",
        "rm /run/systemd/system.control/redis-ports-block.service; systemctl daemon-reload",
    ),
    damage("a unit that systemd has not read", "sleep 1; touch /etc/systemd/system/redis-port-notice.service"),
    with_act(
        "a busy port",
        "systemctl stop redis-port-notice; systemctl start redis-server",
        "systemctl disable --now redis-server.service",
        "systemctl --quiet disable --now redis-server.service",
    ),
];
