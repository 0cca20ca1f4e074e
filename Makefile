# What people do with this tree. `make help` lists it.
# Builds go to CARGO_TARGET_DIR where it is set, else to ./target.

TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo nextest)

.DEFAULT_GOAL := help
.PHONY: help run test check docs bench load faults fuzz

# Seconds for each fuzz target.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := json lines compressed query payload recovery

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build the gateway and run it on port 3030, everything in ./data
	cargo build --release --locked
	@exec "$(TARGET)/release/footfall" serve

test: ## Fetch what the tests run against, then run all tests
	bash tests/setup.sh
ifeq ($(NEXTEST),nextest)
	cargo nextest run --locked
else
	cargo test --locked
endif

check: ## Formatting, lints, documentation, reference pages
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	cargo run --locked --quiet -- reference --check

docs: ## Draw the reference pages under docs/ from the types
	cargo run --locked --quiet -- reference

faults: ## Break things in full series (some 20 minutes, as root), then write docs/fault-report.md
	bash tests/setup.sh
	rm -rf "$(TARGET)/faults"
	FOOTFALL_SIMULATION_SEEDS=100000 cargo test --locked --test simulation every_answered
ifeq ($(NEXTEST),nextest)
	FOOTFALL_FAULTS=full cargo nextest run --locked --no-fail-fast --test faults; \
	    status=$$?; python3 faults/report.py "$(TARGET)/faults" && exit $$status
else
	FOOTFALL_FAULTS=full cargo test --locked --no-fail-fast --test faults; \
	    status=$$?; python3 faults/report.py "$(TARGET)/faults" && exit $$status
endif

fuzz: ## Send any bytes to what reads them, FUZZ_SECONDS (60) for each target; needs cargo-fuzz and a nightly compiler
	for target in $(FUZZ_TARGETS); do \
	    mkdir -p fuzz/corpus/$$target && cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target \
	        -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 -rss_limit_mb=2048 || exit 1; \
	done

bench: ## Measure the parts of the hot path
	cargo bench --locked

load: ## Compare the gateway with the reference server under load
	python3 loadtest/compare.py
	python3 loadtest/events.py
	python3 loadtest/store.py
