# What can be done here: `make help`. Extra arguments go in ARGS: make run ARGS='--http-address 0.0.0.0:4151'
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test fmt scripts licenses bare-metal clippy wasm www unit app screenshots doc bench soak tools web-tools fuzz

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' Makefile | awk -F '|' '{ printf "make %-11s %s\n", $$1, $$2 }'

# Another compiler may make the console's module a little larger than it should be: no reason not to start.
run: export SHELFMQ_SIZES = told
run: www ## build the broker with its console, for speed, and start it
	cargo run --release --locked --package shelfmq --bin shelfmq -- $(ARGS)

# What fails soonest comes first.
test: fmt scripts licenses bare-metal wasm www clippy unit app doc ## every test there is, and every check
	@echo "make test: all passed"

# What builds the crates, and what builds the web app as well. A target that needs more than that says so itself, so that
# whoever only wants to run the broker needs nothing that only tests do.
tools:
	@scripts/rust.sh
	@scripts/need.sh cc:gcc

web-tools:
	@scripts/web-tools.sh

fmt: ## formatting
	@scripts/rust.sh fmt
	cargo fmt --all --check

scripts: ## shell scripts, where shellcheck is installed
	@if command -v shellcheck >/dev/null 2>&1; then shellcheck scripts/*.sh wasm/*.sh .ci/run && echo "scripts: clean"; \
	else echo "scripts: not checked: no shellcheck here"; fi

licenses: tools ## licenses, sources and known vulnerabilities of what we depend on
	scripts/licenses.sh

bare-metal: tools ## the core builds where there is no operating system
	scripts/bare-metal.sh

clippy: tools ## lints; a warning is an error
	@scripts/rust.sh clippy
	cargo clippy --locked --workspace --all-targets -- -D warnings

wasm: web-tools ## the npm package, in wasm/, and the component, in target/wasm/
	wasm/build.sh
	wasm/build-component.sh

www: web-tools ## the playground, a static site in www/dist/app, which the broker also has in it as its console
	wasm/build.sh
	www/build.sh

# V8 of Node 20 now and then dies ("unreachable code" in its deoptimizer) where it has inlined a call into a module.
NODE_FLAGS = $(shell node --v8-options 2>/dev/null | grep -q -- --turbo-inline-js-wasm-calls && echo --no-turbo-inline-js-wasm-calls)

unit: wasm www ## all tests of all crates, examples in the documentation included; scenarios in Node and Chromium, too
	@scripts/need.sh curl fiu-run:fiu-utils mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs $(or $(CHROMIUM),/usr/bin/chromium):chromium
	SCENARIO_HOSTS=all cargo test --locked --workspace --no-fail-fast
	cd wasm && node $(NODE_FLAGS) --test --test-force-exit test/*.test.mjs

app: www ## the playground and the console in Chromium, the console against a real server
	@scripts/need.sh $(or $(CHROMIUM),/usr/bin/chromium):chromium
	cargo build --locked --package shelfmq
	cd www && npm run --silent unit && npm run --silent e2e

screenshots: www ## each view of the app, into www/screenshots
	@scripts/need.sh $(or $(CHROMIUM),/usr/bin/chromium):chromium
	cargo build --locked --package shelfmq
	@scripts/need.sh /usr/share/fonts/truetype/wqy/wqy-microhei.ttc:fonts-wqy-microhei || true
	cd www && npm run --silent screenshots

doc: tools ## the documentation builds without a warning
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps

# The nginx with nchan is only there to compare with: without it, its row of the table says so.
bench: tools ## speed and memory, against limits and against others; ARGS=bounds: what clients can make grow, LINES=, MANY=, LARGE=, CASE= say how much of it
	@scripts/need.sh nginx /usr/lib/nginx/modules/ngx_nchan_module.so:libnginx-mod-nchan || true
	cargo build --locked --release --package shelfmq --package shelfmq-bench --bins
	cargo bench --locked --package shelfmq-bench --no-run
	@scripts/bench.sh $(ARGS)

soak: tools ## long random runs: workloads against the reference broker, in wasm, ten million operations over crashing disks, a server that is killed or whose power fails, many topics; SEEDS=1000, OPS=1000000, KILLS=2000, CUTS=100, TOPICS=100000
	SHELFMQ_SOAK=$(or $(SEEDS),1000) cargo test --locked --release --package shelfmq-tests --test model -- --nocapture
	SHELFMQ_SOAK=$(or $(SEEDS),25000) cargo test --locked --release --package shelfmq-tests --test simulation -- --nocapture
	SHELFMQ_SOAK=1 cargo test --locked --release --package shelfmq-tests --test log_every_byte
	SHELFMQ_SOAK=$(or $(OPS),1000000) cargo test --locked --package shelfmq-tests --test lockstep -- --nocapture
	SHELFMQ_KILLS=$(or $(KILLS),2000) cargo test --locked --package shelfmq --test crash -- --nocapture
	@scripts/need.sh mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs
	SHELFMQ_CUTS=$(or $(CUTS),100) cargo test --locked --package shelfmq --test power -- --nocapture --test-threads 1
	SHELFMQ_TOPICS=$(or $(TOPICS),100000) cargo test --locked --package shelfmq --test many_topics -- --nocapture

# What a run comes upon is kept in fuzz/target/corpus; fuzz/corpus is what it begins with.
fuzz: ## bytes that nobody would think of, for frames, recovery, load, request, open, cold and recording; FUZZ=600 says how many seconds each
	@cargo fuzz --version >/dev/null 2>&1 || { echo "fuzz: there is no cargo-fuzz here: cargo install cargo-fuzz"; exit 1; }
	cd fuzz && for target in frames recovery load request open cold recording; do mkdir -p target/corpus/$$target && \
	cargo +nightly fuzz run $$target target/corpus/$$target corpus/$$target -- \
	-max_total_time=$(or $(FUZZ),60) -timeout=10 -max_len=4096 -print_final_stats=1 || exit 1; done
