// Package funcs holds the functions of the Pipeline language. Each is one declaration: its name, its parameters, what is
// checked when a script is loaded, and examples, which run as tests.
package funcs

import (
	"maps"
	"slices"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

// Decl declares a function.
type Decl struct {
	Name     string
	Group    Group
	Summary  string // one sentence, with Markdown
	Doc      string // what else to know, with Markdown: rules, what differs from DataKit, what a kill loses
	Result   string // type of what a call yields; "" is void
	Params   []Param
	Named    bool // arguments may be named
	Surplus  bool // further arguments are ignored
	Examples []Example

	// Bind makes the closure of one call. It reports what is wrong with the call to c and returns nil then.
	Bind func(c *Call) eval.Expr
}

// Group is what functions work on. It is a heading of the reference.
type Group string

// The groups, in the order of the reference.
const (
	OnPoint   Group = "The point"
	OnControl Group = "Control"
	OnTypes   Group = "Types and numbers"
	OnText    Group = "Text"
	OnData    Group = "JSON, lists, maps, XML and key-value text"
	OnGrok    Group = "Grok"
	OnTime    Group = "Time"
	OnClass   Group = "Classification"
	OnState   Group = "State across points"
	OnOutside Group = "Data from outside"
)

// Groups are all groups in the order of the reference.
var Groups = []Group{OnPoint, OnControl, OnTypes, OnText, OnData, OnGrok, OnTime, OnClass, OnState, OnOutside}

// Param is a parameter.
type Param struct {
	Name     string
	Kind     Kind
	Optional bool
	Summary  string
}

// Kind says what may stand for a parameter, and how it is read.
type Kind uint8

// The kinds of parameters.
const (
	Value   Kind = iota // any expression
	Key                 // a name, an attribute path or a text: stands for its own text
	Name                // a name or an attribute path: stands for its own text
	Ident               // a name: stands for itself
	Text                // a text literal
	Flag                // true or false
	Operand             // a name or an attribute path, whose value is looked up, or a text literal
	Path                // a path into a JSON document: a.b[0].c
	Rest                // any number of expressions; the last parameter
)

var kindNames = [...]string{
	"an expression", "a name, a path or a text", "a name or a path", "a name", "a text literal", "true or false",
	"a name, a path or a text literal", "a JSON path such as a.b[0]", "expressions",
}

// String says what may stand for a parameter of the kind.
func (k Kind) String() string { return kindNames[k] }

// Example is a script with a message that it runs on. It runs as a test and stands in the reference.
type Example struct {
	Script   string
	Message  string
	Category point.Category    // of the point; 0 is logging
	Points   []string          // instead of Message: messages of points that are run one after the other
	Scripts  map[string]string // others, for use
	// Want is what the run leaves, a line each: an error, dropped, name=, time=, the point's keys but for message and
	// status as they were (key=value, key#=value for a tag), and "created " with the category and the line protocol
	// of each created point. With Points a line "--" stands between the outcomes.
	Want string
	// Varies says that the outcome depends on chance or the clock. Then Want says in words what to expect, and the test
	// only runs it.
	Varies bool
}

var declared = map[string]*Decl{}

// declare registers a function.
func declare(d Decl) *Decl {
	if declared[d.Name] != nil {
		panic("function " + d.Name + " is declared twice")
	}
	declared[d.Name] = &d
	return &d
}

// Get returns the function with the given name, or nil.
func Get(name string) *Decl { return declared[name] }

// All returns the functions by name.
func All() []*Decl {
	all := make([]*Decl, 0, len(declared))
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		all = append(all, declared[name])
	}
	return all
}
