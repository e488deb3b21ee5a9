# Papillon. `make` builds ./papillon; `make help` lists the rest.

export GOFLAGS := -tags=goolm -buildvcs=false $(GOFLAGS)

VERSION  := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)
FUZZTIME ?= 10s
SESSIONS ?= 100000
DENDRITE := tools/dendrite/bin/dendrite
NETWORK  ?= matrix

.PHONY: build test test-synapse lint fuzz soak bench gobench demo dendrite synapse xmpp-servers compiler clean help

build: compiler ## build ./papillon
	@go build -ldflags '-X main.version=$(VERSION)' -o papillon ./cmd/papillon

# One package at a time: several start servers of their own, which are slow to
# answer when they share two cores with everything else.
test: compiler dendrite xmpp-servers ## run all tests, with the race detector and real servers
	@echo 'Running the tests; the first run compiles SQLite for the race detector, about two minutes.'
	go test -race -shuffle=on -timeout 45m -p 1 ./...

# What speaks to a homeserver, once more with the other one.
test-synapse: compiler synapse ## run the Matrix tests with Synapse in Dendrite's place
	PAPILLON_TEST_HOMESERVER=synapse go test -race -shuffle=on -timeout 30m -p 1 ./bridge/matrix/...
	PAPILLON_TEST_HOMESERVER=synapse go test -race -timeout 10m -run '^TestHomeserverDown$$' ./cmd/papillon

dendrite: $(DENDRITE) ## build the homeserver that tests and demo run

# A process of its own from a module of its own: it is never linked in.
$(DENDRITE): tools/dendrite/go.mod tools/dendrite/go.sum | compiler
	@echo 'Building the Matrix homeserver Dendrite for tests and demo: about four minutes the first time, nothing after that.'
	@cd tools/dendrite && go build -o bin/ \
		github.com/element-hq/dendrite/cmd/dendrite github.com/element-hq/dendrite/cmd/generate-keys
	@touch $(DENDRITE)

synapse: ## install the other homeserver into tools/synapse/venv
	@tools/synapse/install

# Prosody and ejabberd, and slixmpp as the client on the far side.
xmpp-servers:
	@tools/xmppservers/install

# SQLite is compiled from C.
compiler:
	@command -v $$(go env CC) >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo 'Installing a C compiler.'; \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null; \
		else \
			echo 'There is no C compiler, which SQLite needs. Install one: apt-get install gcc libc6-dev' >&2; exit 1; \
		fi; }

lint: compiler ## check form and style
	@tools/lint/check

fuzz: compiler ## run every fuzz target for FUZZTIME
	@tools/lint/fuzz $(FUZZTIME)

soak: compiler ## play SESSIONS hostile sessions against the MSN server
	PAPILLON_SOAK_SESSIONS=$(SESSIONS) go test ./msnp -run '^TestHostileSessions$$' -v -timeout 1h

bench: build dendrite xmpp-servers ## measure `papillon serve` from outside; BENCH='-only chat' for a part
	@go build -o tools/bench/bin/bench ./tools/bench
	@tools/bench/bin/bench -papillon ./papillon $(BENCH)

gobench: compiler ## run the benchmarks of the packages
	go test -run '^$$' -bench . -benchmem ./...

demo: build $(if $(filter xmpp,$(NETWORK)),xmpp-servers,dendrite) ## play a conversation; NETWORK=xmpp on XMPP, DEMO=once ends after it
	@go run ./tools/demo -papillon ./papillon -network $(NETWORK) $(if $(filter once,$(DEMO)),-once)

clean: ## remove what was built
	rm -rf papillon tools/dendrite/bin tools/synapse/venv tools/bench/bin

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16
