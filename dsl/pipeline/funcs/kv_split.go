package funcs

import (
	"regexp"
	regsyntax "regexp/syntax"
	"strings"
	"unicode/utf8"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "kv_split",
	Group:   OnData,
	Summary: "Splits the text of a key into pairs and writes those whose key is in `include_keys`. Yields whether it wrote any.",
	Doc: "The text is split at each match of `field_split_pattern`, and each part at the first match of `value_split_pattern`; parts without " +
		"one are skipped. Keys and values are then stripped of the characters in `trim_key` and `trim_value`; a key of which nothing " +
		"is left is skipped. Values are text. Of equal keys the last one counts.\n\n" +
		"**Without `include_keys`, or with an empty list, nothing is written.** The names in the list are those in the text; the prefix " +
		"comes in front of what is written. The patterns are regular expressions (RE2): a `|` between fields is written `\"\\\\|\"`.",
	Result: "bool",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "field_split_pattern", Kind: Text, Optional: true, Summary: "by default a blank"},
		{Name: "value_split_pattern", Kind: Text, Optional: true, Summary: "by default `=`"},
		{Name: "trim_key", Kind: Text, Optional: true, Summary: "characters, by default none"},
		{Name: "trim_value", Kind: Text, Optional: true, Summary: "characters, by default none"},
		{Name: "include_keys", Kind: Value, Optional: true, Summary: "a list, or a name that holds one; what is no text in it is ignored"},
		{Name: "prefix", Kind: Text, Optional: true, Summary: "by default none"},
	},
	Named: true,
	Examples: []Example{
		{Script: "add_key(ok, kv_split(_, include_keys=[\"svc\", \"dur\"], trim_value=\"\\\"\"))", Message: `svc="cart" dur=1.5s code=503`,
			Want: "svc=\"cart\"\ndur=\"1.5s\"\nok=true"},
		{Script: "kv_split(_, \"\\\\|\", \":\", trim_key=\" \", trim_value=\" \", include_keys=[\"a\", \"b\"], prefix=\"k_\")", Message: "a: 1 | b : x:y |c: 3",
			Want: "k_a=\"1\"\nk_b=\"x:y\""},
		{Script: "add_key(ok, kv_split(_))\nkeys = [\"b\"]\nkv_split(_, field_split_pattern=\"[ ,]+\", include_keys=keys)", Message: "a=1, b=2  b=3",
			Want: "ok=false\nb=\"3\""},
	},
	Bind: bindKVSplit,
})

func bindKVSplit(c *Call) eval.Expr {
	s := &kvSplit{
		fields: newSplitter(c, 1, " "), values: newSplitter(c, 2, "="),
		trimKey: c.Str(3), trimValue: c.Str(4), prefix: c.Str(6),
	}
	if c.bad {
		return nil
	}
	read := c.Read(0)
	if !c.Has(5) {
		return func(f *eval.Frame) (point.Value, bool) {
			_, _, ok := readText(f, read)
			return point.Bool(false), ok
		}
	}
	switch c.Arg(5).(type) {
	case *syntax.List, *syntax.Ident:
	default:
		c.Fault(5, "the argument include_keys must be a list or a name")
		return nil
	}
	include, fixed := c.Value(5), fixedKeys(c.Arg(5))
	return func(f *eval.Frame) (point.Value, bool) {
		text, known, ok := readText(f, read)
		if !known || !ok {
			return point.Bool(false), ok
		}
		taken := keySet{known: fixed}
		if fixed == nil {
			list, ok := include(f)
			if !ok || !taken.take(f, list) {
				return failed()
			}
		}
		return s.write(f, text, &taken)
	}
}

type kvSplit struct {
	fields, values             *splitter
	trimKey, trimValue, prefix string
}

// write writes the pairs of text whose keys are taken.
func (s *kvSplit) write(f *eval.Frame, text string, taken *keySet) (point.Value, bool) {
	if !f.Work(len(text)) || s.fields.re != nil && !f.Spend(len(text)) {
		return failed()
	}
	wroteAny, all := false, s.fields.split(text)
	for {
		part, more := all.next()
		if !more {
			return point.Bool(wroteAny), true
		}
		key, value, isPair := s.values.cut(part)
		if !isPair {
			continue
		}
		if key = strings.Trim(key, s.trimKey); key == "" || !taken.has(key) {
			continue
		}
		name, ok := f.Concat(s.prefix, key)
		if !ok || !f.Write(KeyName(name), point.String(strings.Trim(value, s.trimValue))) {
			return failed()
		}
		wroteAny = true
	}
}

// keySet is the keys that a call takes.
type keySet struct {
	known map[string]struct{} // nil: they are in the list
	list  point.Value
}

// fixedKeys returns the keys if the argument is a list of nothing but text literals, else nil.
func fixedKeys(x syntax.Expr) map[string]struct{} {
	list, isList := x.(*syntax.List)
	if !isList {
		return nil
	}
	keys := map[string]struct{}{}
	for _, item := range list.Items {
		v, isLiteral := literal(item)
		if !isLiteral || v.Kind() != point.KindString {
			return nil
		}
		keys[v.Str()] = struct{}{}
	}
	return keys
}

// take makes a set of what the list holds that was made by the script.
func (k *keySet) take(f *eval.Frame, list point.Value) bool {
	const few = 8 // up to here looking through the list is as fast
	if eval.KindOf(list) != point.KindList {
		k.known = map[string]struct{}{}
		return true
	}
	if k.list = list; eval.Len(list) <= few {
		return true
	}
	if !f.Spend(eval.Len(list) * eval.ItemSize) {
		return false
	}
	k.known = make(map[string]struct{}, eval.Len(list))
	for i := range eval.Len(list) {
		if v := eval.Element(list, i); v.Kind() == point.KindString {
			k.known[v.Str()] = struct{}{}
		}
	}
	return true
}

func (k *keySet) has(key string) bool {
	if k.known != nil {
		_, has := k.known[key]
		return has
	}
	for i := range eval.Len(k.list) {
		if v := eval.Element(k.list, i); v.Kind() == point.KindString && v.Str() == key {
			return true
		}
	}
	return false
}

// splitter cuts texts at a separator.
type splitter struct {
	re   *regexp.Regexp // nil: the separator is the word
	word string
}

// newSplitter returns the splitter for the pattern that is argument i, otherwise if it is not given.
func newSplitter(c *Call, i int, otherwise string) *splitter {
	if !c.Has(i) {
		return &splitter{word: otherwise}
	}
	s := &splitter{re: c.regexp(i)}
	tree, err := regsyntax.Parse(c.Str(i), regsyntax.Perl)
	if err != nil {
		return s
	}
	// The expression finds U+FFFD in bytes that are no UTF-8, too.
	if tree = tree.Simplify(); tree.Op == regsyntax.OpLiteral && tree.Flags&regsyntax.FoldCase == 0 &&
		!strings.ContainsRune(string(tree.Rune), utf8.RuneError) {
		s.re, s.word = nil, string(tree.Rune)
	}
	return s
}

// cut cuts a text around the first separator. found is false if there is none.
func (s *splitter) cut(text string) (before, after string, found bool) {
	if s.re == nil {
		return strings.Cut(text, s.word)
	}
	parts := s.re.Split(text, 2)
	if len(parts) < 2 {
		return text, "", false
	}
	return parts[0], parts[1], true
}

// split cuts a text around all separators.
func (s *splitter) split(text string) parts {
	if s.re != nil {
		return parts{list: s.re.Split(text, -1)}
	}
	return parts{word: s.word, rest: text, more: true}
}

// parts are the parts of a text that are left.
type parts struct {
	list       []string
	word, rest string // what is left, as long as more is set
	more       bool
}

func (p *parts) next() (part string, ok bool) {
	if p.more {
		part, p.rest, p.more = strings.Cut(p.rest, p.word)
		return part, true
	}
	if len(p.list) == 0 {
		return "", false
	}
	part, p.list = p.list[0], p.list[1:]
	return part, true
}

// regexp compiles the text literal i by package regexp, which can split; [Call.expression] only finds. It returns nil after a fault.
func (c *Call) regexp(i int) *regexp.Regexp {
	re, err := regexp.Compile(c.Str(i))
	if err != nil {
		c.Fault(i, "%v", err)
	}
	return re
}
