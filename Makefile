# make demo and make test do everything on a fresh machine. Tools are built outside the tree and built again where they are missing.

GO          ?= go
CACHE       ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fitbit-fetch
TOOLS       := $(CACHE)/bin
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X main.version=$(VERSION)
INFLUXD_1_8 := $(TOOLS)/influxd-1.8.3
INFLUXD_2   ?= $(TOOLS)/influxd-2.7.12
HOMEASSISTANT_VERSION ?= 2026.11.0
STATICCHECK := $(TOOLS)/staticcheck-0.8.2
ACTIONLINT  := $(TOOLS)/actionlint-1.7.12

# SQLite itself, which is C made into Go, is left out of the race detector's sight: watched, it takes most of the tests' time, and it has
# its own tests. All around it is watched. (It holds no generic code of others, which the linker might take from it for all.)
RACE        := -race -gcflags=modernc.org/sqlite/lib=-race=false

# Without what a debugger needs, binaries of tests are linked in a third of the time; make check looks after vet. All targets build their
# tests with the same flags, so that nothing is compiled twice: a tag compiles the packages again that have files for it, and no others.
# One package more than there are processors is tested at once, and of each twice as many tests: many wait for servers and browsers.
PROCESSORS  := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
LEAN        := -vet=off -ldflags=-w -p $(shell expr $(PROCESSORS) + 1) -parallel $(shell expr $(PROCESSORS) \* 2)
TEST        := $(LEAN) -shuffle=on

# The only deadline of a test: it stops waiting shortly before the runner ends it. TIMEOUT_SCALE=5 is for a machine that is slow or busy.
TIMEOUT_SCALE ?= 1
minutes     = -timeout $$(( $(1) * $(TIMEOUT_SCALE) ))m

export CGO_ENABLED ?= 0
export FITBIT_FETCH_TOOLS := $(TOOLS)

.DEFAULT_GOAL := build

.PHONY: build
build: ## build bin/fitbit-fetch
	$(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/fitbit-fetch ./cmd/fitbit-fetch

.PHONY: demo
demo: build ## the main job at once: a simulated person, the archive, the latest values; no account needed
	./bin/fitbit-fetch demo

# The race detector watches the packages whose code is concurrent; internal/racelist finds them. All others have no race to find and would
# take three to ten times as long. The same holds for long tests of concurrent packages that do one thing after the other: their files
# say !race, and they have a run of their own. The three runs are beside one another, since much of them waits; what each says comes when
# all have ended.
.PHONY: test
test: tools ## all tests, with real servers; what is concurrent with the race detector
	logs=$$(mktemp -d); \
	(tests=$$($(GO) run ./internal/racelist race) && CGO_ENABLED=1 $(GO) test $(RACE) $(TEST) $(call minutes,20) $$tests) >$$logs/race 2>&1 & race=$$!; \
	(tests=$$($(GO) run ./internal/racelist alone) && $(GO) test $(TEST) $(call minutes,20) $$tests) >$$logs/alone 2>&1 & alone=$$!; \
	code=0; tests=$$($(GO) run ./internal/racelist rest) && $(GO) test $(TEST) $(call minutes,20) $$tests || code=1; \
	wait $$race || code=1; wait $$alone || code=1; cat $$logs/race $$logs/alone; rm -r $$logs; exit $$code

.PHONY: quick
quick: ## for every edit, in less than a minute: the tests that need no server, no browser and no simulated months; no race detector
	$(GO) test -short $(LEAN) $(call minutes,5) ./...

.PHONY: test-openapi
test-openapi: ## every answer of the simulated Fitbit Web API against its description: make test-openapi OPENAPI=path/to/openapi.json
	@if [ -z "$(OPENAPI)" ]; then echo "make test-openapi needs the service's description: OPENAPI=path/to/openapi.json"; exit 1; fi
	@if [ ! -f "$(OPENAPI)" ]; then echo "there is no file $(OPENAPI)"; exit 1; fi
	OPENAPI="$(abspath $(OPENAPI))" $(GO) test $(LEAN) -tags openapi -count=1 $(call minutes,10) -run TestOpenAPI ./internal/simulate

.PHONY: tools
tools: $(INFLUXD_1_8) influxd-1.6 ## the real servers that the tests need
	@scripts/need cc "a C compiler" gcc
	@scripts/need apparmor_parser "AppArmor's parser" apparmor
	@scripts/need mosquitto "the MQTT broker Mosquitto" mosquitto
	@scripts/need mosquitto_sub "Mosquitto's clients" mosquitto-clients
	@scripts/need chromium "the browser Chromium" chromium
	@scripts/need victoria-metrics "VictoriaMetrics" victoria-metrics
	@scripts/need curl "curl" curl
	@scripts/need systemd-analyze "the check of systemd's units" systemd

$(INFLUXD_1_8):
	@mkdir -p $(TOOLS)
	new=$$(mktemp -d $(TOOLS)/new.XXXXXX) && GOBIN=$$new CGO_ENABLED=0 $(GO) install -ldflags "-s -w -X main.version=1.8.3" github.com/influxdata/influxdb/cmd/influxd@v1.8.3 && mv $$new/influxd $@ && rmdir $$new

.PHONY: influxd-1.6
influxd-1.6:
	@scripts/need influxd "InfluxDB 1.6" influxdb

.PHONY: influxd-2
influxd-2: $(INFLUXD_2) ## InfluxDB 2.7.12, built from its Go module; needs cargo, and some minutes the first time

$(INFLUXD_2):
	@mkdir -p $(@D)
	scripts/influxd-2 2.7.12 $@

.PHONY: test-influxdb2
test-influxdb2: influxd-2 ## the tests of databases, the dashboards, and the page, against InfluxDB 2.7.12; INFLUXD_2 names its binary
	@scripts/need cc "a C compiler" gcc
	INFLUXD_2=$(INFLUXD_2) $(GO) test $(TEST) -tags influxdb2 $(call minutes,20) -run 'InfluxDB2|Moving|TestPythonTakeover' ./internal/dashboard ./internal/endtoend ./cmd/fitbit-fetch
	INFLUXD_2=$(INFLUXD_2) CGO_ENABLED=1 $(GO) test $(RACE) $(TEST) -tags influxdb2 $(call minutes,20) -run 'InfluxDB2|Suite|Units|Device|SharedPoint|Moving' ./internal/sink/... ./internal/deliver

.PHONY: test-python-dashboards
test-python-dashboards: $(INFLUXD_1_8) influxd-2 ## what fitbit-grafana's own dashboards show of our data and of its: make test-python-dashboards DASHBOARDS=path/to/folder
	@if [ -z "$(DASHBOARDS)" ]; then echo "make test-python-dashboards needs the folder with the dashboards' JSON files: DASHBOARDS=path/to/folder"; exit 1; fi
	DASHBOARDS="$(abspath $(DASHBOARDS))" INFLUXD_2=$(INFLUXD_2) $(GO) test $(LEAN) -tags 'influxdb2 pythondashboards' -count=1 $(call minutes,10) -v -run TestPythonDashboards ./internal/dashboard

.PHONY: test-image
test-image: ## build the app's image, and run it as Home Assistant and Docker do; needs root
	@scripts/need buildah "buildah" buildah
	@scripts/need debootstrap "debootstrap" debootstrap
	@scripts/need qemu-aarch64 "the other architecture" qemu-user
	@scripts/need skopeo "the client of registries Skopeo" skopeo
	@scripts/need docker-registry "a registry of images" docker-registry
	$(GO) test $(LEAN) -tags image -count=1 $(call minutes,20) -run TestImage ./internal/appcheck

.PHONY: test-homeassistant
test-homeassistant: ## the app in a real Home Assistant, which HOMEASSISTANT_VERSION names (2026.11.0), as Supervisor runs it; needs root
	@scripts/need mosquitto "the MQTT broker Mosquitto" mosquitto
	@scripts/need chromium "the browser Chromium" chromium
	@scripts/need ip "addresses for a network of the test's own" iproute2
	@scripts/home-assistant $(HOMEASSISTANT_VERSION)
	HOMEASSISTANT_VERSION=$(HOMEASSISTANT_VERSION) $(GO) test $(LEAN) -tags homeassistant -count=1 $(call minutes,10) -v ./internal/realhome

.PHONY: test-grafana
test-grafana: $(INFLUXD_1_8) ## what a person reads in each panel, by Grafana's own libraries; UPDATE=1 writes it down, DASHBOARDS names another folder
	@for version in 13.2 12.3; do scripts/grafana $$version >/dev/null || exit 1; done
	$(GO) test $(LEAN) -tags grafana -count=1 $(call minutes,10) -run 'TestGrafana$$' ./internal/dashboard $(JUDGE)

.PHONY: test-grafana-flux
test-grafana-flux: influxd-2 ## the same for the dashboards in Flux, over InfluxDB 2.7.12; UPDATE=1 and DASHBOARDS likewise
	@scripts/grafana 13.2 >/dev/null
	INFLUXD_2=$(INFLUXD_2) $(GO) test $(LEAN) -tags 'grafana influxdb2' -count=1 $(call minutes,10) -run 'TestGrafanaFlux$$' ./internal/dashboard $(JUDGE)

.PHONY: look-grafana
look-grafana: $(INFLUXD_1_8) ## pictures of the dashboards' stats, time series and tables by Grafana 12.3's own components, into LOOK (look)
	@scripts/need chromium "the browser Chromium" chromium
	@for version in 12.3 12.3-ui; do scripts/grafana $$version >/dev/null || exit 1; done
	$(GO) test -tags 'grafana look' -count=1 $(call minutes,10) -v -run 'TestLookGrafana$$' ./internal/dashboard -args -pictures $(abspath $(or $(LOOK),look)) $(if $(DASHBOARDS),-dashboards $(abspath $(DASHBOARDS)))

JUDGE = $(if $(UPDATE)$(DASHBOARDS),-args $(if $(UPDATE),-update) $(if $(DASHBOARDS),-dashboards $(abspath $(DASHBOARDS))))

.PHONY: release
release: ## dist/: the program for Linux, macOS and Windows, packed, with SHA256SUMS; the same sources give the same bytes
	rm -rf dist
	$(GO) run ./internal/release $(VERSION) $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct)) dist

.PHONY: test-release
test-release: release ## make release, and once more elsewhere: the checksums have to be the same, and the program has to run
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && git ls-files -z | xargs -0 cp --parents -t "$$dir" && \
	(cd "$$dir" && $(GO) run ./internal/release $(VERSION) $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct)) dist) && \
	diff dist/SHA256SUMS "$$dir/dist/SHA256SUMS" && (cd dist && sha256sum -c SHA256SUMS) && \
	tar -C "$$dir" -xzf dist/fitbit-fetch_$(VERSION)_linux_$$($(GO) env GOARCH).tar.gz && "$$dir"/fitbit-fetch_*/fitbit-fetch version | grep -F "$(VERSION)"

.PHONY: bench
bench: build $(INFLUXD_1_8) ## the figures of docs/performance.md
	@scripts/need mosquitto "the MQTT broker Mosquitto" mosquitto
	CGO_ENABLED=0 $(GO) test ./internal/bench -run '^$$' -bench 'Backfill|Fitbit|Delivery' -benchtime 3x $(call minutes,10)
	CGO_ENABLED=0 $(GO) test ./internal/bench -run '^$$' -bench 'Start|Living|Storm' -benchtime 1x $(call minutes,30)
	CGO_ENABLED=0 $(GO) test ./internal/dashboard -run '^$$' -bench . -benchtime 3x $(call minutes,10)

.PHONY: bench-refill
bench-refill: build $(INFLUXD_1_8) $(INFLUXD_2) ## two years from the archive into an empty InfluxDB 1 and 2
	INFLUXD_2=$(INFLUXD_2) CGO_ENABLED=0 $(GO) test ./internal/bench -run '^$$' -bench Refill -benchtime 1x $(call minutes,60)

.PHONY: bench-clients
bench-clients: $(INFLUXD_1_8) $(INFLUXD_2) ## the same points by our own writer and by the two official clients, to InfluxDB 1 and 2
	CGO_ENABLED=0 $(GO) test ./internal/sink/influx -run '^$$' -bench Clients -benchtime 10x $(call minutes,30)
	INFLUXD_2=$(INFLUXD_2) CGO_ENABLED=0 $(GO) test -tags influxdb2 ./internal/sink/influx -run '^$$' -bench Clients -benchtime 10x $(call minutes,30)

.PHONY: fuzz
fuzz: ## every fuzz target for a little while
	scripts/fuzz

.PHONY: generate
generate: ## docs/schema.md, docs/configuration.md, the dashboards
	$(GO) generate ./...

.PHONY: check
check: TAGS = $(shell git ls-files '*_test.go' | xargs grep -h '^//go:build' | grep -oE '[a-z0-9]+' | sort -u | grep -vxE 'go|build|race|linux|unix|windows|darwin')
check: $(STATICCHECK) $(ACTIONLINT) ## formatting, vet, staticcheck, scripts, workflows, known vulnerabilities, go.mod, whether it compiles for Windows and macOS
	@scripts/need shellcheck "the check of shell scripts" shellcheck
	@out=$$(git ls-files '*.go' | xargs gofmt -l); if [ -n "$$out" ]; then echo "not formatted (run gofmt -w):"; echo "$$out"; exit 1; fi
	$(GO) vet -tags "$(TAGS)" ./...
	$(STATICCHECK) ./...
	shellcheck --severity=warning --exclude=SC1007 .ci/run scripts/*
	$(ACTIONLINT)
	$(GO) mod tidy -diff
	for system in windows darwin; do GOOS=$$system $(GO) build -o /dev/null ./cmd/fitbit-fetch || exit 1; done
	scripts/govulncheck $(TOOLS)

$(STATICCHECK):
	@mkdir -p $(TOOLS)
	new=$$(mktemp -d $(TOOLS)/new.XXXXXX) && GOBIN=$$new $(GO) install honnef.co/go/tools/cmd/staticcheck@v0.8.2 && mv $$new/staticcheck $@ && rmdir $$new

$(ACTIONLINT):
	@mkdir -p $(TOOLS)
	new=$$(mktemp -d $(TOOLS)/new.XXXXXX) && GOBIN=$$new $(GO) install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 && mv $$new/actionlint $@ && rmdir $$new

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk 'BEGIN {FS = ":.*## "} {printf "  make %-22s %s\n", $$1, $$2}'
