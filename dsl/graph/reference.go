package graph

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"dataflow/engine"
)

// OptionDoc is what is known about an option of a component.
type OptionDoc struct {
	Path     string // as in sasl.mechanism, streams.*.topics, routes[].name
	Type     string // text, duration, list of text, ...
	Default  string
	Doc      string
	Enum     []string
	Required bool
}

// OptionDocs returns the options of a component in the order of its config struct, each before those below it.
func OptionDocs(c *engine.Component) []OptionDoc {
	rv := reflect.ValueOf(c.NewConfig()).Elem()
	if rv.Kind() != reflect.Struct {
		return nil
	}
	return optionDocs(nil, rv, "", 0)
}

// maxOptionDepth ends config structs that hold themselves.
const maxOptionDepth = 6

func optionDocs(docs []OptionDoc, rv reflect.Value, prefix string, depth int) []OptionDoc {
	for _, f := range fieldsOf(rv.Type()) {
		fv := rv.FieldByIndex(f.index)
		path := join(prefix, f.name)
		docs = append(docs, OptionDoc{
			Path: path, Type: typeName(f.typ), Default: defaultText(fv), Doc: f.doc, Enum: f.enum, Required: f.required,
		})
		if depth == maxOptionDepth {
			continue
		}
		t := f.typ
		for below := true; below; {
			switch {
			case t == fileType || t == stepsType || t == durationType || decodesItself(t):
				below = false
			case t.Kind() == reflect.Pointer:
				t = t.Elem()
			case t.Kind() == reflect.Slice:
				t, path = t.Elem(), path+"[]"
			case t.Kind() == reflect.Map:
				t, path = t.Elem(), path+".*"
			case t.Kind() == reflect.Struct:
				inner := reflect.New(t).Elem()
				if fv.Type() == t {
					inner = fv
				} else if fv.Kind() == reflect.Pointer && !fv.IsNil() && fv.Type().Elem() == t {
					inner = fv.Elem()
				}
				docs = optionDocs(docs, inner, path, depth+1)
				below = false
			default:
				below = false
			}
		}
	}
	return docs
}

// defaultText returns a default as it would be written, "" for nothing.
func defaultText(rv reflect.Value) string {
	switch {
	case rv.Type() == secretType || rv.Type() == stepsType:
		return ""
	case rv.Kind() == reflect.Bool:
		return fmt.Sprint(rv.Bool())
	case rv.IsZero():
		return ""
	}
	v := renderer{g: &Graph{}}.value(rv, nil, nil)
	if v == nil || v.kind != scalar && len(v.items) == 0 {
		return ""
	}
	var b strings.Builder
	w := bufio.NewWriter(&b)
	flow(w, v)
	if err := w.Flush(); err != nil { // a Builder takes everything
		return ""
	}
	return b.String()
}

// Reference writes the reference of all components that are compiled in, as Markdown.
func Reference(out io.Writer) error {
	w := bufio.NewWriter(out)
	fmt.Fprint(w, "# Components\n\nGenerated from the components' own declarations; do not edit.\n")
	for kind, title := range [...]string{engine.SourceNode: "Sources", engine.OperatorNode: "Operators", engine.SinkNode: "Sinks"} {
		fmt.Fprintf(w, "\n## %s\n", title)
		for _, c := range engine.Components(engine.NodeKind(kind)) {
			referenceOf(w, c)
		}
	}
	return w.Flush()
}

func referenceOf(w *bufio.Writer, c *engine.Component) {
	fmt.Fprintf(w, "\n### `%s`\n\n%s.\n", c.Type, sentence(c.Summary))
	if doc := strings.TrimSpace(c.Doc); doc != "" {
		fmt.Fprintf(w, "\n%s\n", doc)
	}
	if docs := OptionDocs(c); len(docs) > 0 {
		fmt.Fprint(w, "\n| option | takes | default | means |\n|---|---|---|---|\n")
		for _, o := range docs {
			takes := o.Type
			if len(o.Enum) > 0 {
				takes = "`" + strings.Join(o.Enum, "`, `") + "`"
			}
			def := ""
			switch {
			case o.Required:
				def = "required"
			case o.Default != "":
				def = "`" + o.Default + "`"
			}
			fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", o.Path, cell(takes), cell(def), cell(o.Doc))
		}
	}
	switch {
	case c.Kind == engine.OperatorNode:
		onError := c.OnError
		if onError == "" {
			onError = "dead_letter"
		}
		fmt.Fprintf(w, "\n`on_error` is `%s` unless it is given.", onError)
		if len(c.Ports) > 0 {
			ports := "`" + strings.Join(c.Ports, "`, `") + "`"
			if c.Ports[0] == "*" {
				ports = "those that its options name"
			}
			fmt.Fprintf(w, " Outputs beside the main one: %s.", ports)
		}
		fmt.Fprintln(w)
	case c.Kind == engine.SinkNode && c.Unordered:
		fmt.Fprint(w, "\n`order` is `none` unless it is given: points carry their own time.\n")
	}
	for _, e := range c.Examples {
		fmt.Fprintf(w, "\n%s:\n\n```yaml\n%s\n```\n", strings.TrimSuffix(e.Title, "."), strings.TrimSpace(e.Graph))
	}
}

// sentence makes a sentence of a summary, without the full stop.
func sentence(s string) string {
	s = strings.TrimSuffix(s, ".")
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

// cell escapes what would end a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
