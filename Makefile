# `make help` lists the targets. Each target installs its missing dependencies.
.DEFAULT_GOAL := help
SHELL := /bin/bash
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET_DIR)/release/moodring

# Builds the same program as `cargo test`: with the same packages selected, cargo selects the same features and compiles
# nothing twice.
BUILD_AS_TESTED := cargo build --locked --workspace --bins --test supervision

# Debian name of the target architecture of the package.
ARCH ?= $(shell dpkg --print-architecture 2>/dev/null)

.PHONY: help setup build deb demo check test web-test api-test page-load setup-browser fault-test soak load-test test-aarch64 board-test campus campus-test campus-sizes nodered-test lint unit-check bench seat-quality gallery-quality mood-quality clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the build and run dependencies (libclang, the LiteRT library)
	@scripts/setup.sh build

build: setup ## build the release program
	cargo build --release --locked

deb: setup ## build the Debian package, without docker [ARCH=arm64|amd64]
	scripts/deb.sh $(ARCH)

demo: build ## run the simulated class of 30 through the real models [FOR=seconds]
	@$(BIN) demo $(if $(FOR),--for $(FOR))

test: ## run all tests, with the real broker and the real models
	@scripts/setup.sh test
	MOODRING_REQUIRE_MOSQUITTO=1 cargo test --locked --workspace --all-targets
	cargo test --locked --workspace --doc
	@$(MAKE) --no-print-directory web-test

web-test: setup ## test the page in a real browser (Chromium, playwright-core, axe-core) [ONLY="part of a name"]
	@scripts/setup.sh browser || echo "web-test: not everything could be installed" >&2
	$(BUILD_AS_TESTED)
	@MOODRING="$(abspath $(TARGET_DIR))/debug/moodring" tests/web/run.sh $(ONLY)

api-test: setup ## test the API against its OpenAPI document, with schemathesis
	@scripts/setup.sh api
	$(BUILD_AS_TESTED)
	@MOODRING="$(abspath $(TARGET_DIR))/debug/moodring" SCHEMATHESIS="$(abspath target/api-venv/bin/schemathesis)" node tests/web/api.mjs

page-load: setup ## measure vision's rate with and without 200 phones on the page; takes four minutes
	@scripts/setup.sh browser
	$(BUILD_AS_TESTED)
	@MOODRING="$(abspath $(TARGET_DIR))/debug/moodring" node tests/web/listeners.mjs

setup-browser: ## install the dependencies of the browser tests
	@scripts/setup.sh browser

fault-test: ## test devices with faults of brokers, networks, disks, clocks and power; takes six minutes [FAULT="part of a name"]
	@scripts/setup.sh faults
	$(BUILD_AS_TESTED)
	MOODRING_REQUIRE_MOSQUITTO=1 cargo test --locked --workspace --test faults -- --full $(if $(FAULT),"$(FAULT)")

soak: setup ## attack one device for a while and measure its memory, descriptors and log [MINUTES=10]
	@scripts/setup.sh faults
	MOODRING_REQUIRE_MOSQUITTO=1 cargo test --locked --workspace --test soak -- --minutes $(or $(MINUTES),10)

load-test: ## measure 1000 devices on Mosquitto, 500 on three NATS nodes, and the ingest into PostgreSQL [LOAD="part of a name"]
	@scripts/setup.sh faults
	cargo test --locked --workspace --test faults -- --load $(if $(LOAD),"$(LOAD)")

test-aarch64: setup ## test networks (bit-exact), delegates, vision and mood on 64-bit ARM under qemu
	scripts/cross-aarch64.sh cargo check --locked --features pi
	scripts/cross-aarch64.sh cargo test --locked --test networks --test delegates
	scripts/cross-aarch64.sh cargo test --locked -p moodring-vision -p moodring-mood --lib

board-test: setup ## install the package on a virtual board and run its scenario [ARCH=amd64|arm64 DEB=file ONLY="checks"]
	@ARCH="$(ARCH)" DEB="$(DEB)" ONLY="$(ONLY)" tests/board/run.sh

campus: setup ## build the release program of the campus server: ingest and load generator
	cargo build --release --locked -p moodring-campus

campus-test: ## test ingest, schema, dashboards and alerts with real Mosquitto, NATS cluster, PostgreSQL and promtool
	@scripts/setup.sh campus
	@scripts/campus-test.sh

campus-sizes: ## measure the campus: bytes per row, messages per second, time of a roll-up
	@scripts/setup.sh campus
	MOODRING_REQUIRE_CAMPUS=1 cargo test --locked --workspace --test campus -- --ignored --nocapture --test-threads 1

nodered-test: ## test the overview in a real browser [PICTURE=file for a screenshot]
	@scripts/setup.sh browser || echo "nodered-test: not everything could be installed" >&2
	@if command -v node >/dev/null; then node campus/nodered/test.mjs $(PICTURE); \
	else echo "SKIPPED: nodered: node is missing" >&2; [ "$$MOODRING_REQUIRE_CAMPUS" != 1 ]; fi

check: setup ## fast check: format, import cycles, clippy and unit tests of the crates that differ from BASE [BASE=HEAD]
	@scripts/check-changed.sh $(BASE)

lint: ## check format, import cycles, clippy, rustdoc, dependencies
	@scripts/setup.sh lint
	cargo fmt --all --check
	scripts/check-cycles.py
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings
	cargo clippy --locked --features pi -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	scripts/deny.sh
	scripts/unit-check.sh

unit-check: ## check that the exposure of the service's unit is at most 2.0 (systemd-analyze security)
	@scripts/unit-check.sh

bench: build ## measure the time of each stage on a simulated class of 40 [BENCH="--people 40 --size 1280x720"]
	@$(BIN) bench $(BENCH)

seat-quality: setup ## measure identity switches, people and facing error in 20 simulated minutes
	cargo run --release --locked --example seat_quality

gallery-quality: setup ## measure simulated video calls: tiles, large faces, a joke, rearrangements
	cargo run --release --locked --example gallery_quality

# Release build by default; PROFILE= selects the development profile.
PROFILE ?= --release
QUALITY := $(abspath $(TARGET_DIR))/mood-quality
QUALITY_CARD := $(abspath models/expression.toml)

mood-quality: setup ## measure the error of the mood estimate, into docs/reference/mood-quality.md [FACES=DIR]
	@mkdir -p $(QUALITY) && rm -f $(QUALITY)/*.csv $(QUALITY)/*.json $(QUALITY)/*.txt
	@if [ -d "$(FACES)" ] && [ -x "$(TRAIN_PYTHON)" ]; then \
	  cd training && $(TRAIN_PYTHON) -m moodtrain.quantify.probabilities --card $(QUALITY_CARD) --data $(abspath $(FACES)) --out $(QUALITY)/faces.csv; \
	else echo "mood-quality: no faces in FACES ($(FACES)) or no training/.venv (make train-setup): a generated set is measured"; fi
	cargo run $(PROFILE) --quiet --locked --example mood_quality -- draw $(QUALITY) $(QUALITY_CARD)
	@if [ -e $(QUALITY)/faces.csv ]; then \
	  cd training && $(TRAIN_PYTHON) -m moodtrain.quantify.reference --faces $(QUALITY)/faces.csv --classes $(QUALITY)/classes.csv --card $(QUALITY_CARD) --out $(QUALITY)/quapy.json; \
	fi
	cargo run $(PROFILE) --quiet --locked --example seat_quality > $(QUALITY)/seats.txt
	@cargo run $(PROFILE) --quiet --locked --example mood_quality -- report $(QUALITY) $(QUALITY_CARD) \
	  $$(if [ -e $(QUALITY)/faces.csv ]; then echo docs/reference/mood-quality.md; else echo $(QUALITY)/mood-quality.md; fi)

-include training/training.mk

clean: ## remove all build products
	cargo clean
