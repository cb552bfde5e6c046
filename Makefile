# Everything that is done to PageFree from a shell. `make help` lists it.
#
# Tools stand in three places, all pinned: Go's own in go.mod (`tool` lines), npm's in the package-lock.json of infra/local,
# infra/local/browser and infra/lighthouse, Python's in infra/tools/requirements.txt. What is installed here lands in
# .local/venv and in the node_modules of those folders.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help run test demo lint build deploy bench openapi icons screenshots lighthouse clean sam-local signin-link test-conformance faults fuzz-api

ENV ?= dev
PORT ?= 8080
SEED ?= 1
SAM := SAM_CLI_TELEMETRY=0 .local/venv/bin/sam

VENV := .local/venv/.installed
NODE := infra/local/node_modules/.package-lock.json
BROWSER := infra/local/browser/node_modules/.package-lock.json
LIGHTHOUSE := infra/lighthouse/node_modules/.package-lock.json
DYNAMODB_LOCAL := infra/local/dynamodblocal/lib/.installed

# Packages whose tests keep something in DynamoDB.
stores = $(addprefix ./,$(sort $(dir $(shell grep -rl --include='*_test.go' infra/local/awstest internal))))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

run: $(NODE) ## the whole stack on this machine, with demo data, until Ctrl-C (PORT=8080)
	@infra/tools/install python3 node
	@echo 'Compiling the local stack; the first time takes minutes ...'
	@go build -o .local/stack ./infra/local
	@PORT=$(PORT) exec .local/stack run

demo: $(NODE) ## the demo in a throw-away folder, checked step by step; exits with 0 or 1
	@go run ./infra/local demo

# A test that was raced sleeps for a second before its process ends, unless it is told not to.
RACE := GORACE=atexit_sleep_ms=50 go test -race

test: $(NODE) $(BROWSER) ## all tests but the long campaigns of `make faults`, with the race detector
	@infra/tools/install gcc chromium python3 node
	@$(RACE) -timeout 45m -skip '^TestFault' ./...

faults: $(NODE) ## the tests that kill functions and lose answers, and a thousand sockets, afresh, with the race detector
	@$(RACE) -timeout 10m -count 1 -run '^TestFault' ./infra/local/aws ./infra/local/stack
	@$(RACE) -timeout 30m -count 1 -run '^TestFault' ./infra/local/e2e -args -executions 1000
	@$(RACE) -timeout 10m -count 1 -v -run '^TestACrowd$$' ./infra/local/e2e -args -sockets 1000

fuzz-api: $(NODE) $(VENV) ## made-up requests by the OpenAPI document, every answer held against it (SEED=1)
	@go run ./infra/local/fuzz -seed $(SEED)

test-conformance: $(NODE) $(BROWSER) $(VENV) $(DYNAMODB_LOCAL) ## queues against moto, stores against DynamoDB Local
	@go test -count 1 ./infra/local/sqs -args -moto
	@PAGEFREE_ENGINE=dynamodb-local go test -count 1 -timeout 20m $(stores)

lint: $(VENV) ## gofmt, vet, staticcheck, govulncheck, sam validate, cfn-lint, checkov
	@infra/lint/run

build: $(VENV) ## every function, as sam deploys it
	@$(SAM) build --config-env $(ENV)

deploy: build ## to AWS, by samconfig.toml (ENV=dev or prod); the first time: .local/venv/bin/sam deploy --guided
	@$(SAM) deploy --config-env $(ENV)

signin-link: $(VENV) ## a sign-in link without mail, by IAM: EMAIL=... and ENV=dev or STACK=...
	@test -n "$(EMAIL)" || { echo 'usage: make signin-link EMAIL=you@example.com [ENV=dev | STACK=name]' >&2; exit 2; }
	@$(SAM) remote invoke SigninLinkFunction $(if $(STACK),--stack-name $(STACK),--config-env $(ENV)) \
		--event '{"email":"$(EMAIL)"}'

sam-local: $(NODE) $(VENV) ## sign in, create, approve, execute under sam local start-api, and every event under sam local invoke
	@go run ./infra/sam

bench: $(NODE) ## one table: cold starts, memory, DynamoDB calls, throughput, views of pages; and which aims are missed
	@go run ./infra/local bench

openapi: ## writes the OpenAPI document from the code
	@go run ./infra/openapi

icons: ## draws the console's icons
	@go run ./infra/icons

screenshots: $(NODE) ## makes the README's pictures anew, with Chromium
	@infra/tools/install chromium python3 node
	@go run ./infra/screenshots infra/screenshots

lighthouse: $(NODE) $(LIGHTHOUSE) ## a status page by Lighthouse: 100 for accessibility and best practices, 95 or more for performance
	@infra/tools/install chromium node
	@CHROME_PATH=$$(command -v chromium) go test -count 1 -tags lighthouse -run '^TestLighthouse$$' -v ./internal/web/statuspage

clean: ## removes the local stack's data and what was built; tools stay
	@rm -rf .aws-sam
	@if [ -d .local ]; then find .local -mindepth 1 -maxdepth 1 ! -name venv -exec rm -rf {} +; fi

# --- Tools ---

$(VENV): infra/tools/requirements.txt
	@command -v python3 >/dev/null || { echo 'python3 is missing: install it (Debian: apt-get install python3 python3-venv)' >&2; exit 1; }
	@echo 'Installing sam, cfn-lint, checkov, moto and schemathesis into .local/venv (about a minute, once) ...'
	@mkdir -p .local && rm -rf .local/venv
	@python3 -m venv .local/venv || { echo 'python3 cannot make a virtual environment (Debian: apt-get install python3-venv)' >&2; exit 1; }
	@.local/venv/bin/pip install --quiet --disable-pip-version-check --requirement infra/tools/requirements.txt || \
		{ echo 'These tools could not be installed: pip needs its package index (or PIP_INDEX_URL), and Python 3.11 or later' >&2; exit 1; }
	@touch $@

$(NODE): infra/local/package-lock.json
	@infra/tools/install npm node || { echo 'Without Node.js: set DYNAMODB_ENDPOINT and use `go run ./infra/local`' >&2; exit 1; }
	@echo 'Installing the local DynamoDB engine into infra/local/node_modules ...'
	@cd infra/local && npm ci --silent --no-audit --no-fund
	@touch $@

# What looks at pages. Nothing here is run when it is installed.
$(BROWSER) $(LIGHTHOUSE): %/node_modules/.package-lock.json: %/package-lock.json
	@infra/tools/install npm node
	@echo 'Installing what looks at pages into $*/node_modules ...'
	@cd $* && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

$(DYNAMODB_LOCAL): infra/local/dynamodblocal/pom.xml
	@command -v mvn >/dev/null && command -v java >/dev/null || { echo 'Java 17 and Maven are missing (Debian: apt-get install openjdk-17-jre-headless maven)' >&2; exit 1; }
	@echo 'Fetching DynamoDB Local (50 MB, once) ...'
	@cd infra/local/dynamodblocal && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime
	@touch $@

# --- What sam build calls, by logical id (template.yaml, Metadata; GOARCH comes from infra/build) ---

GOARCH ?= arm64
function = CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) go build -tags lambda.norpc -trimpath -ldflags '-s -w' -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$(1)

build-AuthorizerFunction: ; $(call function,authorizer)
build-SigninFunction: ; $(call function,signin)
build-SigninMailFunction: ; $(call function,signinmail)
build-SigninLinkFunction: ; $(call function,signinlink)
build-IdentityFunction: ; $(call function,identity)
build-RunbooksFunction: ; $(call function,runbooks)
build-ExecutionsFunction: ; $(call function,executions)
build-IncidentsFunction: ; $(call function,incidents)
build-IntegrationsFunction: ; $(call function,integrations)
build-HooksFunction: ; $(call function,hooks)
build-AlertsFunction: ; $(call function,alerts)
build-WorkflowsFunction: ; $(call function,workflows)
build-AuditFunction: ; $(call function,audit)
build-AuditSealerFunction: ; $(call function,auditsealer)
build-MetaFunction: ; $(call function,meta)
build-AssetsFunction: ; $(call function,assets)
build-DispatcherFunction: ; $(call function,dispatcher)
build-SandboxBashFunction: ; $(call function,sandbox)
build-SandboxPythonFunction: ; $(call function,sandbox)
build-SandboxJavascriptFunction: ; $(call function,sandbox)
build-CallbacksFunction: ; $(call function,callbacks)
build-CommandsFunction: ; $(call function,commands)
build-WatchdogFunction: ; $(call function,watchdog)
build-PartnersFunction: ; $(call function,partners)
build-AccessesFunction: ; $(call function,accesses)
build-PageMailFunction: ; $(call function,pagemail)
build-TicketsFunction: ; $(call function,tickets)
build-RealtimeFunction: ; $(call function,realtime)
build-PublisherFunction: ; $(call function,publisher)
build-ReactorFunction: ; $(call function,reactor)
build-StatusPagesFunction: ; $(call function,statuspages)
build-StatusClockFunction: ; $(call function,statusclock)
build-StatusFunction: ; $(call function,status)
build-NotificationsFunction: ; $(call function,notifications)
build-NotifierFunction: ; $(call function,notifier)
build-PusherFunction: ; $(call function,pusher)
build-BouncesFunction: ; $(call function,bounces)
