package graph

import (
	"fmt"
	"strconv"
	"strings"

	"dataflow/engine/diag"
)

// kind is what a value of the file is.
type kind uint8

const (
	null kind = iota
	scalar
	mapping
	sequence
)

func (k kind) String() string {
	return [...]string{"nothing", "a single value", "a mapping", "a list"}[k]
}

// A value is one value of the file with its position, after aliases and merge keys, before or after
// interpolation. Everything else is decoded from it, so that every message can point at the file.
type value struct {
	kind  kind
	pos   diag.Pos
	end   int    // column after the last character, 0 if it has several lines
	text  string // of a scalar, as it stands in the file without quotes
	plain bool   // a scalar without quotes
	lines int    // of a block scalar below pos

	keys  []key    // of a mapping
	items []*value // of a mapping, beside keys, or a sequence

	secret  bool // some of the text came from a file that the text named
	broken  bool // could not be interpolated, which was reported
	literal bool // not to be interpolated: it was typed on the command line, or interpolated before
}

// key is a key of a mapping.
type key struct {
	name string
	pos  diag.Pos
	end  int
}

// get returns the value of a key of a mapping, nil if it is not there or v is no mapping.
func (v *value) get(name string) *value {
	if i := v.index(name); i >= 0 {
		return v.items[i]
	}
	return nil
}

func (v *value) index(name string) int {
	if v == nil || v.kind != mapping {
		return -1
	}
	for i, k := range v.keys {
		if k.name == name {
			return i
		}
	}
	return -1
}

// set gives the key k the value x, at the end if it is new.
func (v *value) set(k key, x *value) {
	if i := v.index(k.name); i >= 0 {
		v.keys[i], v.items[i] = k, x
		return
	}
	v.keys, v.items = append(v.keys, k), append(v.items, x)
}

// without returns a mapping that lacks the keys for which drop holds.
func (v *value) without(drop func(name string) bool) *value {
	out := *v
	out.keys, out.items = nil, nil
	for i, k := range v.keys {
		if !drop(k.name) {
			out.keys, out.items = append(out.keys, k), append(out.items, v.items[i])
		}
	}
	return &out
}

// clone returns a deep copy. Budget is lowered by the number of values; nil if it does not suffice.
func (v *value) clone(budget *int) *value {
	if *budget--; *budget < 0 {
		return nil
	}
	out := *v
	out.keys = append([]key(nil), v.keys...)
	out.items = make([]*value, len(v.items))
	for i, x := range v.items {
		if out.items[i] = x.clone(budget); out.items[i] == nil {
			return nil
		}
	}
	return &out
}

// scalars calls f for v and every value below it that is a scalar.
func (v *value) scalars(f func(*value)) {
	if v.kind == scalar {
		f(v)
	}
	for _, x := range v.items {
		x.scalars(f)
	}
}

func (v *value) errorf(format string, a ...any) diag.Diagnostic {
	message := fmt.Sprintf(format, a...)
	if v.secret {
		message = redact(message, v.text)
	}
	return diag.Diagnostic{Pos: v.pos, EndCol: v.end, Message: message}
}

func (k key) errorf(format string, a ...any) diag.Diagnostic {
	return diag.Diagnostic{Pos: k.pos, EndCol: k.end, Message: fmt.Sprintf(format, a...)}
}

const redacted = "[redacted]"

// shortestSecret is the length from which a secret is looked for in messages: a shorter one would tear
// unrelated words apart, which gives it away.
const shortestSecret = 4

// redact takes a secret out of a message, plain or as %q wrote it.
func redact(message, secret string) string {
	if len(secret) < shortestSecret {
		return message
	}
	message = strings.ReplaceAll(message, secret, redacted)
	quoted := strconv.Quote(secret)
	return strings.ReplaceAll(message, quoted[1:len(quoted)-1], redacted)
}
