# `make` runs every check; `make help` lists the targets. Needs Go 1.26, GNU
# make, git and, for the race detector, a C compiler. The other tools are pinned
# in tools/go.mod and built by the go command.

MODULES := . autoexport benchmarks collector collector/filelog collector/store docs/screenshots examples tools
BUILD := $(CURDIR)/build
TOOL := go tool -modfile="$(CURDIR)/tools/go.mod"
LINT := $(TOOL) golangci-lint

# More flags for go test, for example TESTFLAGS='-run Rotation -count 10'.
TESTFLAGS :=
FUZZTIME := 10s
BENCH := .
BENCHCOUNT := 6

# each-module runs a command in the folder of every module, up to the first one
# where it fails.
each-module = @set -e; for module in $(MODULES); do cd "$(CURDIR)/$$module"; $(1); done

.PHONY: all
all: fmt-check tidy-check vet lint test ## everything that has to pass (the default)

.PHONY: fmt
fmt: ## format the code
	$(call each-module,$(LINT) fmt)

.PHONY: fmt-check
fmt-check:
	@echo "# format"
	$(call each-module,$(LINT) fmt --diff || { echo "run make fmt" >&2; exit 1; })

.PHONY: tidy
tidy: ## bring go.mod and go.sum of every module up to date
	$(call each-module,go mod tidy)

.PHONY: tidy-check
tidy-check:
	@echo "# go mod tidy"
	$(call each-module,go mod tidy -diff || { echo "run make tidy" >&2; exit 1; })

.PHONY: vet
vet: ## go vet, also as macOS and Windows see the root module
	@echo "# go vet"
	$(call each-module,go vet ./...)
	@GOOS=darwin CGO_ENABLED=0 go vet ./...
	@GOOS=windows CGO_ENABLED=0 go vet ./...

.PHONY: imports
imports: ## the import graph of this module's packages
	@go run -C tools ./imports

.PHONY: lint
lint: ## golangci-lint with .golangci.yml
	@echo "# golangci-lint"
	$(call each-module,$(LINT) run --allow-parallel-runners --show-stats=false)

# The results are also in build/test/*.json, as go test -json gives them. The race
# detector lets each program sleep for a second before it exits; hundreds of programs run.
test: export GORACE := atexit_sleep_ms=10 $(GORACE)
.PHONY: test
test: require-cc ## all tests of all modules with the race detector
	@echo "# go test -race"
	@rm -rf "$(BUILD)"/test && mkdir -p "$(BUILD)"/test
	@failed=0; for module in $(MODULES); do \
		cd "$(CURDIR)/$$module" && \
		$(TOOL) gotestsum --format standard-quiet --format-hide-empty-pkg \
			--jsonfile "$(BUILD)/test/module-$$(echo "$$module" | tr / -).json" \
			-- -race -timeout 25m $(TESTFLAGS) ./... || failed=1; \
	done; exit $$failed

.PHONY: vulnerabilities
vulnerabilities: ## govulncheck for what users run; needs the internet
	@set -e; for module in . autoexport collector; do cd "$(CURDIR)/$$module"; $(TOOL) govulncheck ./...; done

.PHONY: torture
torture: ## all the runs of torture/, as root: kills, power cuts, full disks, failing system calls
	cd torture && go test -count 1 -timeout 60m -full

.PHONY: require-cc
require-cc:
	@if [ "$$(go env CGO_ENABLED)" != 1 ] || ! command -v "$$(go env CC | cut -d' ' -f1)" >/dev/null; then \
		echo "The race detector needs cgo and a C compiler: install gcc or clang, and do not set CGO_ENABLED=0." >&2; \
		exit 1; \
	fi

.PHONY: fuzz
fuzz: ## every fuzz test for FUZZTIME (10s each)
	@set -e; for package in $$(go list ./...); do \
		for test in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "# $$package $$test"; \
			go test -run '^$$' -fuzz "^$$test\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: bench
bench: ## benchmarks that match BENCH, summed up over BENCHCOUNT runs by benchstat
	@mkdir -p "$(BUILD)"
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) ./... > "$(BUILD)/bench.txt" || \
		{ cat "$(BUILD)/bench.txt"; exit 1; }
	@$(TOOL) benchstat "$(BUILD)/bench.txt"

# Each platform's archive holds the command, its licence and those of all that is
# linked into it, and the documents. Paths,
# users, times and the order of files are fixed, so that the same commit gives the
# same bytes everywhere. The version is the tag, which the go command writes into
# the program.
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
DIST := $(BUILD)/dist
VERSION = $(shell git describe --tags --always --dirty)
COMMITTED = $(shell git log -1 --format=%ct)

.PHONY: dist
dist: ## release archives of all platforms in build/dist, byte for byte reproducible; needs GNU tar
	@rm -rf "$(DIST)" && mkdir -p "$(DIST)"
	@set -e; for platform in $(PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/} name=otelaudit_$(VERSION)_$${platform%/*}_$${platform#*/}; \
		folder="$(BUILD)/stage/$$name"; rm -rf "$$folder"; mkdir -p "$$folder"; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -ldflags="-s -w -buildid=" -o "$$folder/" ./cmd/otelaudit; \
		go run -C tools ./licenses "$$folder/otelaudit$$(GOOS=$$os go env GOEXE)" ../internal/report/assets/chartjs/LICENSE.md > "$$folder/THIRD_PARTY_LICENSES.txt"; \
		cp -R LICENSE README.md FORMAT.md CHANGELOG.md packaging/systemd "$$folder/"; \
		tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r-w --mtime=@$(COMMITTED) \
			-C "$(BUILD)/stage" -cf - "$$name" | gzip -9n > "$(DIST)/$$name.tar.gz"; \
		echo "$$name.tar.gz"; \
	done
	@cd "$(DIST)" && sha256sum *.tar.gz > SHA256SUMS

# The chart library of reports: the files that its makers publish on npm.
CHARTJS := 4.6.1

.PHONY: chartjs
chartjs: ## get the chart library of reports again, and fail if it is not what is here (needs npm)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cd "$$dir" && \
		npm pack --silent chart.js@$(CHARTJS) >/dev/null && tar -xzf chart.js-$(CHARTJS).tgz && \
		cp package/dist/chart.umd.min.js package/LICENSE.md "$(CURDIR)/internal/report/assets/chartjs/"
	git diff --exit-code --stat -- internal/report/assets/chartjs

.PHONY: quickstart
quickstart: ## the whole path with a real collector
	go run -C examples ./quickstart

.PHONY: clean
clean: ## remove build/
	rm -rf "$(BUILD)"

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
