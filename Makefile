# make demo   build, generate, rehearse the shipped bundle, show a client being told
# make test   every kind of test once, installing what it needs: test-unit (needs Rust alone),
#             test-net (real programs in namespaces), test-system (booted hosts); see docs/testing.md
# make test-all  the same with more cases, and what is exhaustive: releases and FUZZ_SECONDS of fuzzing
# make dist   the release: Debian package, archive of bare programs, SHA256SUMS, below dist/
# make releases  that package on each release of Debian that it is for, with that one's own tools
# make fuzz   the listener's session against bytes of all kinds, for FUZZ_SECONDS
# make bench  BENCH=rules: what it costs, measured with the programs as they are released
# make check  what a reviewer's machine runs first: format, lints, generated files

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO       ?= cargo
FUZZ_SECONDS ?= 60
BENCH        ?= rules

.PHONY: demo test test-unit test-net test-system test-all dist releases fuzz bench check build setup-demo setup-test setup-dist setup-releases setup-fuzz clean

demo: setup-demo
	@tests/tools/demo

# Many tests wait: for silence, for a timer, for a unit. Two for each core leave none idle.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))

# Each prints at its end how long its groups of tests took.
test: setup-test check
	@tests/tools/run-tests library unit benches net package system

test-unit:
	@tests/tools/run-tests library unit

test-net: setup-test
	@tests/tools/run-tests net

test-system: setup-test
	@tests/tools/run-tests package system

test-all: export REDISGUARD_PROPERTY_FACTOR ?= 20
test-all: setup-test check
	@tests/tools/run-tests library unit benches net package system dist releases fuzz

dist: setup-dist
	@tests/tools/dist

releases: setup-releases
	@tests/tools/releases dist/redisguard_*.deb

# No sanitizer: there is no unsafe code for one to watch, and without it any toolchain will do.
fuzz: setup-fuzz
	mkdir -p tests/fuzz/corpus/session
	$(CARGO) fuzz run --fuzz-dir tests/fuzz --sanitizer none session tests/fuzz/corpus/session tests/fuzz/seeds \
		-- -dict=tests/fuzz/words.dict -max_len=4096 -max_total_time=$(FUZZ_SECONDS)

# Linked statically, as tests/tools/dist does it.
bench:
	RUSTFLAGS=-Ctarget-feature=+crt-static $(CARGO) bench --target "$$(rustc -vV | sed -n 's/^host: //p')" \
		--bench $(BENCH) -- --markdown

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --no-default-features --features generator -- -D warnings
	$(CARGO) run --quiet --bin redisguard-gen -- --check
	$(CARGO) run --quiet --bin redisguard-gen -- --generate man --out target/package/man
	$(CARGO) run --quiet --bin redisguard-gen -- --generate completions --out target/package/completions
	bash -n target/package/completions/*.bash
	$(CARGO) run --quiet --example reference -- --check

build:
	$(CARGO) build --release

setup-demo:
	@tests/tools/setup gcc libc6-dev iptables iproute2 redis-tools

setup-test:
	@tests/tools/setup gcc libc6-dev iptables iproute2 nftables redis-tools redis-server logrotate mandoc \
		systemd systemd-container debootstrap debian-archive-keyring util-linux mount procps shellcheck \
		prometheus prometheus-node-exporter \
		curl openssl python3 python3-venv git openssh-server openssh-client \
		netcat-openbsd netcat-traditional inetutils-telnet wget \
		node:nodejs npm:npm php-cli php-redis php-predis ruby-redis libredis-perl libredis-fast-perl \
		chromium systemd-journal-remote tzdata gzip xz-utils zstd bzip2 \
		lua5.1 lua-redis libhiredis-dev erlang-base erlang-redis-client \
		javac:default-jdk-headless mvn:maven go:golang-go \
		binutils lintian

setup-dist:
	@tests/tools/setup gcc libc6-dev binutils python3 git lintian

setup-releases:
	@tests/tools/setup debootstrap debian-archive-keyring util-linux mount

setup-fuzz:
	@tests/tools/setup gcc g++ libc6-dev
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --locked

clean:
	$(CARGO) clean
