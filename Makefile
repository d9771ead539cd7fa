# make demo   build, generate, rehearse the shipped bundle, show a client being told
# make test   everything, installing what it needs
# make check  what a reviewer's machine runs first: format, lints, generated files

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO       ?= cargo

.PHONY: demo test check build setup-demo setup-test clean

demo: setup-demo
	@tests/tools/demo

test: setup-test check
	$(CARGO) test --all-targets

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) run --quiet --bin redisguard-gen -- --check

build:
	$(CARGO) build --release

setup-demo:
	@tests/tools/setup gcc libc6-dev iptables iproute2 redis-tools

setup-test:
	@tests/tools/setup gcc libc6-dev iptables iproute2 nftables redis-tools redis-server logrotate mandoc \
		systemd systemd-container debootstrap debian-archive-keyring util-linux procps shellcheck \
		netcat-openbsd curl openssl python3 python3-venv openssh-server openssh-client

clean:
	$(CARGO) clean
