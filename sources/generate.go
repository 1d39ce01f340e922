package sources

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

type generateConfig struct {
	Rate     engine.Rate `yaml:"rate" doc:"points in a time, as in 1000/s; as fast as they are taken if nothing is said"`
	Count    int64       `yaml:"count" doc:"points after which the source ends; 0 is never"`
	Template string      `yaml:"template" doc:"text of the messages: ${n} is the number of the point from 0 on, ${time} and ${unix_ms} are now, ${rand} is a number below a million; in a graph write $${n}"`
	Name     string      `yaml:"name" doc:"name of the points"`
	Category string      `yaml:"category" enum:"metric,network,keyevent,object,object_change,custom_object,logging,tracing,rum,security,profiling,dialtesting" doc:"category of the points"`
	Seed     uint64      `yaml:"seed" doc:"of ${rand}: the same seed gives the same numbers"`
}

func init() {
	engine.RegisterSource(engine.Info{
		Type:    "generate",
		Summary: "makes points, for load and for trying a graph",
		Doc:     "A point has the field `message`, made of `template`.",
		Examples: []engine.Example{
			{Title: "Ten lines", Graph: "type: generate\ncount: 10\ntemplate: \"line $${n}\"\n"},
			{Title: "Load", Graph: "type: generate\nrate: 1000/s\nname: load\n"},
		},
	}, generateConfig{Template: "message ${n}", Name: "generate", Category: "logging"}, newGenerate)
}

// generatePartitions is how many partitions the points come from, batch by batch: those of one stay in order
// and with one worker.
const generatePartitions = 8

// pace is how often a limited rate is caught up with.
const pace = 10 * time.Millisecond

type generate struct {
	env      engine.Env
	config   generateConfig
	category point.Category
	parts    []templatePart
	constant []byte // the message of a template without placeholders, which all points share; else nil
	origins  [generatePartitions]engine.Origin
}

func newGenerate(env engine.Env, c generateConfig) (engine.Source, error) {
	g := &generate{env: env, config: c}
	var errs []error
	if c.Rate.Bytes {
		errs = append(errs, engine.FieldError("rate", errors.New("must be points in a time, as in 1000/s")))
	}
	if c.Count < 0 {
		errs = append(errs, engine.FieldError("count", errors.New("must not be negative")))
	}
	var ok bool
	if g.category, ok = point.CategoryOf(c.Category); !ok || g.category == point.Unknown {
		errs = append(errs, engine.FieldError("category", fmt.Errorf("%q is no category", c.Category)))
	}
	var err error
	if g.parts, err = parseTemplate(c.Template); err != nil {
		errs = append(errs, engine.FieldError("template", err))
	}
	if err == nil && !slices.ContainsFunc(g.parts, func(p templatePart) bool { return p.value != nil }) {
		g.constant = []byte(c.Template)
	}
	for i := range g.origins {
		g.origins[i] = engine.Origin{Node: env.Node, Topic: c.Name, Partition: int32(i)}
	}
	return g, errors.Join(errs...)
}

// templatePart is text, or what stands for something.
type templatePart struct {
	text  string
	value func(dst []byte, m *moment) []byte
}

// moment is what a message is made of.
type moment struct {
	n    int64
	now  time.Time
	rand *rand.Rand
}

var placeholders = map[string]func([]byte, *moment) []byte{
	"n":       func(dst []byte, m *moment) []byte { return strconv.AppendInt(dst, m.n, 10) },
	"time":    func(dst []byte, m *moment) []byte { return m.now.UTC().AppendFormat(dst, time.RFC3339Nano) },
	"unix_ms": func(dst []byte, m *moment) []byte { return strconv.AppendInt(dst, m.now.UnixMilli(), 10) },
	"rand":    func(dst []byte, m *moment) []byte { return strconv.AppendInt(dst, m.rand.Int64N(1e6), 10) },
}

func parseTemplate(text string) ([]templatePart, error) {
	var parts []templatePart
	for text != "" {
		before, rest, found := strings.Cut(text, "${")
		if before != "" {
			parts = append(parts, templatePart{text: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		value := placeholders[name]
		if !closed || value == nil {
			return nil, fmt.Errorf("${%s} is none of ${n}, ${time}, ${unix_ms}, ${rand}", name)
		}
		parts = append(parts, templatePart{value: value})
		text = after
	}
	return parts, nil
}

// Run emits until ctx ends or count points were made.
func (g *generate) Run(ctx context.Context, emit engine.Emit) error {
	m := moment{rand: rand.New(rand.NewPCG(g.config.Seed, 0))}
	start := time.Now()
	for turn := 0; g.config.Count == 0 || m.n < g.config.Count; turn++ {
		due := int64(batchMessages)
		if rate := g.config.Rate.Amount; rate > 0 {
			due = min(due, int64(rate*time.Since(start).Seconds())+1-m.n)
		}
		if g.config.Count > 0 {
			due = min(due, g.config.Count-m.n)
		}
		if due <= 0 {
			if !wait(ctx, pace) {
				return ctx.Err()
			}
			continue
		}
		if err := emit(ctx, g.batch(&m, int(due), &g.origins[turn%generatePartitions])); err != nil {
			return err
		}
	}
	return nil
}

// wait reports false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// batch makes the next count points.
func (g *generate) batch(m *moment, count int, origin *engine.Origin) *engine.Batch {
	m.now = g.env.Now()
	b := engine.Reserve(count, fieldsPerPoint)
	b.Origin, b.Read = origin, m.now.UnixNano()
	var text []byte
	if g.constant == nil {
		text = make([]byte, 0, count*(len(g.config.Template)+16))
	}
	size := 0
	for i := range count {
		message := g.constant
		if message == nil {
			from := len(text)
			for _, part := range g.parts {
				if part.value != nil {
					text = part.value(text, m)
				} else {
					text = append(text, part.text...)
				}
			}
			message = text[from:len(text):len(text)]
		}
		b.Records = append(b.Records, engine.Record{Origin: origin, Offset: m.n, Time: b.Read, Value: message})
		p := b.Add()
		p.Name, p.Category, p.Time, p.Record = g.config.Name, g.category, b.Read, int32(i)
		p.Fields = append(p.Fields, point.Field{Key: "message", Value: point.StringOf(message)})
		size += messageBytes + len(message)
		m.n++
	}
	b.Arm(size, nil)
	return b
}
