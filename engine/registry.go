package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// NodeKind is what a node is in the graph.
type NodeKind uint8

// The kinds of node.
const (
	SourceNode NodeKind = iota
	OperatorNode
	SinkNode
)

// String returns the word for the kind.
func (k NodeKind) String() string { return [...]string{"source", "operator", "sink"}[k] }

// Info describes a component to the graph and to people.
type Info struct {
	Type     string    // lower_snake_case
	Summary  string    // one sentence, without the type
	Doc      string    // paragraphs of Markdown
	Examples []Example // they run as tests
	// Dials is the role of what the component connects to, kafka or dataway, so that --embedded can lead it
	// to a stand-in.
	Dials string
	// OnError is the default of on_error of an operator, dead_letter if empty.
	OnError string
	// Unordered makes order: none the default of a sink: its points carry their own time.
	Unordered bool
	// Batch is the default of a sink's batch option.
	Batch Batching
	// Ports names what an operator can route to besides the main output; nil means none, a single "*" any.
	Ports []string
	// Rereads says that a source reads again what was not done when the engine stopped.
	Rereads bool
}

// Batching is when the batcher in front of a sink flushes.
type Batching struct {
	MaxPoints int           `yaml:"max_points" doc:"points that are sent at once"`
	MaxBytes  Size          `yaml:"max_bytes" doc:"estimated bytes that are sent at once"`
	Wait      time.Duration `yaml:"wait" doc:"how long a batch that is not full waits for more; it leaves at once when nothing else is on its way"`
}

// Example is a piece of configuration with what it does.
type Example struct {
	Title string
	Graph string // YAML of the node, without its id
}

// Component is a registered type.
type Component struct {
	Info
	Kind NodeKind
	// NewConfig returns a pointer to a fresh config struct that holds the defaults.
	NewConfig func() any
	// Build makes the component from a config that NewConfig returned.
	Build func(env Env, config any) (any, error)
}

var registry = map[NodeKind]map[string]*Component{SourceNode: {}, OperatorNode: {}, SinkNode: {}}

// Lookup returns the component of the given kind and type, or nil.
func Lookup(kind NodeKind, typ string) *Component { return registry[kind][typ] }

// Components returns the components of a kind, sorted by type.
func Components(kind NodeKind) []*Component {
	var out []*Component
	for _, c := range registry[kind] {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *Component) int { return strings.Compare(a.Type, b.Type) })
	return out
}

// RegisterSource makes a source type known. Defaults is copied for each node; its maps and slices are
// replaced, never changed. It is called from init and panics on a programming error.
func RegisterSource[C any](i Info, defaults C, build func(Env, C) (Source, error)) {
	register(SourceNode, i, defaults, build)
}

// RegisterOperator makes an operator type known. See [RegisterSource].
func RegisterOperator[C any](i Info, defaults C, build func(Env, C) (Operator, error)) {
	register(OperatorNode, i, defaults, build)
}

// RegisterSink makes a sink type known. See [RegisterSource].
func RegisterSink[C any](i Info, defaults C, build func(Env, C) (Sink, error)) {
	register(SinkNode, i, defaults, build)
}

func register[C, T any](kind NodeKind, i Info, defaults C, build func(Env, C) (T, error)) {
	if registry[kind][i.Type] != nil {
		panic(fmt.Sprintf("engine: %s %q registered twice", kind, i.Type))
	}
	registry[kind][i.Type] = &Component{
		Info: i, Kind: kind,
		NewConfig: func() any { c := defaults; return &c },
		Build: func(env Env, config any) (any, error) {
			c, err := build(env, *config.(*C))
			if err != nil {
				return nil, err
			}
			return c, check(kind, i.Type, c)
		},
	}
}

// check holds a component to "exactly one of".
func check(kind NodeKind, typ string, c any) error {
	n := 0
	switch kind {
	case SourceNode:
		return nil
	case OperatorNode:
		_, p := c.(Processor)
		_, s := c.(Streamer)
		n = count(p, s)
	case SinkNode:
		_, w := c.(Writer)
		_, e := c.(Encoder)
		n = count(w, e)
	}
	if n != 1 {
		return fmt.Errorf("%s %s (%T) implements %d of the two interfaces of its kind instead of one", kind, typ, c, n)
	}
	return nil
}

func count(bs ...bool) (n int) {
	for _, b := range bs {
		if b {
			n++
		}
	}
	return n
}
