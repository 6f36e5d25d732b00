# make demo   the model town on this machine
# make test   everything that CI checks
# make bench  the figures of the README
# make schemathesis  requests made up from the description of the API, against a node of each role
CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto

.PHONY: demo test bench build check tools fuzz seeds sim fresh schemathesis clean

demo: tools
	$(CARGO) build --release --locked -p townmesh-node -p townmesh-tests --bins
	target/release/townmesh demo $(DEMO_FLAGS)

build: tools
	$(CARGO) build --release --locked -p townmesh-node --bins

test: tools check
	$(CARGO) build --locked --workspace --all-targets
	$(CARGO) test --locked --workspace

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --locked --workspace --no-deps --document-private-items
# cargo-deny reads the crates of every platform; a build has fetched those of this one only.
	@if command -v cargo-deny >/dev/null; then $(CARGO) fetch --locked --quiet && $(CARGO) deny --offline check bans licenses sources; \
	else echo "SKIPPED cargo-deny: not installed; cargo install --locked cargo-deny"; fi

bench: tools
	$(CARGO) build --release --locked -p townmesh-node -p townmesh-tests --bins
	target/release/townmesh-bench $(BENCH_FLAGS)

# Seconds for each fuzz target.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
# Begins with the inputs that the tests replay. RUSTC_BOOTSTRAP: sanitizer and coverage flags on the stable compiler.
fuzz: tools
	@command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing. Install it with: cargo install --locked cargo-fuzz"; exit 1; }
	@command -v c++ >/dev/null || { echo "A C++ compiler is missing. Install it with: sudo apt-get install -y build-essential"; exit 1; }
	@cd fuzz && for target in $(FUZZ_TARGETS); do mkdir -p corpus/$$target; \
	  seeds=$$(ls -d ../*/tests/corpus/$$target 2>/dev/null); echo "fuzz: $$target"; \
	  RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target corpus/$$target $$seeds -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -rss_limit_mb=512 || exit 1; done

# Random towns under faults beyond those of `make test`; prints the seed of one that fails.
SEEDS ?= 1000
seeds: tools
	SEEDS=$(SEEDS) $(CARGO) test --locked -p townmesh-crdt --lib many_orders_of_faults -- --ignored --nocapture

# Whole towns under faults: make sim SIM_FLAGS="run --seed 1 --seeds 100 --nodes 12 --days 1".
SIM_FLAGS ?= run --seeds 10
sim: tools
	$(CARGO) build --release --locked -p townmesh-sim --bins
	target/release/townmesh-sim $(SIM_FLAGS)

# Towns that no earlier commit has lived through: their seeds follow from this one, so that whoever has it can repeat them.
FRESH_SECONDS ?= 300
FRESH_SEED ?= $(shell printf '%d' 0x$$(git rev-parse --short=8 HEAD 2>/dev/null || date +%s))
fresh: tools
	$(CARGO) build --locked --workspace --all-targets
	target/debug/townmesh-sim run --seed $(FRESH_SEED) --seeds 1000000 --cpu $(FRESH_SECONDS) --shrink 60

# The program that makes up requests to the API, in exactly these versions.
SCHEMATHESIS = target/schemathesis/bin/schemathesis
$(SCHEMATHESIS): tests/schemathesis/requirements.txt
	python3 -m venv target/schemathesis
	target/schemathesis/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# Requests of each kind, those that are allowed and those that are not, to a center, a village office and a vehicle.
EXAMPLES ?= 100
schemathesis: tools $(SCHEMATHESIS)
	$(CARGO) build --locked --workspace --all-targets
	SCHEMATHESIS_EXAMPLES=$(EXAMPLES) $(CARGO) test --locked --workspace --test town -- any_request

# Stops with the line that installs what is missing.
tools:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing. Install it with: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is missing. Install it with: sudo apt-get install -y build-essential"; exit 1; }

clean:
	$(CARGO) clean
