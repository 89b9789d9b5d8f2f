# All that a person types. `make run` and `make test` do their own set-up.

SHELL := /bin/bash
.DEFAULT_GOAL := help
TOOLS := $(CURDIR)/target/tools
export PATH := $(TOOLS)/bin:$(TOOLS)/node_modules/.bin:$(HOME)/.cargo/bin:$(PATH):/usr/sbin:/sbin

.PHONY: help run test lint bench soak fuzz ui

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

run: ## install what is missing (asks, unless YES=1), build, start Gangway
	@installers/setup.sh run
	@installers/stages.sh run

test: ## install what the tests need, and run all of them
	@installers/setup.sh test
	@installers/stages.sh test

lint: ## format, lints, licences
	@installers/stages.sh lint

bench: ## the engine beside its peers, into benches/results.md (LONG=1: all of the long stages)
	@installers/setup.sh bench
	@installers/stages.sh bench

soak: ## the engine under load and trouble for SOAK_MINUTES (10), and nothing of it left behind
	@installers/setup.sh soak
	@installers/stages.sh soak

fuzz: ## look for bytes that break a parser's promise, FUZZ_SECONDS (600) for each of them
	@installers/setup.sh fuzz
	@installers/stages.sh fuzz

ui: ## the window's pages, into ui/dist
	@installers/stages.sh ui
