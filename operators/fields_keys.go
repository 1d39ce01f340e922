package operators

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dataflow/engine"
	"dataflow/engine/expr"
	"dataflow/engine/point"
)

// keys says which keys are meant: by their names, or by how they begin.
type keys struct {
	given    bool
	names    []string
	prefixes []string
}

func newKeys(list []string) (keys, error) {
	k := keys{given: len(list) > 0}
	for _, text := range list {
		name, glob := strings.CutSuffix(text, "*")
		switch {
		case text == "":
			return k, errors.New("a key has a name")
		case strings.Contains(name, "*"):
			return k, fmt.Errorf("%q: * stands at the end of a key only", text)
		case glob:
			k.prefixes = append(k.prefixes, name)
		default:
			k.names = append(k.names, name)
		}
	}
	return k, nil
}

// has reports whether key is meant. The lists are a handful of names: to compare them costs less than to hash the key.
func (k *keys) has(key string) bool {
	if slices.Contains(k.names, key) {
		return true
	}
	for _, p := range k.prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// settings are values by key, in the order of the graph.
type settings []setting

type setting struct {
	key   string
	value expr.Lookup[constant]
}

// UnmarshalOption reads the settings from a mapping.
func (s *settings) UnmarshalOption(n engine.OptionNode) error {
	names, nodes, ok := n.Map()
	if !ok {
		return n.Errorf("must be a mapping from keys to values")
	}
	var errs []error
	for i, name := range names {
		x := setting{key: name}
		if name == "" || strings.Contains(name, "*") {
			errs = append(errs, nodes[i].Errorf("%q cannot be a key", name))
		}
		errs = append(errs, x.value.UnmarshalOption(nodes[i]))
		*s = append(*s, x)
	}
	return errors.Join(errs...)
}

// OptionType says what the option takes.
func (s *settings) OptionType() string { return "mapping of values or lookups" }

// apply writes the values to point i of the batch.
func (s settings) apply(b *engine.Batch, i int) {
	for j := range s {
		c, ok := s[j].value.Of(b, i)
		if !ok {
			continue
		}
		p := &b.Points[i]
		switch at := p.Index(s[j].key); {
		case at < 0:
			p.Fields = append(p.Fields, point.Field{Key: s[j].key, Value: c.value})
		case p.Fields[at].Tag:
			p.Fields[at].Value = c.text
		default:
			p.Fields[at].Value = c.value
		}
	}
}

// A constant is a value of the graph, typed as it looks, and its text.
type constant struct{ value, text point.Value }

// UnmarshalOption reads a constant from a scalar.
func (c *constant) UnmarshalOption(n engine.OptionNode) error {
	text, ok := n.Scalar()
	if !ok {
		return n.Errorf("must be a single value")
	}
	c.value = typed(text)
	c.text = point.String(string(point.AppendText(nil, c.value)))
	return nil
}

// typed returns a text as what it looks like. Only what is written back the same is a number: 007 and 1_000 are texts.
func typed(text string) point.Value {
	switch text {
	case "true":
		return point.Bool(true)
	case "false":
		return point.Bool(false)
	}
	if inner, ok := strings.CutPrefix(text, `"`); ok && len(inner) > 0 && strings.HasSuffix(inner, `"`) {
		return point.String(inner[:len(inner)-1])
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		return point.Int(n)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && decimal(text) {
		return point.Float(f)
	}
	return point.String(text)
}

// decimal reports whether a text is digits with a point between them, and perhaps a minus in front.
func decimal(text string) bool {
	whole, fraction, ok := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	digits := func(s string) bool {
		return s != "" && strings.Trim(s, "0123456789") == ""
	}
	return ok && digits(whole) && digits(fraction) && (whole == "0" || whole[0] != '0')
}
