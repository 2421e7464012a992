# make demo   runs the city for a minute and shows what it made   (make demo FOR=10m)
# make test   runs the whole test suite
# Both do their own set-up and can be run again.

FOR ?= 1m
ROUNDS ?= 200
SEED ?= 1
WORKERS ?= 3

.PHONY: help demo test crash sim bench hour lint plugins setup

help:
	@sed -n '1,3s/^# //p' Makefile
	@echo 'make crash  kills, stops and misleads workers for 200 rounds (ROUNDS, SEED, WORKERS); every record once'
	@echo 'make bench  measures decode, plugins and Parquet on one core'
	@echo 'make hour   one hour of city time at 5,000 messages a second and stream, through Kafka; see tests/bench/hour'
	@echo 'make sim    the log under 10,000 seeds of faults   (SEEDS=100000; SEED=7 SEEDS=1 runs one again)'
	@echo 'tests/bench/startup  how long a start reads a log of 1,000 and 100,000 entries'
	@echo 'make lint   formatting, lints and the Compose file'
	@echo 'make plugins  compiles the plugins into plugins/'

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

bench: setup
	cargo bench --locked --workspace --bench spine

hour: plugins
	cargo build --release --locked --workspace --bins
	PROFILE=release tests/bench/hour

# The profile of the tests: optimised, with debug assertions.
sim:
	@cargo bench --quiet --locked --profile dev --workspace --bench simulation

lint: setup
	cargo fmt --all --check
	cd plugins && cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	tests/compose/check
