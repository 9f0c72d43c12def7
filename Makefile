# make help lists what can be made.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Where Go is usually unpacked, for shells that do not look there.
export PATH := $(PATH):/usr/local/go/bin

# The folder with the sqllogictest corpus (below slt) and TPC-H's answers (tpch).
export KALAM_CORPUS ?= $(abspath ../shared)
FUZZTIME ?= 10s
ARGS ?=

# counted shows how many packages are compiled in place of go build -v's lines,
# and lets everything else through.
counted = 2>&1 | awk -v live="$$(test -t 2 && echo 1)" ' \
	/^[A-Za-z0-9_.\/~+-]+$$/ { n++; if (live) { printf "\rcompiled %d packages", n; fflush() } next } \
	{ if (live && n) print ""; print } \
	END { if (n) printf "%scompiled %d packages\n", live ? "\r" : "", n }'

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: deps
deps:
	@.ci/deps

.PHONY: demo
demo: deps ## load this machine's Debian package index and ask it questions (ARGS="-limit 1000 …")
	@echo "building; the first time takes some minutes"
	@go build -v -o .build/packages ./examples/packages $(counted)
	@.build/packages $(ARGS)

.PHONY: test
test: deps ## run all tests: as they are, with invariants checked, and the engine without cgo
	@echo "building; the first time takes some minutes"
	@go build -v ./... $(counted)
	go test ./...
	go test -tags invariants ./engine/... ./driver/...
	CGO_ENABLED=0 go test ./engine/...

.PHONY: race
race: deps ## run all tests under the race detector
	go test -race -tags invariants ./...

.PHONY: fuzz
fuzz: deps ## run each fuzz target for FUZZTIME (10s)
	@go list ./... | while read -r package; do \
		for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"; \
		done; \
	done

.PHONY: conformance
conformance: deps ## run sqllogictest files (ARGS="FILE-or-DIR…", by default select1 to select3 of the corpus)
	go run ./conformance/slt $(or $(ARGS),$(foreach n,1 2 3,$(KALAM_CORPUS)/slt/select$(n).test))

.PHONY: tpch
tpch: deps ## run TPC-H's queries and check the answers (ARGS="-sf 0.1 -mem_limit 32 …")
	go run ./conformance/tpch $(ARGS)

.PHONY: crash
crash: deps ## kill a working process 500 times and check its database (ARGS="-rounds 5000 -sync full")
	go run ./conformance/crash $(or $(ARGS),-rounds 500)

.PHONY: soak
soak: deps ## work on a database for 10 minutes and watch memory, files and goroutines (ARGS="-for 1h")
	go run ./conformance/soak $(ARGS)

.PHONY: isolation
isolation: deps ## test what transactions promise one another (ARGS="-txns 20000 -seed 1 …")
	go run ./conformance/isolation $(ARGS)

.PHONY: live
live: deps ## test live queries against a model, also killing the process (ARGS="-seconds 600 -seed 1")
	go run ./conformance/live $(ARGS)

.PHONY: tenancy
tenancy: deps ## try to reach other users' rows; ARGS="-users 1000000" makes a table of figures
	go run ./conformance/tenancy $(ARGS)

.PHONY: diff
diff: deps ## compare random statements with other plans and with MariaDB, if installed (ARGS="-queries 100000 -seed 1 …")
	go run ./conformance/diff $(ARGS)

.PHONY: bench
bench: deps ## compare speed with SQLite, DuckDB and others, for half an hour (ARGS="-run REGEXP -json FILE -html FILE")
	cd conformance/bench && go run . $(ARGS)

.PHONY: bench-quick
bench-quick: deps ## the same with less of everything, in two minutes
	cd conformance/bench && go run . -quick $(ARGS)

.PHONY: orm
orm: deps ## run GORM, bun and sqlx against Kalam
	cd conformance/orm && go test ./...

.PHONY: lint
lint: deps ## check formatting, go vet, the layering and that go.mod is tidy
	@unformatted=$$(find . -name '*.go' -not -path './.*' -exec gofmt -l {} +); test -z "$$unformatted" || { echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go vet -tags invariants ./engine/...
	go test -run '^TestLayering' .
	go mod tidy -diff
	@# go-tpc and the tests of Vitess want different tablewriters, which neither uses here: hence -e
	cd conformance/bench && go vet ./... && go mod tidy -e -diff 2>/dev/null
	cd conformance/orm && go vet ./... && go mod tidy -diff
