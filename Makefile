# Egret: `make demo` shows it, `make test` proves it. Both prepare what they need on a fresh Debian machine.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test lint format tools cargo packages python node manifests bench-proxy bench-scan compare-tools accuracy fuzz

# One build of the crypto library on every machine, whatever is installed there.
export AWS_LC_SYS_USE_SYSTEM := 0

# Where cargo puts what it builds.
BUILT := $(or $(CARGO_TARGET_DIR),target)/release

# command:package. The first line builds; the others are the clients and the kernel tools of the stories.
BUILD_NEEDS := cc:build-essential
DEMO_NEEDS  := curl:curl dig:dnsutils
TEST_NEEDS  := $(DEMO_NEEDS) openssl:openssl python3:python3 npm:npm git:git \
	iptables:iptables nft:nftables ip:iproute2 nc:netcat-openbsd socat:socat ping:iputils-ping \
	certutil:libnss3-tools tmux:tmux setpriv:util-linux prlimit:util-linux kubectl:kubernetes-client \
	wget:wget node:nodejs go:golang-go java:default-jdk-headless keytool:default-jdk-headless zstd:zstd \
	iodine:iodine ptunnel:ptunnel kdig:knot-dnsutils

help: ## Say what there is
	@grep --extended-regexp '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -e 's/:.*## /\t/' | expand -t 14

demo: cargo ## Show Egret at work: builds, runs an agent through it, prints every verdict
	@tests/packages.sh $(BUILD_NEEDS) $(DEMO_NEEDS)
	@cargo build --release --locked --package egret --bin egret
	@$(BUILT)/egret demo

test: tools ## Run every test and print one summary
	@tests/run.sh

lint: cargo ## Check format and lints as CI does
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

format: cargo ## Format the sources
	cargo fmt --all

bench-proxy: cargo ## Measure requests per second and processor time through the proxy, beside direct
	cargo build --release --locked --package egret --package egret-benches
	$(BUILT)/proxy

bench-scan: cargo ## Measure the scanner, beside other tools where installed; CLEAN=folder adds its files
	EGRET_CORPUS=$(CLEAN) cargo bench --locked --package egret-benches
	cargo build --release --locked --package egret-benches --bin accuracy
	@python3 benches/compare/compare.py --speed-only --scanner $(BUILT)/accuracy $(if $(CLEAN),--clean $(CLEAN))

accuracy: cargo ## Recall and precision by signature, way of hiding and tool; CLEAN=folder adds findings in clean texts
	cargo build --release --locked --package egret-benches --bin accuracy
	$(BUILT)/accuracy --samples 20 $(if $(CLEAN),--clean $(CLEAN) --list)
	@python3 benches/compare/compare.py --scanner $(BUILT)/accuracy $(if $(CLEAN),--clean $(CLEAN))

compare-tools: benches/.venv/complete ## Install the tools that bench-scan and accuracy compare with
benches/.venv/complete: benches/compare/requirements.txt | packages
	@rm -rf benches/.venv && python3 -m venv benches/.venv
	@benches/.venv/bin/pip install --quiet --disable-pip-version-check --requirement benches/compare/requirements.txt
	@touch $@

fuzz: cargo ## Feed hostile bytes to every parser that has a target, SECONDS=60 each; stops at the first that breaks
	@tests/fuzz.sh $(or $(SECONDS),60)

tools: cargo packages python node manifests ## Install what the tests need

cargo:
	@command -v cargo > /dev/null || { \
	  echo "cargo is missing: install Rust 1.95 or later from https://rustup.rs, then try again" >&2; exit 1; }

packages:
	@tests/packages.sh $(BUILD_NEEDS) $(TEST_NEEDS)
	@python3 -c 'import ensurepip' 2> /dev/null || tests/packages.sh no-such-command:python3-venv

python: tests/.venv/complete
tests/.venv/complete: tests/requirements.txt | packages
	@echo "installing the Python clients of the tests"
	@rm -rf tests/.venv && python3 -m venv tests/.venv
	@tests/.venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	@touch $@

node: tests/node/node_modules/complete
tests/node/node_modules/complete: tests/node/package-lock.json | packages
	@echo "installing the Node client of the tests"
	@npm ci --prefix tests/node --no-audit --no-fund --loglevel=error
	@touch $@

# Some systems' kubectl is older than what the manifests are written in.
manifests: packages
	@kubectl kustomize deploy/kubernetes/example > /dev/null 2>&1 || $(MAKE) --no-print-directory tests/.tools/kustomize
tests/.tools/kustomize:
	@echo "installing kustomize, since this kubectl is too old"
	@GOBIN=$(CURDIR)/tests/.tools go install sigs.k8s.io/kustomize/kustomize/v5@v5.0.3
