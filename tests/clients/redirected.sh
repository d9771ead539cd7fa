#!/bin/sh
# Runs inside network and user namespaces of its own: redirects the reserved ports 6379-6381 to the
# notice port 63790 with the kernel's netfilter, and lets redis-cli knock on each.
#
# usage: unshare -Urn sh redirected.sh LISTENER SETTINGS
set -eu
listener=$1 settings=$2

ip link set lo up
for tables in iptables ip6tables; do
    "$tables" -w -t nat -A OUTPUT -p tcp --dport 6379:6381 -j REDIRECT --to-ports 63790
done

# Into a file first: a line of it must not come between a client's words.
"$listener" notice --settings "$settings" --log - >"$settings.log" &
process=$!
trap 'kill "$process" 2>/dev/null || :' EXIT
attempt=0
until redis-cli -p 63790 ping >/dev/null 2>&1; do
    attempt=$((attempt + 1))
    test "$attempt" -lt 100
    sleep 0.1
done

for host in 127.0.0.1 ::1; do
    for port in 6379 6381 63790; do
        # The listener's log goes to the same output: each line is written at once.
        answer=$(redis-cli -h "$host" -p "$port" ping | head -n 1)
        printf '%s %s: %s\n' "$host" "$port" "$answer"
    done
done
# The redirect leads to 127.0.0.1: only the kernel's memory still knows this address.
for host in ::1 127.0.0.2; do
    answer=$(redis-cli -h "$host" -p 6380 cluster slots | tr '\n' ' ')
    printf '%s \n' "$answer"
done
kill "$process"
wait "$process"
cat "$settings.log"
trap - EXIT
