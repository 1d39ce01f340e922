package compile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// noted is an index that tells Notes why it yields nil or fails. It is compiled only where somebody asks.
func (c *compiler) noted(w *walk) eval.Expr {
	tell := c.Notes
	return func(f *eval.Frame) (point.Value, bool) {
		v, found, ok := w.to(f, len(w.steps))
		if !found || !ok {
			if at, text := w.why(f, ok); text != "" {
				tell(w.src.Place(at.at), text)
			}
		}
		return v, ok
	}
}

// why goes the steps again, as far as they are constant, and says at which of them the chain ends or fails.
func (w *walk) why(f *eval.Frame, ok bool) (at *step, text string) {
	v, known := w.base(f)
	if !known {
		return nil, ""
	}
	v = eval.Tree(v)
	path := w.name
	for i := range w.steps {
		s := &w.steps[i]
		if s.expr != nil {
			return nil, ""
		}
		switch v.Kind() {
		case point.KindMap:
			if !s.isKey {
				return nil, ""
			}
			key := s.val.Str()
			below, has := v.Map()[key]
			if !has {
				return s, lacks(path, key, v)
			}
			v = below
		case point.KindList:
			n := s.val.Int()
			if n < 0 {
				n += int64(v.Len())
			}
			if s.val.Kind() != point.KindInt || n < 0 || n >= int64(v.Len()) {
				return s, fmt.Sprintf("%s has %d elements", path, v.Len())
			}
			v = v.Items()[n]
		case point.KindNil:
			if i == 0 {
				return s, path + " is nil here; load_json yields nil for a text that is no JSON"
			}
			return s, path + " is nil here"
		default:
			return s, fmt.Sprintf("%s is %s: %s", path, eval.TypeName(v), short(v))
		}
		path += stepText(s.val)
	}
	return nil, ""
}

func stepText(key point.Value) string {
	if key.Kind() == point.KindString {
		return "[" + strconv.Quote(key.Str()) + "]"
	}
	return "[" + strconv.FormatInt(key.Int(), 10) + "]"
}

const maxShown = 12 // keys of a map

// lacks says that a map has no such key, and which it has, here or further down.
func lacks(path, key string, v point.Value) string {
	keys := slices.Sorted(maps.Keys(v.Map()))
	text := fmt.Sprintf("%s has no key %q", path, key)
	shown := keys[:min(len(keys), maxShown)]
	switch {
	case len(keys) == 0:
		return text + "; it is empty"
	case len(keys) > maxShown:
		text += fmt.Sprintf("; it has %d, among them %s", len(keys), strings.Join(shown, ", "))
	default:
		text += "; it has " + strings.Join(shown, ", ")
	}
	if deeper := search(v, key); deeper != "" {
		return text + fmt.Sprintf(" (there is %s%s)", path, deeper)
	}
	if hint := diag.DidYouMean(key, keys); hint != "" {
		return text + " (" + hint + ")"
	}
	return text
}

// search returns the shortest path below v that leads to key, "" if there is none nearby.
func search(v point.Value, key string) string {
	type place struct {
		path string
		v    point.Value
	}
	const most = 10_000 // values that are looked at
	queue := []place{{"", v}}
	for n := 0; n < len(queue) && n < most; n++ {
		at := queue[n]
		switch at.v.Kind() {
		case point.KindMap:
			m := at.v.Map()
			if _, has := m[key]; has {
				return at.path + stepText(point.String(key))
			}
			for _, k := range slices.Sorted(maps.Keys(m)) {
				queue = append(queue, place{at.path + stepText(point.String(k)), m[k]})
			}
		case point.KindList:
			for i, x := range at.v.Items() {
				queue = append(queue, place{at.path + stepText(point.Int(int64(i))), x})
			}
		}
	}
	return ""
}

// short is a value as a text of a few words.
func short(v point.Value) string {
	const most = 60
	text := []rune(string(point.AppendJSON(nil, v)))
	if len(text) > most {
		text = append(text[:most], []rune("...")...)
	}
	return string(text)
}
