package graph

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// reservedKey is a key beside the options of a node that means the same for every component.
type reservedKey struct {
	name string
	of   []engine.NodeKind
	step bool // of a step too
	who  string
}

var (
	everyNode = []engine.NodeKind{engine.SourceNode, engine.OperatorNode, engine.SinkNode}
	operators = []engine.NodeKind{engine.OperatorNode}
	sinks     = []engine.NodeKind{engine.SinkNode}
	readers   = []engine.NodeKind{engine.OperatorNode, engine.SinkNode}
)

var reservedKeys = []reservedKey{
	{"from", readers, false, "operators and sinks"},
	{"steps", []engine.NodeKind{engine.SourceNode, engine.OperatorNode}, false, "sources and operators"},
	{"when", operators, true, "operators and steps"},
	{"workers", operators, false, "operators and streams of a source"},
	{"order", readers, false, "operators and sinks"},
	{"on_error", operators, true, "operators and steps"},
	{"batch", sinks, false, "sinks and operators that send batches"},
	{"retry", sinks, false, "sinks and operators that send batches"},
	{"timeout", sinks, false, "sinks and operators that send batches"},
	{"buffer", sinks, false, "sinks"},
	{"tags", everyNode, false, "nodes and streams of a source"},
	{"enabled", everyNode, true, "nodes and steps"},
	{"doc", everyNode, true, "nodes and steps"},
}

func reserved(name string) *reservedKey {
	for i := range reservedKeys {
		if reservedKeys[i].name == name {
			return &reservedKeys[i]
		}
	}
	return nil
}

// sends reports whether a component has a batcher in front of it, and batch, retry and timeout with it.
func sends(kind engine.NodeKind, c *engine.Component) bool {
	return kind == engine.SinkNode || c != nil && c.Batch != engine.Batching{}
}

// takes reports whether a reserved key belongs to a node.
func (r *reservedKey) takes(kind engine.NodeKind, c *engine.Component) bool {
	if slices.Contains(r.of, kind) {
		return true
	}
	return (r.name == "batch" || r.name == "retry" || r.name == "timeout") && sends(kind, c)
}

// optionsOf returns the options of a component's config struct.
func optionsOf(c *engine.Component) []field {
	if c == nil {
		return nil
	}
	if t := reflect.TypeOf(c.NewConfig()).Elem(); t.Kind() == reflect.Struct {
		return fieldsOf(t)
	}
	return nil
}

// nodes decodes the nodes of one kind.
func (l *loader) nodes(kind engine.NodeKind, v *value) {
	if !l.isMapping(v, sections[kind]) {
		return
	}
	for i, k := range v.keys {
		l.node(kind, k, v.items[i])
	}
}

func (l *loader) node(kind engine.NodeKind, id key, v *value) {
	if !isID(id.name) {
		l.errorAtKey(id, idHint, "%q is no id", id.name)
		return
	}
	if id.name == "dead_letter" {
		l.errorAtKey(id, "", "the id dead_letter stands for the dead letters")
		return
	}
	if other, ok := l.ids[id.name]; ok {
		l.errorAtKey(id, "the other one stands in "+other.String()+"; sources, operators and sinks share their ids", "%q is defined twice", id.name)
		return
	}
	l.ids[id.name] = id.pos
	n := &Node{ID: id.name, Kind: kind, Pos: id.pos, conf: &conf{l: l, typ: id.place(), at: map[string]place{}}}
	if v.kind != mapping {
		l.g.byID[n.ID] = n
		l.errorAtKey(id, "", "a node is a mapping with a type, this is %s", v.kind)
		return
	}
	if !l.enabled(v) {
		l.g.disabled[n.ID] = kind
		l.disabledFrom[n.ID] = v.get("from")
		return
	}
	l.g.byID[n.ID] = n
	l.g.Nodes = append(l.g.Nodes, n)
	faults := len(l.list)
	l.component(n, id, v)
	n.Sound = len(l.list) == faults
}

// enabled reads the option of that name; what is not enabled is not looked at, it may want an environment
// that is not there.
func (l *loader) enabled(v *value) bool {
	x := v.get("enabled")
	if x == nil || x.kind == null {
		return true
	}
	l.in.all(x)
	on := true
	l.decoder("enabled", x.place()).value(x, reflect.ValueOf(&on).Elem(), "enabled", nil)
	return on
}

// component finds the node's type and decodes its options.
func (l *loader) component(n *Node, id key, v *value) {
	at := id.place()
	if typ := v.get("type"); typ != nil {
		l.in.all(typ)
		at = typ.place()
		switch {
		case typ.kind != scalar:
			l.errorAt(typ, "", "a type is a text, this is %s", typ.kind)
			l.edgesOnly(n, v)
			return
		case n.Kind == engine.OperatorNode && v.get("steps") != nil:
			l.errorAtKey(v.keys[v.index("steps")], "make the type the first of the steps", "an operator has a type or steps, not both")
			l.edgesOnly(n, v)
			return
		}
		n.Component = engine.Lookup(n.Kind, typ.text)
		if n.Component == nil {
			if typ.broken {
				return
			}
			l.unknownType(n.Kind, key{typ.text, typ.pos, typ.end})
			l.edgesOnly(n, v)
			return
		}
		v = l.withDefaults(v, n.Kind, typ.text, func(string) bool { return true })
	} else if n.Kind != engine.OperatorNode || v.get("steps") == nil {
		what := "a type"
		if n.Kind == engine.OperatorNode {
			what = "a type or steps"
		}
		l.errorAtKey(id, "", "%s %q needs %s", n.Kind, n.ID, what)
		l.edgesOnly(n, v)
		return
	}
	l.in.all(v)
	owner := n.ID
	if n.Component != nil {
		owner = n.Component.Type
	}
	d := l.decoder(owner, at)
	n.conf = d.conf
	d.step = func(v *value, path string) []*Step { return l.steps(d, v, stepPrefix(n.ID, path)) }
	options, own := l.split(n, v)
	l.reserved(n, d, own)
	if n.Component != nil {
		n.Config = n.Component.NewConfig()
		n.options = options
		d.component(options, n.Config)
	}
	if n.Kind == engine.OperatorNode {
		l.operator(n, d, own)
	} else if x := own["steps"]; x != nil {
		n.Steps = l.steps(d, x, n.ID)
	}
	n.Hash = hashOf(n, d, options, own)
}

// edgesOnly decodes the edges of a node whose type is not known, so that its upstream is not called unread.
func (l *loader) edgesOnly(n *Node, v *value) {
	if from := v.get("from"); from != nil && n.Kind != engine.SourceNode {
		l.in.all(from)
		l.from(n, from)
	}
}

// component decodes the options of a component.
func (d *decoder) component(options *value, config any) {
	rv := reflect.ValueOf(config).Elem()
	if rv.Kind() == reflect.Struct {
		d.structure(options, rv, "")
		return
	}
	d.value(options, rv, "", nil)
}

// split parts the reserved keys from the options. A component that declares an option by the name of a reserved key
// gets its value too, except for steps, which must not run twice.
func (l *loader) split(n *Node, v *value) (options *value, own map[string]*value) {
	fields := optionsOf(n.Component)
	own = map[string]*value{}
	options = v.without(func(name string) bool {
		if name == "type" {
			return true
		}
		r := reserved(name)
		if r == nil {
			if n.Component == nil {
				l.errorAtKey(v.keys[v.index(name)], reservedHint(name, n.Kind), "operator %q has steps, and with them no option %q", n.ID, name)
			}
			return n.Component == nil
		}
		declared := find(fields, name) != nil
		switch {
		case declared && name == "steps":
			return false
		case r.takes(n.Kind, n.Component):
			own[name] = v.get(name)
		case !declared:
			l.errorAtKey(v.keys[v.index(name)], "", "%q is a key of %s, and %q is %s of type %s", name, r.who, n.ID, article(n.Kind.String()), typeOf(n))
		}
		return !declared
	})
	return options, own
}

func article(word string) string {
	if strings.ContainsAny(word[:1], "aeiou") {
		return "an " + word
	}
	return "a " + word
}

func typeOf(n *Node) string {
	if n.Component == nil {
		return "steps"
	}
	return n.Component.Type
}

// reservedHint suggests a reserved key of a kind.
func reservedHint(name string, kind engine.NodeKind) string {
	var names []string
	for _, r := range reservedKeys {
		if slices.Contains(r.of, kind) {
			names = append(names, r.name)
		}
	}
	return diag.DidYouMean(name, names)
}

// reserved decodes the reserved keys of a node.
func (l *loader) reserved(n *Node, d *decoder, own map[string]*value) {
	n.Order = "partition"
	if n.Kind == engine.SinkNode && n.Component.Unordered {
		n.Order = "none"
	}
	retry := retryOption{Initial: 500 * time.Millisecond, Max: 30 * time.Second}
	if sends(n.Kind, n.Component) {
		n.Batch = n.Component.Batch
		n.Buffer = defaultBuffer
	} else {
		retry = retryOption{}
	}
	get := func(name string, into any, enum ...string) {
		if v := own[name]; v != nil {
			d.value(v, reflect.ValueOf(into).Elem(), name, &field{enum: enum})
		}
	}
	get("workers", &n.Workers)
	get("order", &n.Order, "partition", "none")
	get("batch", &n.Batch)
	get("retry", &retry)
	get("timeout", &n.Timeout)
	get("doc", &n.Doc)
	n.Retry = Retry{retry.Initial, retry.Max, time.Duration(retry.GiveUp)}
	if v := own["workers"]; v != nil && v.kind == scalar && (n.Workers < 1 || n.Workers > 1024) {
		l.errorAt(v, "", "workers is a number from 1 to 1024")
	}
	if v := own["batch"]; v != nil && (n.Batch.MaxPoints < 0 || n.Batch.MaxBytes < 0) {
		l.errorAt(v, "", "the bounds of a batch are not negative")
	}
	if v := own["retry"]; v != nil && n.Retry.Max < n.Retry.Initial {
		l.errorAt(v, "", "retry.max is less than retry.initial")
	}
	if v := own["buffer"]; v != nil {
		l.buffer(n, d, v)
	}
	if v := own["tags"]; v != nil {
		n.Tags = l.tags(v)
	}
	if v := own["from"]; v != nil {
		l.from(n, v)
	} else if n.Kind != engine.SourceNode {
		l.report(diag.Diagnostic{
			Pos: n.Pos, EndCol: n.Pos.Col + len(n.ID), Message: fmt.Sprintf("%s %q reads nothing", n.Kind, n.ID), Hint: "name its upstream with from:",
		})
	}
}

func (l *loader) tags(v *value) (tags []point.Field) {
	if !l.isMapping(v, "tags") {
		return nil
	}
	for i, k := range v.keys {
		x := v.items[i]
		if x.kind != scalar {
			l.errorAt(x, "", "a tag is a text, this is %s", x.kind)
			continue
		}
		tags = append(tags, point.Field{Key: k.name, Value: point.String(x.text), Tag: true})
	}
	return tags
}

// defaultBuffer is the buffer of a sink that names none; its other options count once a type on the disk is given.
var defaultBuffer = Buffer{
	Type: "memory", MaxBytes: 1 << 30, WhenFull: "block", Sync: "group", Interval: 100 * time.Millisecond, OnIOError: "stop",
}

// leastBuffer is room for some bodies of the largest size.
const leastBuffer = 16 << 20

// buffer decodes and checks the option of that name.
func (l *loader) buffer(n *Node, d *decoder, v *value) {
	if !l.isMapping(v, "buffer") {
		return
	}
	known := *v
	known.keys, known.items = nil, nil
	for i, k := range v.keys {
		if k.name == "orphan" || k.name == "key" {
			l.errorAtKey(k, "", "the option %q of a buffer is not available in this version", k.name)
			continue
		}
		known.keys, known.items = append(known.keys, k), append(known.items, v.items[i])
	}
	d.value(&known, reflect.ValueOf(&n.Buffer).Elem(), "buffer", &field{})
	typ := v.get("type")
	if typ == nil {
		l.errorAt(v, "write `type: disk`, or `type: spill`", "the type of the buffer is missing")
		return
	}
	if n.Buffer.Type == "memory" && typ.text == "memory" {
		for _, k := range known.keys {
			if k.name != "type" && find(fieldsOf(reflect.TypeFor[Buffer]()), k.name) != nil {
				l.errorAtKey(k, "leave it out, or write `type: disk`, or `type: spill`", "a buffer in memory has no option %q: what is in flight is bounded by limits.in_flight", k.name)
			}
		}
		return
	}
	if n.Buffer.MaxBytes < leastBuffer {
		l.errorAt(v.get("max_bytes"), "", "max_bytes of a buffer is at least 16MiB")
	}
	if n.Buffer.MaxAge < 0 {
		l.errorAt(v.get("max_age"), "", "max_age of a buffer is not negative")
	}
	if n.Buffer.Interval <= 0 {
		l.errorAt(v.get("interval"), "", "the interval of a buffer is more than nothing")
	}
}

// retryOption is [Retry] as it is written.
type retryOption struct {
	Initial time.Duration `yaml:"initial" doc:"pause before the first repetition; it doubles each time, with full jitter"`
	Max     time.Duration `yaml:"max" doc:"the longest pause"`
	GiveUp  giveUp        `yaml:"give_up" doc:"how long a body is tried before it becomes a dead letter; never is for ever"`
}

// giveUp is a duration, or 0 for never.
type giveUp time.Duration

// UnmarshalOption reads a duration or never.
func (g *giveUp) UnmarshalOption(n engine.OptionNode) error {
	text, _ := n.Scalar()
	if text == "never" {
		*g = 0
		return nil
	}
	d, err := parseDuration(text)
	if err != nil {
		return n.Errorf("%v, or never", err)
	}
	*g = giveUp(d)
	return nil
}
