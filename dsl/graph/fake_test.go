package graph

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"dataflow/engine"
)

// The components of the tests: the options of the real ones, as far as the manual's graph needs them, and
// nothing behind them.

type fakeTLS struct {
	Enabled bool        `yaml:"enabled" doc:"use TLS"`
	CA      engine.File `yaml:"ca" doc:"file of certificates"`
}

type fakeSASL struct {
	Mechanism string        `yaml:"mechanism" enum:"plain,scram_sha_256" required:"true" doc:"how to log in"`
	Username  string        `yaml:"username" doc:"the user"`
	Password  engine.Secret `yaml:"password" doc:"the password"`
}

type fakeStream struct {
	Topics    fakeTopics   `yaml:"topics" required:"true" doc:"topics to read"`
	Category  string       `yaml:"category" doc:"category of the points"`
	Decode    string       `yaml:"decode" enum:"text,json,skywalking,jaeger,otlp,raw" doc:"what the values are"`
	Namespace string       `yaml:"namespace" doc:"prefix of the topics"`
	Workers   int          `yaml:"workers" doc:"goroutines"`
	Steps     engine.Steps `yaml:"steps" doc:"operators that run as part of the source"`
}

// fakeTopics is a list, or a mapping of lists.
type fakeTopics struct{ names []string }

func (t *fakeTopics) UnmarshalOption(n engine.OptionNode) error {
	if list, ok := n.List(); ok {
		for _, x := range list {
			name, ok := x.Scalar()
			if !ok {
				return x.Errorf("a topic is a text")
			}
			t.names = append(t.names, name)
		}
		return nil
	}
	if _, values, ok := n.Map(); ok {
		var errs []error
		for _, x := range values {
			errs = append(errs, t.UnmarshalOption(x))
		}
		return errors.Join(errs...)
	}
	return n.Errorf("topics is a list or a mapping of lists")
}

type fakeKafka struct {
	Brokers       []string              `yaml:"brokers" required:"true" doc:"addresses of the first contact"`
	Group         string                `yaml:"group" doc:"consumer group"`
	Assignor      string                `yaml:"assignor" enum:"range,roundrobin,sticky,cooperative_sticky" doc:"how partitions are shared out"`
	Start         string                `yaml:"start" enum:"latest,earliest" doc:"where to begin without an offset"`
	SASL          *fakeSASL             `yaml:"sasl" doc:"login"`
	TLS           fakeTLS               `yaml:"tls" doc:"encryption"`
	Streams       map[string]fakeStream `yaml:"streams" doc:"outputs"`
	Topics        []string              `yaml:"topics" doc:"topics of the main output"`
	Category      string                `yaml:"category" doc:"category of the points of the main output"`
	SessionTime   time.Duration         `yaml:"session_timeout" doc:"when a silent member is given up"`
	PartitionRoom int32                 `yaml:"partition_in_flight" doc:"points of a partition that are not done"`
	Allow         []netip.Prefix        `yaml:"allow" doc:"peers"`
	Ratio         float64               `yaml:"ratio" doc:"a number"`
	Small         uint8                 `yaml:"small" doc:"a small number"`
	Extra         map[string]any        `yaml:"extra" doc:"anything"`
	internal      int
}

// fakeLookup is a text or {by, map, default}, like the lookup values of engine/expr.
type fakeLookup struct {
	by, constant string
	files        []engine.File
}

func (f *fakeLookup) OptionType() string { return "text or lookup" }

func (f *fakeLookup) UnmarshalOption(n engine.OptionNode) error {
	reads := n.(interface {
		File() (engine.File, error)
	})
	if text, ok := n.Scalar(); ok {
		f.constant = text
		file, err := reads.File()
		f.files = append(f.files, file)
		return err
	}
	keys, values, ok := n.Map()
	if !ok {
		return n.Errorf("wants a text or a lookup")
	}
	var errs []error
	for i, k := range keys {
		switch k {
		case "by":
			f.by, _ = values[i].Scalar()
		case "map":
			_, files, _ := values[i].Map()
			for _, x := range files {
				file, err := x.(interface {
					File() (engine.File, error)
				}).File()
				errs = append(errs, err)
				f.files = append(f.files, file)
			}
		case "default":
		default:
			errs = append(errs, values[i].Errorf("a lookup has no %q", k))
		}
	}
	return errors.Join(errs...)
}

type (
	fakePipeline struct {
		Script *fakeLookup `yaml:"script" doc:"the script"`
		Dir    string      `yaml:"dir" path:"graph" doc:"a folder of scripts"`
	}
	fakeSample struct {
		Rate float64 `yaml:"rate" required:"true" doc:"share of the points that stay"`
	}
	fakeLimit struct {
		Rate engine.Rate `yaml:"rate" required:"true" doc:"points or bytes in a time"`
		Over string      `yaml:"over" enum:"block,drop,queue" doc:"what happens to the rest"`
		Name string      `yaml:"name" doc:"limits of one name are one"`
	}
	fakeCall struct {
		URL      string `yaml:"url" required:"true" doc:"where to"`
		Body     string `yaml:"body" doc:"what is sent"`
		Response string `yaml:"response" doc:"what comes back"`
	}
	fakeSplit struct {
		Field string `yaml:"field" doc:"which field holds the array"`
	}
	fakeRoute struct {
		Routes []struct {
			Name string `yaml:"name" required:"true" doc:"port"`
			When string `yaml:"when" required:"true" doc:"condition"`
		} `yaml:"routes" doc:"what goes where"`
	}
	fakeDataway struct {
		URL         engine.Secret     `yaml:"url" required:"true" doc:"address with token"`
		MaxBody     engine.Size       `yaml:"max_body" doc:"bytes of a body"`
		Concurrency int               `yaml:"concurrency" doc:"bodies of a category at once"`
		GlobalTags  map[string]string `yaml:"global_tags" doc:"tags of all points"`
		fakeCommon  `yaml:",inline"`
	}
	fakeCommon struct {
		Proxy string `yaml:"proxy" doc:"a proxy"`
	}
	fakeStdout struct {
		Format string `yaml:"format" enum:"line,json" doc:"how a point is printed"`
	}
)

type nothing struct{}

func (nothing) Run(context.Context, engine.Emit) error       { return nil }
func (nothing) Process(context.Context, *engine.Batch) error { return nil }
func (nothing) Write(context.Context, *engine.Batch) error   { return nil }

func operator[C any](i engine.Info, defaults C) {
	engine.RegisterOperator(i, defaults, func(engine.Env, C) (engine.Operator, error) { return nothing{}, nil })
}

func init() {
	_ = fakeKafka{}.internal
	engine.RegisterSource(engine.Info{
		Type: "kafka", Summary: "reads Kafka", Dials: "kafka",
		Examples: []engine.Example{{Title: "One topic", Graph: "type: kafka\nbrokers: [\"localhost:9092\"]\ntopics: [metric_topic]\n"}},
	}, fakeKafka{Group: "engine", Assignor: "cooperative_sticky", Start: "latest", SessionTime: 10 * time.Second, PartitionRoom: 8192, TLS: fakeTLS{}},
		func(engine.Env, fakeKafka) (engine.Source, error) { return nothing{}, nil })
	operator(engine.Info{Type: "json_split", Summary: "makes a point of every element of a JSON array"}, fakeSplit{Field: "message"})
	operator(engine.Info{Type: "pipeline", Summary: "runs a script", OnError: "pass"}, fakePipeline{})
	operator(engine.Info{Type: "sample", Summary: "keeps a share of the points"}, fakeSample{})
	operator(engine.Info{Type: "rate_limit", Summary: "bounds the rate"}, fakeLimit{Over: "block"})
	operator(engine.Info{Type: "http_call", Summary: "asks a server", Batch: engine.Batching{MaxPoints: 50, Wait: time.Second}}, fakeCall{Response: "points"})
	operator(engine.Info{Type: "route", Summary: "sends points to ports", Ports: []string{"*"}}, fakeRoute{})
	operator(engine.Info{Type: "fork", Summary: "has two ports", Ports: []string{"left", "right"}}, struct{}{})
	engine.RegisterSink(engine.Info{
		Type: "dataway", Summary: "writes to DataWay", Doc: "A paragraph.", Unordered: true, Batch: engine.Batching{MaxPoints: 4096, MaxBytes: 4 << 20, Wait: 200 * time.Millisecond},
	}, fakeDataway{MaxBody: 4 << 20, Concurrency: 4}, func(engine.Env, fakeDataway) (engine.Sink, error) { return nothing{}, nil })
	engine.RegisterSink(engine.Info{Type: "stdout", Summary: "prints points"}, fakeStdout{Format: "line"},
		func(engine.Env, fakeStdout) (engine.Sink, error) { return nothing{}, nil })
}
