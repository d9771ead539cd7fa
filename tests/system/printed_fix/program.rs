//! Damages of the program, of its record, of the log and of the host.

use super::{Damage, damage, with_act};

pub(super) const PROGRAM: &[Damage] = &[
    damage("the program deleted", "rm /usr/local/sbin/redisguard-install"),
    damage("the program cut off", "truncate -s 100000 /usr/local/sbin/redisguard-install.new
        head -c 100000 /root/redisguard-install >/usr/local/sbin/redisguard-install.new; rm /usr/local/sbin/redisguard-install
        chmod 755 /usr/local/sbin/redisguard-install.new
        mv /usr/local/sbin/redisguard-install.new /usr/local/sbin/redisguard-install"),
    damage("the program emptied", "rm /usr/local/sbin/redisguard-install; : >/usr/local/sbin/redisguard-install
        chmod 755 /usr/local/sbin/redisguard-install"),
    damage("the program not executable", "chmod -x /usr/local/sbin/redisguard-install"),
    damage("another program", "rm /usr/local/sbin/redisguard-install; cp /bin/true /usr/local/sbin/redisguard-install"),
    damage("a program that fails", "rm /usr/local/sbin/redisguard-install
        cp /bin/false /usr/local/sbin/redisguard-install; systemctl restart redis-port-notice redis-ports-block"),
    damage("the program of another user", "chown daemon /usr/local/sbin/redisguard-install"),
    damage("the program a link", "ln -sf /root/redisguard-install /usr/local/sbin/redisguard-install"),
];

pub(super) const RECORD: &[Damage] = &[
    damage("the receipt deleted", "rm /var/lib/redisguard/receipt.json"),
    damage("the receipt cut off", "truncate -s 100 /var/lib/redisguard/receipt.json"),
    damage("the receipt emptied", ": >/var/lib/redisguard/receipt.json"),
    damage("the receipt other bytes", "head -c 300 /dev/urandom >/var/lib/redisguard/receipt.json"),
    damage("the receipt other JSON", "echo '[1]' >/var/lib/redisguard/receipt.json"),
    damage(
        "the receipt a directory",
        "rm /var/lib/redisguard/receipt.json; mkdir /var/lib/redisguard/receipt.json",
    ),
    damage(
        "the receipt of a change that has not ended",
        "sed -i 's/\"applied\",$/\"changing\",/' /var/lib/redisguard/receipt.json",
    ),
    damage("the kept bundle deleted", "rm -r /var/lib/redisguard/bundle"),
    damage(
        "a file of the kept bundle cut off",
        "truncate -s 9 /var/lib/redisguard/bundle/host/etc/redisguard/rules.v4",
    ),
    damage("SHA256SUMS of the kept bundle deleted", "rm /var/lib/redisguard/bundle/SHA256SUMS"),
    damage("the state deleted", "rm -r /var/lib/redisguard"),
    damage("the state writable by all", "chmod 777 /var/lib/redisguard"),
    damage("the state of another user", "chown -R daemon /var/lib/redisguard"),
    damage(
        "the receipt and the kept bundle deleted",
        "rm -r /var/lib/redisguard/bundle /var/lib/redisguard/receipt.json",
    ),
    damage(
        "the receipt cut off, and the rules flushed",
        "truncate -s 100 /var/lib/redisguard/receipt.json; nft flush ruleset",
    ),
];

pub(super) const LOG: &[Damage] = &[
    damage("the log's link deleted", "rm /var/log/redis_port_notice.log"),
    damage("the log's link elsewhere", "ln -sf /var/log/other.log /var/log/redis_port_notice.log"),
    damage(
        "a file in place of the log's link",
        "rm /var/log/redis_port_notice.log; echo a >/var/log/redis_port_notice.log",
    ),
];

pub(super) const HOST: &[Damage] = &[
    with_act(
        "a full disk, and the rules flushed",
        "nft flush ruleset; cat /dev/zero >/filler 2>/dev/null; sync",
        "/var/lib/redisguard",
        "rm /filler",
    ),
    with_act(
        "a read-only /etc, and a file edited",
        "echo >>/etc/redisguard/notice.toml; mount --bind /etc /etc; mount -o remount,bind,ro /etc",
        "/etc/redisguard",
        "umount /etc",
    ),
    with_act(
        "a read-only state, and the rules flushed",
        "mount --bind /var/lib/redisguard /var/lib/redisguard; mount -o remount,bind,ro /var/lib/redisguard
         nft flush ruleset",
        "/var/lib/redisguard",
        "umount /var/lib/redisguard",
    ),
    with_act(
        "a change to be confirmed, and a file edited",
        "/root/redisguard-install remove
         /root/redisguard-install apply --confirm 600s; echo >>/etc/redisguard/notice.toml",
        "confirm",
        "/root/redisguard-install confirm",
    ),
    with_act("removed, but for its rules", "rm -rf /root/kept; cp -r /var/lib/redisguard/bundle /root/kept; /root/redisguard-install remove
        /root/redisguard-install --bundle /root/kept rules load",
        "to a directory DIR of this host, then run: ",
        "/root/redisguard-install --bundle built-in apply"),
    damage("removed", "/root/redisguard-install remove"),
];

/// Where a bundle was applied from a directory, /root/site.
pub(super) const DIRECTORY: &[Damage] = &[
    damage(
        "the directory gone, and the receipt deleted",
        "mv /root/site /root/away; rm /var/lib/redisguard/receipt.json",
    ),
    with_act(
        "the directory gone, and the kept bundle damaged",
        "mv /root/site /root/away; rm /var/lib/redisguard/bundle/SHA256SUMS",
        "to a directory DIR of this host, then run: redisguard-install --bundle DIR apply",
        "mv /root/away /root/site; redisguard-install --bundle /root/site apply",
    ),
    with_act(
        "the state deleted",
        "rm -r /var/lib/redisguard",
        "to a directory DIR of this host, then run: redisguard-install --bundle DIR apply",
        "redisguard-install --bundle /root/site apply",
    ),
    damage(
        "a newer program",
        "sed -i 's/\"origin\": \"directory\"/\"origin\": \"program\"/' /var/lib/redisguard/receipt.json",
    ),
];
