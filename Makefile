# `make help` lists the targets.
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
FLAGS   := -trimpath -buildvcs=false
LDFLAGS := -s -w -buildid= -X lastcall/internal/version.Version=$(VERSION) -X lastcall/internal/version.Commit=$(COMMIT)
TOOL    := go tool -modfile=tools/go.mod

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

build: ## static programs into bin/
	CGO_ENABLED=0 go build $(FLAGS) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

demo: deps build ## show on a private real Slurm what lastcall does
	CGO_ENABLED=0 go build $(FLAGS) -o bin/ ./test/misbehave ./test/demo
	@bin/demo -bin bin

test: deps lint build ## everything: lint, units, race, real processes, cgroups and Slurm
	go test -count=1 -timeout 10m ./cmd/... ./internal/... ./pkg/... ./test/build/... ./test/hooks/... ./test/misbehave/...
	$(MAKE) race
	go test -count=1 -timeout 15m -p 1 ./test/cluster/... ./test/e2e/... ./test/demo/...

unit: ## the quick tests alone
	go test ./internal/... ./pkg/...

race: ## the race detector over the packages
	CGO_ENABLED=1 go test -count=1 -race ./internal/... ./pkg/...

e2e: deps ## the tests on a real Slurm alone
	go test -count=1 -timeout 15m -v ./test/e2e/...

bench: deps ## hot paths, and whole programs as a ratio to a named reference
	go test -run '^$$' -bench . -benchmem ./internal/... ./pkg/...
	go test -count=1 -run '^$$' -bench . -benchtime 1x -timeout 20m ./test/bench/...

fuzz: ## every fuzz target for FUZZTIME (10m) each, LANES (2) at a time
	sh test/fuzz.sh

lint: ## vet, staticcheck, gofumpt, tidiness, and the rules of this tree
	go mod tidy -diff
	go vet ./...
	$(TOOL) staticcheck ./...
	@bad=$$($(TOOL) gofumpt -l .); [ -z "$$bad" ] || { echo "gofumpt: $$bad"; exit 1; }
	go test -count=1 ./test/lint/...

deps: ## what demo and tests need and this Debian machine lacks
	sh test/install/install.sh

clean: ## remove bin/
	rm -rf bin

.PHONY: help build demo test unit race e2e bench fuzz lint deps clean
