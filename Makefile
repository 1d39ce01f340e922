# The commands of the house. CI runs .ci/run; the long suites run one at a time.
.PHONY: build test ci long edges brokers show-engine show-engine-short show-pipeline show-pipeline-short show-http show-http-short show-kafka show-kafka-short show-durable-1 show-durable-2 show-durable-short reference update bench fuzz kills

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

# show-pipeline runs what issue 4 asks for of the Pipeline language; under 30 minutes.
show-pipeline:
	go run ./test/show/pipeline

show-pipeline-short:
	go run ./test/show/pipeline -short

# show-http runs what issue 5 asks for of the write API and the way to DataWay; under 50 minutes. FUNC_CONNECTOR names a folder with the
# datakit.py of DataFlux Func, whose licence keeps it out of this repository; without it recorded requests are replayed.
show-http:
	go run ./test/show/http

show-http-short:
	go run ./test/show/http -short

# show-kafka runs what issue 6 asks for of the Kafka source, against brokers that it installs; under 60 minutes.
show-kafka:
	go run ./test/show/kafka

show-kafka-short:
	go run ./test/show/kafka -short

# show-durable-1, -2 run what issue 7 asks for of disk buffers, as far as it is there; under 60 minutes each.
show-durable-1:
	go run ./test/show/durable -only kills

show-durable-2:
	go run ./test/show/durable -only disk:

show-durable-short:
	go run ./test/show/durable -short

# reference takes the results of the page on the language, PAGE, into the table that the tests hold.
reference:
	go run ./test/reference/extract $(PAGE)

bench:
	go test -run '^$$' -bench . -benchmem ./...

# Fuzzing: all targets within an hour; FUZZTIME=10m takes seven.
FUZZTIME ?= 75s
fuzz:
	go run ./test/fuzz -time $(FUZZTIME)

# kills kills the engine 200 times for each start; about half an hour.
LOOPS ?= 200
kills:
	go test ./test/crash -run TestKillKafka -loops $(LOOPS) -timeout 60m -v

# edges are strangers at the write API, at full size: slow clients, a hog, HTTP/2 attacks, a million headers; the brokers of test/kafka are Apache's.
edges:
	go test ./test/edges -run 'SlowClients|Hog' -slow 2000 -load 12s -v
	go test ./test/edges -run HTTP2 -attack 5s -timeout 30m -v
	go test ./sources -run RandomHeaders -headers 1000000 -v

brokers:
	go test ./test/kafka -long -timeout 60m -v

# long is cut into suites of at most 60 minutes.
long: fuzz kills edges brokers show-engine show-pipeline show-http show-kafka show-durable-1 show-durable-2
