# Papillon. `make` builds ./papillon; `make help` lists the rest.

export GOFLAGS := -tags=goolm -buildvcs=false $(GOFLAGS)

VERSION  := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)
FUZZTIME ?= 10s
SESSIONS ?= 100000
DENDRITE := tools/dendrite/bin/dendrite
NETWORK  ?= matrix

.PHONY: build test lint fuzz soak bench demo dendrite compiler clean help

build: compiler ## build ./papillon
	@go build -ldflags '-X main.version=$(VERSION)' -o papillon ./cmd/papillon

test: compiler dendrite ## run all tests, with the race detector and a real homeserver
	@echo 'Running the tests; the first run compiles SQLite for the race detector, about two minutes.'
	go test -race -shuffle=on -timeout 30m ./...

dendrite: $(DENDRITE) ## build the homeserver that tests and demo run

# A process of its own from a module of its own: it is never linked in.
$(DENDRITE): tools/dendrite/go.mod tools/dendrite/go.sum | compiler
	@echo 'Building the Matrix homeserver Dendrite for tests and demo: about four minutes the first time, nothing after that.'
	@cd tools/dendrite && go build -o bin/ \
		github.com/element-hq/dendrite/cmd/dendrite github.com/element-hq/dendrite/cmd/generate-keys
	@touch $(DENDRITE)

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

bench: compiler ## measure
	go test -run '^$$' -bench . -benchmem ./...

demo: build dendrite ## play a conversation; DEMO=once ends after it
	@go run ./tools/demo -papillon ./papillon -network $(NETWORK) $(if $(filter once,$(DEMO)),-once)

clean: ## remove what was built
	rm -rf papillon tools/dendrite/bin

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12
