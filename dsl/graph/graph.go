// Package graph reads graph.yaml: strict decoding with positions, interpolation, includes, defaults, the
// edges between nodes, and the options of every node into the config struct of its component. What is wrong
// is reported all at once as a [diag.List]. The package builds nothing: engine/runtime does.
package graph

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// Options is what a graph gets from outside of its file. The zero value is the process's own surroundings.
type Options struct {
	Getenv   func(string) (string, bool)  // os.LookupEnv if nil
	Vars     map[string]string            // --var name=value, over those of vars:
	Set      []string                     // --set node.option=value
	ReadFile func(string) ([]byte, error) // reads what the graph names by itself, not as one of a folder; from the disk if nil
}

// Graph is a graph that was read and checked, as far as that goes without building its components.
type Graph struct {
	Path, Dir, Name string
	Limits          Limits
	DataDir         string // resolved beside the graph
	Admin           Admin
	Log             Log
	DeadLetter      DeadLetter
	// Nodes are the sources, operators and sinks in this order, each in the order of the file. Those that are
	// not enabled are left out.
	Nodes []*Node
	// Tests is what stands below tests:, before interpolation.
	Tests []engine.OptionNode
	// Source returns the text of a file of the graph, or of one that an option names (a script), for
	// [diag.List.Print]; nil for others. Secrets in the graph are covered.
	Source func(file string) []byte
	// Files are the paths of the files that options name, and of those that these use (scripts), sorted.
	Files []string

	byID     map[string]*Node
	disabled map[string]engine.NodeKind
}

// Node returns the node with the given id, or nil.
func (g *Graph) Node(id string) *Node { return g.byID[id] }

// Limits bounds what the engine holds and accepts.
type Limits struct {
	Memory   engine.Size `yaml:"memory" doc:"the soft limit of the Go runtime's memory (GOMEMLIMIT, which wins where it is set), at most four fifths of what the container allows"`
	InFlight engine.Size `yaml:"in_flight" doc:"estimated bytes of points that were read and are not done, at most a quarter of memory if it is not given"`
	Message  engine.Size `yaml:"message" doc:"the largest message, line or body element that is accepted"`
	Depth    int         `yaml:"depth" doc:"how deep JSON may be nested"`
}

// Admin is the HTTP server for health, metrics and control.
type Admin struct {
	Listen string `yaml:"listen" doc:"address of the admin server; off if empty"`
}

// Log says how the engine logs.
type Log struct {
	Level  string `yaml:"level" enum:"debug,info,warn,error" doc:"the least severe messages that are written"`
	Format string `yaml:"format" enum:"text,json" doc:"how a message is written"`
}

// DeadLetter says where points go that could not be processed.
type DeadLetter struct {
	Dir      string      `yaml:"dir" doc:"folder of the dead letters, data_dir/dead_letters if empty"`
	MaxBytes engine.Size `yaml:"max_bytes" doc:"how much is kept"`
	WhenFull string      `yaml:"when_full" enum:"block,drop_oldest" doc:"what happens when that is reached"`
}

// Node is a source, an operator or a sink.
type Node struct {
	ID        string
	Kind      engine.NodeKind
	From      []Edge            // of operators and sinks
	Component *engine.Component // of sources, sinks, and operators with a type; nil of operators with steps
	Config    any               // of sources and sinks: a pointer to the component's config struct
	// Steps are what an operator runs, at least one. Of a source they run on what its main output emits.
	Steps   []*Step
	Workers int    // goroutines of the stage, 0 is the default
	Order   string // partition or none
	// Batch, Retry and Timeout are for sinks, and for operators whose component has a default for Batch.
	Batch   engine.Batching
	Retry   Retry
	Timeout engine.Duration // of one attempt, 0 leaves it to the component
	Buffer  Buffer
	Tags    []point.Field // added to every point that lacks them
	Doc     string
	Pos     diag.Pos // of the id
	// Hash is the hex SHA-256 of everything the node's behaviour depends on, its edges excepted: canonical
	// options and the bytes of the files that they name.
	Hash string
	// Sound says that nothing was wrong with the node's own options: its components can be built even if the
	// graph as a whole was refused, to find what else is wrong.
	Sound bool

	conf    *conf
	options *value // of the component, as they were given
}

// Diagnose turns the error of the node's constructor into diagnostics: an [engine.OptionError] stands at its
// option, another one at the node's type. Secrets are taken out of the texts.
func (n *Node) Diagnose(err error) diag.List { return n.conf.diagnose(err) }

// Step is one operator of a node.
type Step struct {
	Name      string // "id" of a plain operator, "id/1:json_split" of the first of several steps
	Component *engine.Component
	Config    any // a pointer to the component's config struct
	// When is the condition for which points are touched, "" if it is all of them. A condition of the node is
	// part of it.
	When    string
	WhenPos diag.Pos
	OnError string // pass, dead_letter, drop or stop
	Pos     diag.Pos

	conf       *conf
	options    *value
	ownOnError bool
}

// Diagnose is [Node.Diagnose] for a step. The option "when" has a position too.
func (s *Step) Diagnose(err error) diag.List { return s.conf.diagnose(err) }

// Edge is an output that a node reads.
type Edge struct {
	Node, Port string // Port is "" for the main output
	Required   bool   // if not, the edge never holds back its upstream
	Pos        diag.Pos
	end        int
}

// String returns the edge's output as it is written in a graph.
func (e Edge) String() string {
	if e.Port == "" {
		return e.Node
	}
	return e.Node + "." + e.Port
}

// Retry says how a failed delivery is repeated.
type Retry struct {
	Initial engine.Duration // pause before the first repetition; it doubles each time, with full jitter
	Max     engine.Duration // the longest pause
	GiveUp  engine.Duration // how long a body is tried before it becomes a dead letter, 0 is for ever
}

// Buffer is what stands between a sink's inlet and its destination.
type Buffer struct {
	Type      string          `yaml:"type" enum:"memory,disk,spill" doc:"where bodies wait for the destination: in memory, where a source keeps what is not done; on the disk, where they are done once they are stored; or in memory while the sink keeps up and on the disk while it does not"`
	MaxBytes  engine.Size     `yaml:"max_bytes" doc:"how much may wait on the disk; it takes up to twice that and about 0.2 GiB"`
	MaxAge    engine.Duration `yaml:"max_age" doc:"what was read longer ago is dropped and counted; 0s keeps it"`
	WhenFull  string          `yaml:"when_full" enum:"block,drop_oldest,drop_newest" doc:"what happens when max_bytes is reached, or the volume's last 1 GiB or 5 %: sources wait, or points are dropped and counted"`
	Sync      string          `yaml:"sync" enum:"group,interval,never" doc:"when a body counts as stored: after an fsync that all share who wait; at once, with an fsync within the interval; or at once without one, for what may be lost"`
	Interval  engine.Duration `yaml:"interval" doc:"the longest time without an fsync, with sync: interval"`
	OnIOError string          `yaml:"on_io_error" enum:"stop,detach" doc:"after an I/O error on the data directory: stop with exit code 74, so that a restart recovers; or go on without this sink, whose sources wait"`
}

// OnDisk reports whether the buffer needs the data directory.
func (b Buffer) OnDisk() bool { return b.Type == "disk" || b.Type == "spill" }

// Load reads the graph in the file path. The error is a [diag.List]; the graph beside it is then good for
// its Source and its sound nodes.
func Load(path string, o Options) (*Graph, error) {
	read := o.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	src, err := read(path)
	if err != nil {
		g := &Graph{Path: path, Source: func(string) []byte { return nil }}
		return g, diag.List{{Pos: diag.Pos{File: path}, Message: "reading the graph: " + cause(err).Error()}}
	}
	return Parse(path, src, o)
}

// Parse is [Load] for a text that was read already. Path names it in messages, and files that it names are
// relative to it.
func Parse(path string, src []byte, o Options) (*Graph, error) {
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	named := o.ReadFile
	if named == nil {
		named, o.ReadFile = readRegular, os.ReadFile
	}
	g := &Graph{Path: path, Dir: filepath.Dir(path), byID: map[string]*Node{}, disabled: map[string]engine.NodeKind{}}
	l := &loader{opts: o, readNamed: named, g: g, files: map[string][]byte{}, masks: map[string][]mask{},
		data: map[string][]byte{}, ids: map[string]diag.Pos{}, disabledFrom: map[string]*value{}}
	g.Source = l.source
	l.in = interpolator{getenv: o.Getenv, readFile: o.ReadFile, source: l.text, report: l.report}
	l.load(path, src)
	g.Files = slices.Sorted(maps.Keys(l.data))
	if err := l.list.Err(); err != nil {
		return g, err
	}
	return g, nil
}
