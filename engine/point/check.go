package point

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Limits of a point that [Rules.Check] enforces. Texts are cut, extra tags and fields at the end removed.
const (
	MaxNameLen       = 1024
	MaxTags          = 256
	MaxFields        = 1024
	MaxKeyLen        = 256
	MaxTagValueLen   = 1024
	MaxFieldValueLen = 32 << 20
)

// The types of warnings that [Rules.Check] leaves on a point, with DataKit's spelling.
const (
	WarnName          = "invalid_measurement"
	WarnCount         = "exceed_max_fields" // of tags, too
	WarnTagKeyLen     = "exceed_max_tag_key_len"
	WarnFieldKeyLen   = "exceed_max_field_key_len"
	WarnTagValueLen   = "exceed_max_tag_value_len"
	WarnFieldValueLen = "exceed_max_field_value_len"
	WarnDisabled      = "tag_disabled" // of fields, too
	WarnNewline       = "found_new_line_or_tail_espace"
	WarnTagDot        = "invalid_tag_key"
	WarnFieldDot      = "dot_in_key"
	WarnMaxInf        = "convert_inf_to_max_value"
	WarnMinInf        = "convert_inf_to_min_value"
	WarnNil           = "nil_field"
	WarnValueType     = "invalid_field_value_type"
	WarnRequired      = "add_required_kv"
	WarnConflict      = "key_name_conflict"
)

// Rules are what a category demands of its points beyond the limits.
type Rules struct {
	ReplaceDots bool     // in keys, by _
	DropStrings bool     // fields that are strings or bytes
	Disabled    []string // keys that a point must not have
	Required    []Field  // added when the key is missing
}

// RulesOf returns the rules that DataKit's write API has for a category. Points made from traces of other
// protocols have ReplaceDots besides.
func RulesOf(c Category) Rules {
	switch c {
	case Metric, MetricOld:
		return Rules{DropStrings: true}
	case Logging, DynamicDW:
		return Rules{ReplaceDots: true, Disabled: []string{"source", "date"}, Required: []Field{{Key: "status", Value: String("info")}}}
	case Object:
		return Rules{ReplaceDots: true, Disabled: []string{"class", "date"}, Required: []Field{{Key: "name", Value: String("default")}}}
	}
	return Rules{}
}

// Check makes p follow the rules and the limits, and leaves a warning in p.Extra for each change. Of fields
// with the same key the last one stays, whatever is a tag. A key that became equal to another one by a change
// goes. A NaN stays: encoders treat it.
func (r *Rules) Check(p *Point) {
	if p.Name == "" {
		p.warn(WarnName, "empty name, set to "+DefaultName)
		p.Name = DefaultName
	} else if len(p.Name) > MaxNameLen {
		p.warn(WarnName, fmt.Sprintf("name of %d bytes cut to %d", len(p.Name), MaxNameLen))
		p.Name = p.Name[:MaxNameLen]
	}
	kept := 0
	for i := range p.Fields {
		if r.checkField(p, i, kept) {
			if kept != i {
				p.Fields[kept] = p.Fields[i]
			}
			kept++
		}
	}
	p.Fields = p.Fields[:kept]
	if kept > MaxTags {
		p.limit(true, MaxTags)
		p.limit(false, MaxFields)
	}
	for _, f := range r.Required {
		if p.Index(f.Key) < 0 {
			p.Fields = append(p.Fields, f)
			p.warn(WarnRequired, fmt.Sprintf("added %s with the value %s", f.Key, AppendText(nil, f.Value)))
		}
	}
	if p.mayRepeat() {
		p.dropRepeated()
	}
}

func (p *Point) warn(kind, message string) {
	// Extra may be shared with copies of the point, so it is replaced.
	var e Extra
	if p.Extra != nil {
		e = *p.Extra
	}
	e.Warns = append(slices.Clip(e.Warns), Warn{kind, message})
	p.Extra = &e
}

// checkField checks the field at i, of which kept ones stand in front, and reports whether it stays.
func (r *Rules) checkField(p *Point, i, kept int) bool {
	f := &p.Fields[i]
	before := f.Key
	if keyNeedsWork(f.Key, r.ReplaceDots) {
		r.fixKey(p, f)
	}
	if f.Key == "" || r.disabled(f.Key) {
		p.warn(WarnDisabled, fmt.Sprintf("key %q is empty or not allowed", f.Key))
		return false
	}
	if len(before) != len(f.Key) || before != f.Key {
		taken := func(o Field) bool { return o.Key == f.Key }
		if slices.ContainsFunc(p.Fields[:kept], taken) || slices.ContainsFunc(p.Fields[i+1:], taken) {
			return false
		}
	}
	if f.Tag {
		checkTagValue(p, f)
		return true
	}
	return r.checkValue(p, f)
}

func (r *Rules) disabled(key string) bool {
	for _, d := range r.Disabled {
		if d == key {
			return true
		}
	}
	return false
}

func keyNeedsWork(key string, dots bool) bool {
	if len(key) > MaxKeyLen || key == "" {
		return true
	}
	for i := 0; i < len(key); i++ {
		if c := key[i]; c == '\n' || c == '.' && dots {
			return true
		}
	}
	return key[len(key)-1] == '\\'
}

func (r *Rules) fixKey(p *Point, f *Field) {
	long, dot, what := WarnFieldKeyLen, WarnFieldDot, "field"
	if f.Tag {
		long, dot, what = WarnTagKeyLen, WarnTagDot, "tag"
	}
	if len(f.Key) > MaxKeyLen {
		p.warn(long, fmt.Sprintf("%s key of %d bytes cut to %d", what, len(f.Key), MaxKeyLen))
		f.Key = f.Key[:MaxKeyLen]
	}
	if clean := cleanLine(f.Key); clean != f.Key {
		p.warn(WarnNewline, fmt.Sprintf("%s key %q has a newline or ends with a backslash", what, f.Key))
		f.Key = clean
	}
	if r.ReplaceDots && strings.Contains(f.Key, ".") {
		p.warn(dot, fmt.Sprintf("invalid %s key `%s': found `.'", what, f.Key))
		f.Key = strings.ReplaceAll(f.Key, ".", "_")
	}
}

// cleanLine replaces newlines in s and removes the backslashes at its end.
func cleanLine(s string) string {
	return strings.ReplaceAll(strings.TrimRight(s, `\`), "\n", " ")
}

func checkTagValue(p *Point, f *Field) {
	if f.Value.kind != KindString {
		f.Value = tagText(f.Value)
	}
	s := f.Value.Str()
	if len(s) > MaxTagValueLen {
		p.warn(WarnTagValueLen, fmt.Sprintf("value of tag %s of %d bytes cut to %d", f.Key, len(s), MaxTagValueLen))
		s = s[:MaxTagValueLen]
		f.Value = String(s)
	}
	if s != "" && (s[len(s)-1] == '\\' || strings.IndexByte(s, '\n') >= 0) {
		p.warn(WarnNewline, fmt.Sprintf("value of tag %s has a newline or ends with a backslash", f.Key))
		f.Value = String(cleanLine(s))
	}
}

func (r *Rules) checkValue(p *Point, f *Field) bool {
	switch f.Value.kind {
	case KindNil:
		p.warn(WarnNil, fmt.Sprintf("field(%s) has no value", f.Key))
	case KindString, KindBytes:
		if r.DropStrings {
			p.warn(WarnValueType, fmt.Sprintf("field(%s) dropped with string value, when [DisableStringField] enabled", f.Key))
			return false
		}
		if f.Value.num > MaxFieldValueLen {
			p.warn(WarnFieldValueLen, fmt.Sprintf("field(%s) of %d bytes cut to %d", f.Key, f.Value.num, MaxFieldValueLen))
			f.Value.num = MaxFieldValueLen
		}
	case KindFloat:
		if v := f.Value.Float(); math.IsInf(v, 0) {
			kind := WarnMaxInf
			if v < 0 {
				kind = WarnMinInf
			}
			p.warn(kind, fmt.Sprintf("field(%s) is infinite", f.Key))
			f.Value = Float(finite(v))
		}
	}
	return true
}

// limit removes the tags or fields behind the first most.
func (p *Point) limit(tags bool, most int) {
	n := 0
	before := len(p.Fields)
	p.Fields = slices.DeleteFunc(p.Fields, func(f Field) bool {
		if f.Tag != tags {
			return false
		}
		n++
		return n > most
	})
	if n > most {
		what := "fields"
		if tags {
			what = "tags"
		}
		p.warn(WarnCount, fmt.Sprintf("%d %s, %d removed", n, what, before-len(p.Fields)))
	}
}

// mayRepeat reports whether a key may stand on the point more than once. Keys that differ in length, first or
// last character mostly do not even need comparing.
func (p *Point) mayRepeat() bool {
	if len(p.Fields) > manyFields {
		return true
	}
	seen := uint64(0)
	for i := range p.Fields {
		k := p.Fields[i].Key
		bit := uint64(1) << ((len(k)*13 ^ int(k[0])*7 ^ int(k[len(k)-1])*29 ^ int(k[len(k)/2])) & 63)
		if seen&bit != 0 && p.Index(k) < i {
			return true
		}
		seen |= bit
	}
	return false
}

func (p *Point) dropRepeated() {
	last := make(map[string]int, len(p.Fields))
	for i := range p.Fields {
		last[p.Fields[i].Key] = i
	}
	if len(last) == len(p.Fields) {
		return
	}
	i := -1
	p.Fields = slices.DeleteFunc(p.Fields, func(f Field) bool {
		if i++; last[f.Key] == i {
			return false
		}
		p.warn(WarnConflict, fmt.Sprintf("key %s stands on the point more than once, the last one stays", f.Key))
		return true
	})
}
