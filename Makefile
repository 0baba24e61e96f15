# make            build bin/shardfs
# make test       all tests; installs FUSE's helper where it may
# make test-stores  the tests of stores, with the servers that make test leaves out: rclone serve s3, MinIO, Swift
# make test-slurm  arrays on a real Slurm, which the tests start: slurmctld slurmd slurm-client munge, as root
# make test-web   the page of shardfs view in a browser, with a shard of a million samples; needs chromium
# make test-kubernetes  jobs on a real control plane, and manifests by the validation of the oldest and newest Kubernetes
# make torture    the tests that take long: many seeds, kills, faults and file system suites; some hours
# make check      formatting, vet, staticcheck
# make check-page  types, lint and form of the page of shardfs view, by tools of npm, which nothing else needs
# make demo       a tour in some seconds
# make readers    ask the readers whose sources are in READERS what they find in odd shards (UPDATE=1 keeps their answers)
# make bench      measure against the tools that do the same, keep the results; needs a quiet machine
# make bench-remote  the same of remote shards, through a slow network of its own; needs nginx and versitygw
# make dist       packages (.deb, .rpm) and archives for amd64 and arm64 in dist/, with checksums; VERSION=v1.2.3 names them
# make test-dist  whether they have the same bytes when they are built again, and what is in them
# make test-systemd  mounts by units, fstab and automounts of a systemd in namespaces, as root
# make image      images with shardfs, by docker or podman: IMAGE (shardfs) alone, and IMAGE-tools with GraphicsMagick
# make tables     write the tables of figures in docs again, from the results that are kept

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PREFIX ?= /usr/local
SHARE = $(DESTDIR)$(PREFIX)/share
BIN = bin/shardfs
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The race detector needs a C compiler, and nothing else here does.
RACE := $(if $(shell command -v $$($(GO) env CC) 2>/dev/null),-race)

# It makes compression five to ten times as slow. make test does not look into these packages, which share nothing between
# goroutines of ours; make torture does.
CODECS = compress/... github.com/shardfs/shardfs/internal/codec/inflate github.com/klauspost/compress/... github.com/pierrec/lz4/v4/... github.com/therootcompany/xz
RACE_QUICKLY = $(if $(RACE),-race $(foreach package,$(CODECS),-gcflags=$(package)=-race=false))

# Under the race detector, each process would sleep for a second at its end.
export GORACE ?= atexit_sleep_ms=0

# The results files, those of older commits first.
RESULTS = $$(for f in bench/results/*.txt; do \
	echo "$$(git log -1 --format=%ct $$(awk '/^commit:/ { print $$2; exit }' $$f)) $$f"; done | sort -n | cut -d' ' -f2)

.PHONY: build test test-stores test-slurm test-web test-kubernetes torture test-tools check check-page page-tools demo readers bench \
	bench-remote tables image install clean
.PHONY: install-share dist test-dist test-systemd

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/shardfs

# Limits in tests are a share of the time that is left, so that a busy machine is slow and not red: a long timeout costs
# nothing. TestLongMember reads over 4 GiB and TestMemoryOfGroup has little memory, for which the race detector takes too long
# and too much. Package inflate is tested without unsafe, too, and with checkptr. Each command runs even if the one before has
# failed. Three packages at a time, as the tests of stores often wait; those in a browser, whose results the go command cannot
# keep, run beside them.
test: test-tools
	@echo "make test: about 10 minutes on 2 idle cores"
	@{ status=0; web=$$(mktemp); \
	{ cd internal/testing/web && CGO_ENABLED=0 $(GO) test -v -count=1 -parallel 4 -short -timeout 30m .; } >$$web 2>&1 & \
	$(GO) test -v -timeout 90m -run 'TestLongMember|TestMemoryOfGroup' ./internal/codec ./cmd/shardfs || status=1; \
	$(GO) test -v -tags purego ./internal/codec/inflate || status=1; \
	$(GO) test -v -gcflags=-d=checkptr ./internal/codec/inflate || status=1; \
	$(GO) test -v -p 3 $(RACE_QUICKLY) -timeout 90m ./... || status=1; \
	wait $$! || status=1; cat $$web; rm $$web; \
	echo "exit $$status"; } 2>&1 | awk -f .ci/summary.awk

# A module of its own: nothing else here drives a browser. What it needs of npm, a checker of accessibility, comes with
# make check-page; make test does without what takes long, such as a shard of a million samples.
test-web: page-tools
	@cd internal/testing/web && export CGO_ENABLED=0 && { status=0; \
	$(GO) vet ./... || status=1; \
	$(GO) test -v -count=1 -parallel 4 -timeout 60m . || status=1; \
	echo "exit $$status"; } 2>&1 | awk -f $(CURDIR)/.ci/summary.awk

# The slow servers, which take long to build or to start, and 1000 overwrites of an object under its readers instead of 150,
# mounts of all stores, runs to them, and other clients of what these write. SHARDFS_SERVERS says where the servers are,
# CONTRIBUTING.md how to install them.
STORES = Stores|MountedStores|OtherClients|KilledWriters|KillsToStores|FaultsToStores
test-stores:
	@{ status=0; \
	SHARDFS_SLOW_SERVERS=1 $(GO) test -v $(RACE) -timeout 90m ./internal/testing/servers ./internal/store/... || status=1; \
	SHARDFS_SLOW_SERVERS=1 $(GO) test -v $(RACE) -timeout 90m -run '^Test($(STORES))$$' ./fusefs ./cmd/shardfs || status=1; \
	echo "exit $$status"; } 2>&1 | awk -f .ci/summary.awk

# A Slurm of two nodes on this machine, with none of its usual minutes of waiting; one at a time, as its credentials expire
# after seconds.
test-slurm:
	@{ status=0; \
	SHARDFS_SLURM=1 $(GO) test -v -p 1 $(RACE) -timeout 90m -run '^TestSlurm$$' ./internal/testing/servers ./internal/slurm ./cmd/shardfs || status=1; \
	echo "exit $$status"; } 2>&1 | awk -f .ci/summary.awk

# A module of its own: nothing else here needs Kubernetes. The first two commands need no more than that, the third one has
# the programs of `.ci/servers DIR kubernetes`, which are built in the same way, so that much is compiled once. The newest
# version only has to admit the manifests.
test-kubernetes:
	@cd internal/testing/kubernetes && export CGO_ENABLED=0 GOFLAGS=-trimpath && { status=0; \
	$(GO) vet ./... || status=1; \
	$(GO) test -v ./manifest ./sandbox || status=1; \
	$(GO) test -v -modfile=newest.mod ./manifest || status=1; \
	$(GO) test -v -timeout 60m . || status=1; \
	echo "exit $$status"; } 2>&1 | awk -f $(CURDIR)/.ci/summary.awk

# Suites of others run where they are installed (fio, stress-ng) or named: PJDFSTEST=DIR make torture. With
# SHARDFS_SLOW_SERVERS=1 runs to Swift are broken, too.
torture: test-tools
	$(GO) test $(RACE) -timeout 8h -v ./fusefs ./internal/guard ./cmd/shardfs -long

# FUSE for users other than root comes with fusermount3. Tests say so aloud when they have to do without something.
test-tools:
	@command -v fusermount3 >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq fuse3; }

check:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	for arch in 386 arm64 s390x; do GOARCH=$$arch $(GO) vet ./internal/codec/inflate || exit 1; done
	$(GO) vet -tags purego ./internal/codec/inflate
	$(GO) run $(STATICCHECK) ./...

# The tools are outside the tree, where neither the go command nor tests of sources find their files.
PAGE_TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/shardfs-page
PAGE_BIN = $(PAGE_TOOLS)/node_modules/.bin
check-page: page-tools
	$(PAGE_BIN)/tsc -p internal/gallery/check
	cd internal/gallery/page && $(PAGE_BIN)/eslint --config $(PAGE_TOOLS)/eslint.config.js . && \
		$(PAGE_BIN)/prettier --config $(PAGE_TOOLS)/prettier.json --check '*.js'

page-tools:
	@mkdir -p $(PAGE_TOOLS) && cp internal/gallery/check/*.js internal/gallery/check/*.json $(PAGE_TOOLS) && \
	cd $(PAGE_TOOLS) && { cmp -s package-lock.json node_modules/installed || \
		{ npm ci --no-audit --no-fund && cp package-lock.json node_modules/installed; }; }

demo: build
	SHARDFS=bin/shardfs sh examples/demo.sh

# Nothing is fetched; CONTRIBUTING.md says what READERS has to contain.
readers:
	$(GO) run ./internal/testing/readers/run -sources "$(READERS)" $(if $(UPDATE),-update)

bench: build
	mkdir -p bench/results
	$(GO) run ./bench -shardfs bin/shardfs -o bench/results/$(shell date -u +%F)-$(shell git rev-parse --short HEAD).txt
	$(MAKE) tables

# Peers are left out that are not there: rclone (go install github.com/rclone/rclone@v1.76.0), axel, aria2c.
bench-remote: build
	mkdir -p bench/results
	$(GO) run ./bench -remote -shardfs bin/shardfs -o bench/results/$(shell date -u +%F)-$(shell git rev-parse --short HEAD)-remote.txt
	$(MAKE) tables

# The tables of figures in docs, from the results that are kept.
tables:
	$(GO) run ./bench -table docs/performance.md $(RESULTS)
	$(GO) run ./bench -table docs/which-way-is-fastest.md $(RESULTS)

# .git is left out, so the version is told.
IMAGE ?= shardfs
image:
	@engine=; for e in docker podman; do $$e info >/dev/null 2>&1 && engine=$$e && break; done; \
	test -n "$$engine" || { echo "make image: neither docker nor podman works here, and one of them builds images"; exit 1; }; \
	$$engine build --build-arg VERSION=$(VERSION) --target shardfs -t $(IMAGE):$(VERSION) . && \
	$$engine build --build-arg VERSION=$(VERSION) --target tools -t $(IMAGE)-tools:$(VERSION) .

install: build install-share
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/shardfs

# Manual pages and completions.
install-share:
	$(BIN) man $(SHARE)/man/man1
	mkdir -p $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	$(BIN) completion bash >$(SHARE)/bash-completion/completions/shardfs
	$(BIN) completion zsh >$(SHARE)/zsh/site-functions/_shardfs
	$(BIN) completion fish >$(SHARE)/fish/vendor_completions.d/shardfs.fish

dist:
	GO="$(GO)" deploy/package/build dist

test-systemd: build
	deploy/systemd/test $(BIN)

test-dist:
	GO="$(GO)" deploy/package/test

clean:
	rm -rf bin dist
