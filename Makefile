# `make help` lists what there is to do. A fresh machine needs nothing but this file: every target installs
# what it lacks.
.DEFAULT_GOAL := help
SHELL := /bin/bash
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET_DIR)/release/moodring

# The very program that `cargo test` makes: with a test beside it the same features of the same crates are wanted,
# and nothing is compiled and kept a second time.
BUILD_AS_TESTED := cargo build --locked --features campus --bin moodring --test supervision

# Debian's name of the architecture that a package is made for.
ARCH ?= $(shell dpkg --print-architecture 2>/dev/null)

.PHONY: help setup build deb demo test web-test api-test page-load setup-browser fault-test fleet-test test-aarch64 board-test campus campus-test campus-sizes nodered-test lint unit-check bench seat-quality gallery-quality mood-quality clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building and running needs (libclang, the LiteRT library)
	@scripts/setup.sh build

build: setup ## the release program
	cargo build --release --locked

deb: setup ## the Debian package, without docker [ARCH=arm64|amd64]
	scripts/deb.sh $(ARCH)

demo: build ## run the simulated class of 30 through the real models [FOR=seconds]
	@$(BIN) demo $(if $(FOR),--for $(FOR))

test: ## all tests, with the real broker and the real models
	@scripts/setup.sh test
	MOODRING_REQUIRE_MOSQUITTO=1 cargo test --locked --features campus --all-targets
	cargo test --locked --features campus --doc
	@$(MAKE) --no-print-directory web-test

web-test: setup ## the page in a real browser (Chromium, playwright-core, axe-core) [ONLY="part of a name"]
	@scripts/setup.sh browser || echo "web-test: what is missing could not be installed" >&2
	$(BUILD_AS_TESTED)
	@MOODRING="$(abspath $(TARGET_DIR))/debug/moodring" tests/web/run.sh $(ONLY)

api-test: setup ## the API against its own document, by schemathesis
	@scripts/setup.sh api
	$(BUILD_AS_TESTED)
	@MOODRING="$(abspath $(TARGET_DIR))/debug/moodring" SCHEMATHESIS="$(abspath target/api-venv/bin/schemathesis)" node tests/web/api.mjs

page-load: setup ## what 200 phones that follow the page cost: vision's rate with them and without, in four minutes
	@scripts/setup.sh browser
	$(BUILD_AS_TESTED)
	@MOODRING="$(abspath $(TARGET_DIR))/debug/moodring" node tests/web/listeners.mjs

setup-browser: ## install what the tests in a browser need
	@scripts/setup.sh browser

fault-test: ## what brokers, networks, disks, clocks and power cuts do to devices, in full: about six minutes [FAULT="part of a name"]
	@scripts/setup.sh faults
	MOODRING_REQUIRE_MOSQUITTO=1 cargo test --locked --test faults -- --full $(if $(FAULT),"$(FAULT)")

fleet-test: ## a thousand devices at Mosquitto, 500 at three NATS nodes, the way to a row in PostgreSQL [LOAD="part of a name"]
	@scripts/setup.sh faults
	cargo test --locked --features campus --test faults -- --load $(if $(LOAD),"$(LOAD)")

test-aarch64: setup ## on 64-bit ARM under qemu: networks (bit for bit as on this machine), delegates, vision and mood
	scripts/cross-aarch64.sh cargo check --locked --features pi
	scripts/cross-aarch64.sh cargo test --locked --test networks --test delegates
	scripts/cross-aarch64.sh cargo test --locked --lib -- vision:: mood::

board-test: setup ## install the package on a virtual board and play its story [ARCH=amd64|arm64 DEB=file ONLY="checks"]
	@ARCH="$(ARCH)" DEB="$(DEB)" ONLY="$(ONLY)" tests/board/run.sh

campus: setup ## the release program with `moodring campus ingest`, for a campus's server
	cargo build --release --locked --features campus

campus-test: ## ingest, schema, dashboards and alerts with real Mosquitto, NATS cluster, PostgreSQL and promtool
	@scripts/setup.sh campus
	@scripts/campus-test.sh

campus-sizes: ## what a campus takes: bytes a row, messages a second, time of a roll-up
	@scripts/setup.sh campus
	MOODRING_REQUIRE_CAMPUS=1 cargo test --locked --features campus --test campus -- --ignored --nocapture --test-threads 1

nodered-test: ## the overview in a real browser; [PICTURE=file for its picture]
	@scripts/setup.sh browser || echo "nodered-test: not everything could be installed" >&2
	@if command -v node >/dev/null; then node campus/nodered/test.mjs $(PICTURE); \
	else echo "SKIPPED: nodered: node is missing" >&2; [ "$$MOODRING_REQUIRE_CAMPUS" != 1 ]; fi

lint: ## format, clippy, rustdoc, dependencies
	@scripts/setup.sh lint
	cargo fmt --check
	cargo clippy --locked -- -D warnings
	cargo clippy --locked --features campus --all-targets -- -D warnings
	cargo clippy --locked --features pi -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --features campus --no-deps --document-private-items
	scripts/deny.sh
	scripts/unit-check.sh

unit-check: ## the service's unit exposes at most 2.0 (systemd-analyze security)
	@scripts/unit-check.sh

bench: build ## time of each stage on a simulated class of 40 [BENCH="--people 40 --size 1280x720"]
	@$(BIN) bench $(BENCH)

seat-quality: setup ## identity switches, people and facing error in 20 simulated minutes
	cargo run --release --locked --example seat_quality

gallery-quality: setup ## what is made of simulated video calls: tiles, large faces, a joke, rearrangements
	cargo run --release --locked --example gallery_quality

# Built as a release unless told otherwise; PROFILE= builds it for development.
PROFILE ?= --release
QUALITY := $(abspath $(TARGET_DIR))/mood-quality
QUALITY_CARD := $(abspath models/expression.toml)

mood-quality: setup ## how well the mood of a class is estimated, into docs/reference/mood-quality.md [FACES=DIR]
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

clean: ## remove everything that was built
	cargo clean
