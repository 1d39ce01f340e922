package graph

import (
	"bufio"
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// plainText matches texts that YAML reads as they are.
var plainText = regexp.MustCompile(`^[A-Za-z0-9_/][A-Za-z0-9_./%+-]*$`)

// wordy matches texts that YAML takes for something else than a text.
var wordy = regexp.MustCompile(`^(?i:null|true|false|yes|no|on|off|y|n|[0-9][0-9_.]*(e[0-9+-]*)?|0x[0-9a-f]+|0o[0-7]+)$`)

// emit writes a mapping in block style, with lists of scalars on one line.
func emit(w *bufio.Writer, v *value, indent int) {
	for i, k := range v.keys {
		pad(w, indent)
		w.WriteString(quoted(k.name, false))
		w.WriteByte(':')
		x := v.items[i]
		switch {
		case x.kind == mapping && len(x.keys) > 0:
			w.WriteByte('\n')
			emit(w, x, indent+1)
		case x.kind == sequence && nested(x):
			w.WriteByte('\n')
			for _, y := range x.items {
				pad(w, indent+1)
				w.WriteString("- ")
				flow(w, y)
				w.WriteByte('\n')
			}
		default:
			w.WriteByte(' ')
			flow(w, x)
			w.WriteByte('\n')
		}
	}
}

func pad(w *bufio.Writer, indent int) {
	for range indent {
		w.WriteString("  ")
	}
}

// nested reports whether a list holds more than scalars.
func nested(v *value) bool {
	for _, x := range v.items {
		if x.kind == mapping || x.kind == sequence {
			return true
		}
	}
	return false
}

// flow writes a value on one line.
func flow(w *bufio.Writer, v *value) {
	switch v.kind {
	case null:
		w.WriteString("null")
	case scalar:
		w.WriteString(quoted(escape(v.text), v.plain))
	case mapping:
		w.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				w.WriteString(", ")
			}
			w.WriteString(quoted(k.name, false))
			w.WriteString(": ")
			flow(w, v.items[i])
		}
		w.WriteByte('}')
	case sequence:
		w.WriteByte('[')
		for i, x := range v.items {
			if i > 0 {
				w.WriteString(", ")
			}
			flow(w, x)
		}
		w.WriteByte(']')
	}
}

// quoted returns a scalar, in quotes unless it is read as itself without them. A plain one had none.
func quoted(s string, plain bool) string {
	if plainText.MatchString(s) && (plain || !wordy.MatchString(s)) && !strings.EqualFold(s, "null") {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string always has a JSON text
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
