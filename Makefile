# `make help` lists the targets.
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
# What no hot path goes through is not inlined: the hooks stay below 3 MB, and
# start as fast.
PLAIN   := fmt reflect encoding/json strconv strings sync syscall time internal/sync internal/runtime/maps \
	go.uber.org/zap/... github.com/pelletier/... \
	$(addprefix lastcall/internal/,capture cause config forensics hook slurm stuck target)
SMALL   := $(foreach p,$(PLAIN),-gcflags=$(p)=-l)
FLAGS   := -trimpath -buildvcs=false $(SMALL)
LDFLAGS := -s -w -buildid= -X lastcall/internal/version.Version=$(VERSION) -X lastcall/internal/version.Commit=$(COMMIT)
TOOL    := go tool -modfile=tools/go.mod

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15

build: ## static programs into bin/
	CGO_ENABLED=0 go build $(FLAGS) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

demo: deps build ## show on a private real Slurm what lastcall does
	CGO_ENABLED=0 go build $(FLAGS) -o bin/ ./test/misbehave ./test/demo
	@bin/demo -bin bin

# The suites of Debian whose Slurm is tested: 22.05, 24.11 and what sid has.
SUITES := bookworm,trixie,sid
VM     := trixie
CHROOT := sid
# What is left out in them for its time: it is run on the host. What is stuck in
# the kernel is up to the kernel, so that is left out where it is the host's.
SLOW   := TestWatch(KeepsStates|AsksLittle|IsSmall|IsKilled|CostsLittle)|TestTwoWatches|TestWithoutWatch|TestFinished
STUCK  := TestStuck|TestASilent|TestUnkillableStep
# In an emulated machine whoever forks without end, in no group, gets nearly all
# of the processor, and its backfill scheduler, which starts het jobs, is too slow
# for that test.
SLOWER := $(SLOW)|TestAHetJob|TestArraysAndHetJobs|TestWatch(LeavesWhatLivesOn|KnowsTheNextRun|SeesTheOtherNodes)|TestNothingStays/(linuxproc|pgid)/a_thousand_forks
# What make test has time for in its machine: what version 2 may change. The
# rest runs on the host there, and in machines with test-vm. Of what matches a
# name go test takes the first, so the longest has to come last.
BRIEF  := TestNothingStays/(linuxproc|pgid)|$(SLOWER)|$(STUCK)|TestIdleJobs|TestTaskScope/.*environment|TestWatchLetsWorkFinish|TestCancelled|TestObserve|TestInspect|TestOneRank|TestTheLastNode|TestANodeGivenBack|TestAFileOfADeadSlurmd|TestTheNextRun|TestWhoIsTold|TestOneTaskOfAnArray|TestTwoNodes|.*/(linuxproc|pgid)
MACHINE = go run ./test/bed -skip '$(SLOWER)'
INROOT  = go run ./test/bed -place chroot -skip '$(SLOW)|$(STUCK)'

test: deps lint build ## what CI runs: lint, units, race, real processes, cgroups and Slurm, a brief look at one machine
	go test -count=1 -timeout 20m ./cmd/... ./internal/... ./pkg/... ./test/build/... ./test/hooks/... ./test/misbehave/...
	$(MAKE) race
	go test -count=1 -timeout 60m -parallel 6 -p 1 ./test/cluster/... ./test/e2e/... ./test/demo/...
	$(MAKE) bed-deps
	go run ./test/bed -skip '$(BRIEF)' -unsaved -suites $(VM)

test-all: ## everything there is: the tests on every Slurm, in machines and chroots
	$(MAKE) test
	$(MAKE) test-vm VM=$(SUITES)
	$(MAKE) test-chroot CHROOT=$(SUITES)
	$(MAKE) test-pythons

test-vm: bed-deps ## the tests in virtual machines with cgroup version 2: VM=bookworm,trixie,sid
	$(MACHINE) -suites $(VM)

test-chroot: bed-deps ## the tests on other versions of Slurm, on this kernel: CHROOT=bookworm,trixie,sid
	$(INROOT) -suites $(CHROOT)

test-pythons: bed-deps ## what reads a Python from outside, on every CPython of Debian and of this host
	go run ./test/bed -place python

vm-shell: bed-deps ## a shell in a machine with the tests: VM=trixie
	@$(MACHINE) -shell -suites $(VM)

compatibility: bed-deps ## run everything everywhere and write docs/compatibility.md from that
	go run ./test/bed -place host
	$(MACHINE) -suites $(SUITES)
	$(INROOT) -suites $(SUITES)
	$(MAKE) test-pythons
	$(MACHINE) -compatibility docs/compatibility.md

unit: ## the quick tests alone
	go test ./internal/... ./pkg/...

# A disposable child has half a second for an interpreter, which one with the
# race detector in it does not always make: these two share nothing to race for.
race: ## the race detector over the packages
	CGO_ENABLED=1 go test -count=1 -timeout 20m -race $$(go list ./internal/... ./pkg/... | grep -vE 'internal/(python|finished)$$')

e2e: deps ## the tests on a real Slurm alone
	go test -count=1 -timeout 60m -parallel 6 -v ./test/e2e/...

bench: deps ## hot paths, and whole programs as a ratio to a named reference
	go test -run '^$$' -bench . -benchmem ./internal/... ./pkg/...
	go test -count=1 -run '^$$' -bench . -benchtime 1x -timeout 20m ./test/bench/...
	go test -count=1 -v -run 'TestWatch(FreesTheNode|WithAShortGrace|CostsLittle|IsSmall)|TestWithoutWatch' ./test/e2e/ | \
		grep -E 'COMPLETING for|CPU|resident|^(ok|FAIL|---)'

fuzz: ## every fuzz target for FUZZTIME (10m) each, LANES (2) at a time
	sh test/fuzz.sh

IMAGES := 1000000

spoiled: deps ## IMAGES (1000000) corrupted memories of every Python here; SEED=N for the same ones again
	LASTCALL_IMAGES=$(IMAGES) LASTCALL_SEED=$(SEED) nice -n 10 \
		go test -count=1 -timeout 12h -v -run 'TestSpoiledMemory$$' ./internal/python/

lint: ## vet, staticcheck, gofumpt, tidiness, and the rules of this tree
	go mod tidy -diff
	go vet ./...
	$(TOOL) staticcheck ./...
	@bad=$$($(TOOL) gofumpt -l .); [ -z "$$bad" ] || { echo "gofumpt: $$bad"; exit 1; }
	go test -count=1 ./test/lint/...

deps: ## what demo and tests need and this Debian machine lacks
	sh test/install/install.sh

bed-deps: deps ## what virtual machines and chroots need
	sh test/install/install.sh machines

clean: ## remove bin/
	rm -rf bin

.PHONY: help build demo test test-all test-vm test-chroot test-pythons vm-shell compatibility unit race e2e bench fuzz spoiled lint deps bed-deps clean
