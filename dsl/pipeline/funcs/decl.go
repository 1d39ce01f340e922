// Package funcs holds the functions of the Pipeline language. Each is one declaration: its name, its parameters, what is
// checked when a script is loaded, and examples, which run as tests.
package funcs

import (
	"maps"
	"slices"

	"dataflow/dsl/pipeline/eval"
)

// Decl declares a function.
type Decl struct {
	Name     string
	Summary  string // one sentence, with Markdown
	Result   string // type of what a call yields; "" is void
	Params   []Param
	Named    bool // arguments may be named
	Surplus  bool // further arguments are ignored
	Examples []Example

	// Bind makes the closure of one call. It reports what is wrong with the call to c and returns nil then.
	Bind func(c *Call) eval.Expr
}

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

// Example is a script with a message that it runs on.
type Example struct {
	Script  string
	Message string
	Want    string // the point's keys after the run but for the message as it was: key=value, key#=value for a tag, one a line
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

// absent are the functions of DataKit 1.84 that this version does not have.
var absent = []string{
	"adjust_timezone", "agg_create", "agg_metric", "b64dec", "b64enc", "cache_get", "cache_set", "cidr",
	"conv_traceid_w3c_to_dd", "cover", "create_point", "datetime", "decode", "default_time_with_fmt", "delete",
	"duration_precision", "format_int", "geoip", "gjson", "group_between", "group_in", "hash", "http_request", "json_all",
	"kv_split", "mquery_refer_table", "parse_date", "parse_duration", "parse_int", "point_window", "pt_kvs_del", "pt_kvs_get",
	"pt_kvs_keys", "pt_kvs_set", "pt_name", "query_refer_table", "sample", "setopt", "slice_string", "sql_cover", "strlen",
	"timestamp", "url_decode", "url_parse", "user_agent", "vaild_json", "valid_json", "value_type", "window_hit", "xml",
}
