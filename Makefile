# The commands of the house. CI runs .ci/run; the long suites run one at a time.
.PHONY: build test ci long show-engine show-engine-short update bench fuzz kills

build:
	go build -o bin/engine ./cmd/engine

test:
	go test ./...

ci:
	.ci/run

# update rewrites golden files and the generated reference.
update:
	go test ./cmd/engine -run TestReference -update
	go test ./dsl/graph -update

# show-engine runs what issue 3 asks for, end to end, and fails when a line of it fails; under 60 minutes.
show-engine:
	go run ./test/show

show-engine-short:
	go run ./test/show -short

bench:
	go test -run '^$$' -bench . -benchmem ./...

# Fuzzing: all targets within an hour; FUZZTIME=10m takes three and a half.
FUZZTIME ?= 150s
fuzz:
	go run ./test/fuzz -time $(FUZZTIME)

# kills kills the engine 200 times for each start; about half an hour.
LOOPS ?= 200
kills:
	go test ./test/crash -run TestKillKafka -loops $(LOOPS) -timeout 60m -v

# long is cut into suites of at most 60 minutes.
long: fuzz kills show-engine
