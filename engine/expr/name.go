// Package expr reads what a user writes about points: conditions (`category == "logging" && tags.env in
// ["prod"]`) and lookup values (`{by: tags.tenant, map: {gold: 50MB/s}, default: 2MB/s}`). Both are option types of
// components, read and checked when the graph is loaded.
//
// A name that a point does not have makes the comparison it stands in false, whatever the comparison; only
// `== nil` asks whether it is there. Comparisons with constants, `in`, prefixes and regular expressions on the
// names are compiled by hand and allocate nothing; what else expr-lang knows (arithmetic, functions) is run by it.
package expr

import (
	"slices"
	"strconv"
	"strings"

	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// source is where the value of a name comes from.
type source uint8

const (
	fromName source = iota
	fromCategory
	fromTime
	fromTag
	fromField
	fromTopic
	fromPartition
	fromOffset
	fromTimestamp
	fromKey
	fromHeader
)

// A Name is something that can be read of a point: name, category, time, tags.K, fields.K, or meta.topic,
// partition, offset, timestamp, key or headers.K, which is what the record said that the point came from. Times
// are nanoseconds since 1970. As an option it is a text; the zero Name is the point's name.
type Name struct {
	from source
	key  string
}

var plainNames = []struct {
	text string
	from source
}{
	{"name", fromName}, {"category", fromCategory}, {"time", fromTime}, {"meta.topic", fromTopic}, {"meta.partition", fromPartition},
	{"meta.offset", fromOffset}, {"meta.timestamp", fromTimestamp}, {"meta.key", fromKey},
}

var keyedNames = []struct {
	text string
	from source
}{{"tags.", fromTag}, {"fields.", fromField}, {"meta.headers.", fromHeader}}

// ParseName reads a name. The error is a *diag.TextError.
func ParseName(text string) (Name, error) {
	for _, n := range plainNames {
		if n.text == text {
			return Name{from: n.from}, nil
		}
	}
	for _, n := range keyedNames {
		if key, ok := strings.CutPrefix(text, n.text); ok && key != "" {
			return Name{n.from, key}, nil
		}
	}
	return Name{}, &diag.TextError{End: len(text), Message: strconv.Quote(text) + " is no name", Hint: nameHint(text)}
}

// nameHint suggests what an unknown name was meant to be.
func nameHint(text string) string {
	var known []string
	for _, n := range plainNames {
		known = append(known, n.text)
		if n.text == "meta."+text {
			return `did you mean "` + n.text + `"?`
		}
	}
	for _, n := range keyedNames {
		bare := strings.TrimSuffix(n.text, ".")
		if text == bare || text == n.text {
			return "write " + bare + ".KEY"
		}
		// The part before the first dot may be misspelled, or missing.
		if first, key, ok := strings.Cut(text, "."); ok && n.from != fromHeader && diag.Nearest(first, []string{bare}) != "" {
			return `did you mean "` + n.text + key + `"?`
		}
	}
	if hint := diag.DidYouMean(text, known); hint != "" {
		return hint
	}
	if slices.ContainsFunc([]byte(text), func(c byte) bool { return c == ' ' || c == '.' }) || text == "" {
		return "names are name, category, time, tags.KEY, fields.KEY, meta.topic and others"
	}
	return "write tags." + text + " or fields." + text
}

// String returns the name as it is written.
func (n Name) String() string {
	for _, p := range plainNames {
		if p.from == n.from {
			return p.text
		}
	}
	for _, k := range keyedNames {
		if k.from == n.from {
			return k.text + n.key
		}
	}
	return ""
}

// MarshalText returns [Name.String].
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// OptionType says what the option takes.
func (n *Name) OptionType() string { return "name" }

// UnmarshalOption reads a name from a scalar.
func (n *Name) UnmarshalOption(o engine.OptionNode) error {
	text, ok := o.Scalar()
	if !ok {
		return o.Errorf("must be a name: name, category, tags.KEY, fields.KEY, meta.topic")
	}
	v, err := ParseName(text)
	*n = v
	return at(o, err)
}

// PerBatch reports whether all points of a batch that has an Origin have the same value.
func (n Name) PerBatch() bool { return n.from == fromTopic || n.from == fromPartition }

// Value returns what point i of the batch has by the name. Texts refer to the batch. A name for which
// [Name.PerBatch] holds may be asked with any i of a batch that has an Origin.
func (n Name) Value(b *engine.Batch, i int) (v point.Value, ok bool) {
	switch n.from {
	case fromName:
		return point.String(b.Points[i].Name), true
	case fromCategory:
		return point.String(b.Points[i].Category.String()), true
	case fromTime:
		return point.Int(b.Points[i].Time), b.Points[i].Time != 0
	case fromTag, fromField:
		p := &b.Points[i]
		j := p.Index(n.key)
		if j < 0 || p.Fields[j].Tag != (n.from == fromTag) {
			return v, false
		}
		return p.Fields[j].Value, !p.Fields[j].Value.IsNil()
	case fromTopic, fromPartition:
		o := origin(b, i)
		switch {
		case o == nil:
			return v, false
		case n.from == fromTopic:
			return point.String(o.Topic), true
		}
		return point.Int(int64(o.Partition)), true
	}
	r := record(b, i)
	if r == nil {
		return v, false
	}
	switch n.from {
	case fromOffset:
		return point.Int(r.Offset), true
	case fromTimestamp:
		return point.Int(r.Time), r.Time != 0
	case fromKey:
		return point.StringOf(r.Key), r.Key != nil
	}
	for _, h := range r.Headers {
		if h.Key == n.key {
			return point.StringOf(h.Value), true
		}
	}
	return v, false
}

// AppendText appends the value of the name as a text, as [point.AppendText] writes it.
func (n Name) AppendText(dst []byte, b *engine.Batch, i int) ([]byte, bool) {
	v, ok := n.Value(b, i)
	if !ok {
		return dst, false
	}
	return point.AppendText(dst, v), true
}

// origin returns where point i was read, nil if it is not known.
func origin(b *engine.Batch, i int) *engine.Origin {
	if b.Origin != nil {
		return b.Origin
	}
	if r := record(b, i); r != nil {
		return r.Origin
	}
	return nil
}

func record(b *engine.Batch, i int) *engine.Record {
	if r := b.Points[i].Record; r >= 0 && int(r) < len(b.Records) {
		return &b.Records[r]
	}
	return nil
}
