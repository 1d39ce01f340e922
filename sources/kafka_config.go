package sources

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// kafkaConfig is the configuration of a kafka source. The options of the main port stand beside those of the
// client; with streams there is no main port.
type kafkaConfig struct {
	Brokers         []string               `yaml:"brokers" required:"true" doc:"addresses of the first brokers to ask, host:port; the others are learnt from them"`
	Group           string                 `yaml:"group" required:"true" doc:"consumer group that keeps the offsets and shares the partitions among its members"`
	ClientID        string                 `yaml:"client_id" doc:"name of this client in the brokers' logs and quotas; engine-, the graph's name and the node's id if nothing is said"`
	Version         string                 `yaml:"kafka_version" doc:"version of the brokers, as in 2.0.0: a hint. Versions are negotiated with every broker; only below 0.10 it is needed, because those brokers cannot be asked"`
	SASL            kafkaSASL              `yaml:"sasl" doc:"how to log in to the brokers"`
	TLS             kafkaTLS               `yaml:"tls" doc:"how the connections to the brokers are encrypted and both sides show who they are"`
	Protocol        string                 `yaml:"group_protocol" enum:"classic,consumer" doc:"who shares the partitions: a member of the group (classic), or the broker (consumer: Kafka 4.0 and later, with assignor sticky or range; an older broker gets classic). The broker then says how long a member may be silent, not session_timeout"`
	InstanceID      string                 `yaml:"instance_id" doc:"static membership: a restart shorter than session_timeout under the same name causes no rebalance"`
	Assignor        string                 `yaml:"assignor" enum:"cooperative_sticky,sticky,roundrobin,range" doc:"how partitions are shared; all members of a group need the same, DataKit's members know sticky, roundrobin and range"`
	Start           string                 `yaml:"start" enum:"latest,earliest" doc:"where reading begins in a partition for which the group has no offset"`
	Isolation       string                 `yaml:"isolation" enum:"read_committed,read_uncommitted" doc:"whether messages of transactions that are not committed are read"`
	SessionTimeout  time.Duration          `yaml:"session_timeout" doc:"how long a member may be silent before its partitions go to others"`
	RebalanceWait   time.Duration          `yaml:"rebalance_timeout" doc:"how long a rebalance waits for its members; a third of it, at most 10s, is for finishing what is in flight"`
	CommitInterval  time.Duration          `yaml:"commit_interval" doc:"how often offsets are committed; 50,000 messages that are done commit earlier"`
	PartitionWindow int                    `yaml:"partition_in_flight" doc:"messages of one partition that may be on their way before it is paused"`
	RecordTime      string                 `yaml:"record_time" enum:"now,record" doc:"time of the points: of reading, or the message's own"`
	Streams         map[string]kafkaStream `yaml:"streams" doc:"outputs with topics of their own, by name"`

	Topics       []string `yaml:"topics" doc:"topics of the main output, where there are no streams"`
	Category     string   `yaml:"category" enum:"metric,network,keyevent,object,custom_object,logging,tracing,rum,security,profiling,dialtesting" doc:"category of the points of the main output"`
	Decode       string   `yaml:"decode" enum:"text,json,points,raw" doc:"what the messages of the main output are: text, a JSON object or an array of them, DataKit points, or bytes that stay as they are"`
	Namespace    string   `yaml:"namespace" doc:"put before the names of the topics, with a hyphen"`
	Workers      int      `yaml:"workers" doc:"goroutines that decode and process the main output"`
	StorageIndex string   `yaml:"storage_index" doc:"index that stores the points, logging only"`
}

// kafkaStream is an output of a kafka source.
type kafkaStream struct {
	Topics       []string          `yaml:"topics" required:"true" doc:"topics that are read into the stream"`
	Category     string            `yaml:"category" enum:"metric,network,keyevent,object,custom_object,logging,tracing,rum,security,profiling,dialtesting" doc:"category of the points"`
	Decode       string            `yaml:"decode" enum:"text,json,points,raw" doc:"what the messages are: text (if nothing is said), a JSON object or an array of them, DataKit points, or bytes that stay as they are"`
	Namespace    string            `yaml:"namespace" doc:"put before the names of the topics, with a hyphen"`
	Workers      int               `yaml:"workers" doc:"goroutines that decode and process the stream"`
	StorageIndex string            `yaml:"storage_index" doc:"index that stores the points, logging only"`
	Tags         map[string]string `yaml:"tags" doc:"tags added to every point that has none of that name"`
	Steps        engine.Steps      `yaml:"steps" doc:"operators that run as part of the source"`
}

func init() {
	engine.RegisterSource(engine.Info{
		Type:    "kafka",
		Summary: "reads topics of Kafka as a member of a consumer group",
		Doc: `A message becomes a point: its name is the topic, the value is the field ` + "`message`" + ` (newlines become spaces),
beside it stand the fields ` + "`message_len`, `offset`, `partition`" + `, on logging and rum ` + "`status`" + `, the tag ` + "`type`" + `, on rum ` + "`app_id`" + `.
With ` + "`decode: json`" + ` the keys of the object stand in place of the message, its length and position; with
` + "`decode: points`" + ` the message is the points; with ` + "`decode: raw`" + ` the field ` + "`message`" + ` holds the bytes.

An offset is committed when everything up to it is done: delivered, stored, or dropped by a policy. After a
crash what was not done is read again.

A broker that cannot be used, a wrong password, a certificate that is not valid, a name that does not resolve, is named in the log
and in the state of the node, with what to do. The source goes on trying. ` + "`engine validate --connect`" + ` looks at all of it without reading.`,
		Dials: "kafka", Rereads: true,
		Examples: []engine.Example{
			{Title: "One topic of logs", Graph: "type: kafka\nbrokers: [\"localhost:9092\"]\ngroup: engine\ntopics: [app-log]\ncategory: logging\n"},
			{Title: "With a login over TLS", Graph: "type: kafka\nbrokers: [\"kafka.example:9093\"]\ngroup: engine\nsasl: {mechanism: scram_sha_512, username: engine, password: \"${KAFKA_PASSWORD:-}\"}\ntls: {enabled: true}\ntopics: [app-log]\ncategory: logging\n"},
			{Title: "Streams", Graph: "type: kafka\nbrokers: [\"localhost:9092\"]\ngroup: engine\nstart: earliest\nstreams:\n  logs: {topics: [app-log], category: logging}\n  metrics: {topics: [app-metric], category: metric, decode: json}\n"},
		},
	}, kafkaConfig{
		Assignor: "cooperative_sticky", Start: "latest", Isolation: "read_committed",
		SessionTimeout: 10 * time.Second, RebalanceWait: 20 * time.Second, CommitInterval: 500 * time.Millisecond,
		Protocol: "classic", PartitionWindow: 8192, RecordTime: "now", Decode: "text",
	}, newKafka)
}

func (c *kafkaConfig) check() error {
	var errs []error
	bad := func(path, format string, a ...any) {
		errs = append(errs, engine.FieldError(path, fmt.Errorf(format, a...)))
	}
	if len(c.Brokers) == 0 {
		bad("brokers", "names no broker")
	}
	if c.Group == "" {
		bad("group", "is empty: offsets are kept in a consumer group")
	}
	for path, d := range map[string]time.Duration{
		"session_timeout": c.SessionTimeout, "rebalance_timeout": c.RebalanceWait, "commit_interval": c.CommitInterval,
	} {
		if d < time.Millisecond {
			bad(path, "must be at least 1ms")
		}
	}
	if c.PartitionWindow < 1 {
		bad("partition_in_flight", "must be at least 1")
	}
	if _, err := parseVersion(c.Version); err != nil {
		bad("kafka_version", "%w", err)
	}
	if c.Protocol == "consumer" && c.Assignor != "sticky" && c.Assignor != "range" {
		bad("assignor", "is %s: with group_protocol: consumer the broker shares the partitions, and knows sticky and range", c.Assignor)
	}
	return errors.Join(errs...)
}

// streams returns the outputs, the main one alone or those of streams, sorted by name.
func (c *kafkaConfig) streams() ([]*stream, error) {
	if len(c.Streams) == 0 {
		if len(c.Topics) == 0 {
			return nil, engine.FieldError("topics", errors.New("there are neither topics nor streams"))
		}
		main := kafkaStream{c.Topics, c.Category, c.Decode, c.Namespace, c.Workers, c.StorageIndex, nil, engine.Steps{}}
		st, err := newStream("", "", main, c.RecordTime == "record")
		return []*stream{st}, err
	}
	var (
		errs   []error
		out    []*stream
		reader = map[string]string{}
	)
	if len(c.Topics) > 0 {
		errs = append(errs, engine.FieldError("topics", errors.New("stands beside streams: put the topics into a stream")))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		path := "streams." + name + "."
		st, err := newStream(name, path, c.Streams[name], c.RecordTime == "record")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, t := range st.topics {
			if other, ok := reader[t]; ok {
				errs = append(errs, engine.FieldError(path+"topics", fmt.Errorf("topic %s is in stream %s already", t, other)))
			}
			reader[t] = name
		}
		out = append(out, st)
	}
	return out, errors.Join(errs...)
}

// stream is what an output is made of.
type stream struct {
	name       string
	topics     []string // as the broker knows them
	category   point.Category
	decode     decoding
	recordTime bool
	extra      *point.Extra
	port       engine.Port
}

type decoding uint8

const (
	decodeText decoding = iota
	decodeJSON
	decodePoints
	decodeRaw
)

var decodings = map[string]decoding{"": decodeText, "text": decodeText, "json": decodeJSON, "points": decodePoints, "raw": decodeRaw}

func newStream(name, path string, c kafkaStream, recordTime bool) (*stream, error) {
	st := &stream{name: name, recordTime: recordTime}
	var errs []error
	bad := func(option, format string, a ...any) {
		errs = append(errs, engine.FieldError(path+option, fmt.Errorf(format, a...)))
	}
	known := false
	if st.decode, known = decodings[c.Decode]; !known {
		bad("decode", "%q is none of text, json, points, raw", c.Decode)
	}
	switch category, ok := point.CategoryOf(c.Category); {
	case ok && category != point.Unknown:
		st.category = category
	case c.Category == "" && st.decode == decodeRaw:
		st.category = point.Logging // what answers a raw message brings its own
	case c.Category == "":
		bad("category", "is missing: say what the points are, as in logging, metric or rum")
	default:
		bad("category", "%q is no category", c.Category)
	}
	if name == "failed" || name == "dropped" {
		errs = append(errs, engine.FieldError(strings.TrimSuffix(path, "."), fmt.Errorf("%s is the name of another output", name)))
	}
	if len(c.Topics) == 0 {
		bad("topics", "names no topic")
	}
	for _, t := range c.Topics {
		if t == "" {
			bad("topics", "a name is empty")
		}
		if c.Namespace != "" {
			t = c.Namespace + "-" + t
		}
		if slices.Contains(st.topics, t) {
			bad("topics", "%s stands there twice", t)
		}
		st.topics = append(st.topics, t)
	}
	if c.StorageIndex != "" {
		if st.category != point.Logging {
			bad("storage_index", "is for logging only")
		}
		st.extra = &point.Extra{StorageIndex: c.StorageIndex}
	}
	if c.Workers < 0 {
		bad("workers", "must not be negative")
	}
	st.port = engine.Port{Name: name, Workers: c.Workers, Steps: c.Steps}
	for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
		st.port.Tags = append(st.port.Tags, point.Field{Key: key, Value: point.String(c.Tags[key]), Tag: true})
	}
	return st, errors.Join(errs...)
}
