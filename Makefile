# make demo     runs the city for a minute and shows what it made (FOR=10m)
# make test     the whole test suite
# make crash    kills, stops and misleads workers for 200 rounds: every record once (ROUNDS, SEED, WORKERS)
# make contain  misbehaving plugins beside a good one, a minute each: only guilty rows pay (SECONDS=60)
# make swap     1,000 changes of a plugin on a live stream, with kills: each row of the version that the log names (SWAPS, SEED)
# make sim      the log under 10,000 seeds of faults (SEEDS=100000; SEED=7 SEEDS=1 runs one again)
# make lint     formatting, lints, the Compose file, and the guide as a book
# make bench    measures decode, plugins and Parquet on one core
# make hour     one hour of city time at 5,000 messages a second and stream, through Kafka
# make plugins  compiles the plugins into plugins/
# make setup    installs what is missing, or says what it is
# Each does its own set-up and can be run again. Further measurements are scripts with their usage at their head:
# tests/bench/commits, day, latency, rebalance, simulator, startup; and benches/exactly_once.rs.

FOR ?= 1m
ROUNDS ?= 200
SEED ?= 1
WORKERS ?= 3
SECONDS ?= 60
SWAPS ?= 1000

.PHONY: help demo test crash swap contain sim bench hour lint plugins setup

help:
	@sed -n '1,14s/^# //p' Makefile

setup:
	@scripts/setup

plugins: setup
	@echo '== compiling the plugins to WebAssembly'
	@scripts/wasm-cargo build --release --locked
	@scripts/install-plugins

demo: plugins
	@scripts/demo $(FOR)

test: setup
	@scripts/test

crash: setup
	@cargo build --locked --quiet --workspace --bins
	@ROUNDS=$(ROUNDS) SEED=$(SEED) WORKERS=$(WORKERS) "$${CARGO_TARGET_DIR:-target}/debug/millstream-crash"

contain: setup
	@cargo build --locked --quiet --workspace --bins
	@tests/contain/run --seconds $(SECONDS)

swap: setup
	@cargo build --locked --quiet --workspace --bins
	@SWAPS=$(SWAPS) SEED=$(SEED) "$${CARGO_TARGET_DIR:-target}/debug/millstream-swap"

bench: setup
	cargo bench --locked --workspace --bench spine

hour: plugins
	cargo build --release --locked --workspace --bins
	PROFILE=release tests/bench/hour

# The profile of the tests: optimised, with debug assertions.
sim: setup
	@cargo bench --quiet --locked --profile dev --workspace --bench simulation

lint: setup
	cargo fmt --all --check
	cd plugins && cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cd plugins && CARGO_TARGET_DIR="$${CARGO_TARGET_DIR:-../target}/native" cargo clippy --all-targets --locked -- -D warnings
	scripts/book build
	tests/compose/check
