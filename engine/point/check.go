package point

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"
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

	// The warnings about an empty name and about each of Required, for points that have no other: most logs lack a status.
	unnamed *Extra
	added   []*Extra
}

// RulesOf returns the rules that DataKit's write API has for a category. Points made from traces of other
// protocols have ReplaceDots besides.
func RulesOf(c Category) Rules {
	if c >= Categories {
		c = Unknown
	}
	return categoryRules[c]
}

var categoryRules = func() (all [Categories]Rules) {
	for c := range all {
		all[c] = newRules(Category(c))
	}
	return all
}()

// newRules makes the rules of a category, with the warnings that they leave most often.
func newRules(c Category) Rules {
	r := rulesOf(c)
	warned := func(kind, format string, args ...any) *Extra {
		var p Point
		c := checking{p: &p}
		c.warn(kind, format, args...)
		return p.Extra
	}
	r.unnamed = warned(WarnName, emptyName)
	for _, f := range r.Required {
		r.added = append(r.added, warned(WarnRequired, addedField, f.Key, AppendText(nil, f.Value)))
	}
	return r
}

// Texts of warnings.
const (
	emptyName  = "empty name, set to " + DefaultName
	addedField = "added %s with the value %s"
)

func rulesOf(c Category) Rules {
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

// Check makes p follow the rules and the limits, and leaves a warning in p.Extra for each of the first hundred changes. Of fields
// with the same key the last one stays, whatever is a tag. A key that became equal to another one by a change
// goes. A NaN stays: encoders treat it.
func (r *Rules) Check(p *Point) {
	r.check(&checking{p: p})
}

// Checker applies rules to the points of one body, one after the other. The keys of what [ParseLines] returns share memory from line to line: those that were found
// good on the point before are not looked at again. The texts of the points must not change meanwhile. It is for one goroutine.
type Checker struct {
	rules *Rules
	keys  []string // of the last point, if all of them were good as they came
}

// Checker returns a checker of the points of one body.
func (r *Rules) Checker() *Checker { return &Checker{rules: r} }

// Check does what [Rules.Check] does.
func (k *Checker) Check(p *Point) {
	came := len(p.Fields)
	c := checking{p: p, known: k.keys}
	k.rules.check(&c)
	switch {
	case c.odd || came > manyFields:
		k.keys = k.keys[:0]
	case !c.same:
		k.keys = k.keys[:0]
		for i := range p.Fields[:came] {
			k.keys = append(k.keys, p.Fields[i].Key)
		}
	}
}

func (r *Rules) check(c *checking) {
	p := c.p
	if p.Name == "" {
		if p.Extra == nil && r.unnamed != nil {
			p.Extra = r.unnamed
		} else {
			c.warn(WarnName, emptyName)
		}
		p.Name = DefaultName
	} else if len(p.Name) > MaxNameLen {
		c.warn(WarnName, "name of %d bytes cut to %d", len(p.Name), MaxNameLen)
		p.Name = p.Name[:MaxNameLen]
	}
	for i := range p.Fields {
		if r.checkField(c, i) {
			if c.kept != i {
				p.Fields[c.kept] = p.Fields[i]
			}
			c.kept++
		}
	}
	c.odd = c.odd || c.kept != len(p.Fields)
	c.same = !c.odd && c.met == c.kept && c.kept == len(c.known)
	p.Fields = p.Fields[:c.kept]
	if c.kept > MaxTags {
		c.limit(true, MaxTags)
		c.limit(false, MaxFields)
	}
	for i, f := range r.Required {
		if p.Index(f.Key) >= 0 {
			continue
		}
		c.same = false // the key that is added was not there when the others were compared
		p.Fields = append(p.Fields, f)
		if p.Extra == nil && i < len(r.added) {
			p.Extra = r.added[i]
			continue
		}
		c.warn(WarnRequired, addedField, f.Key, AppendText(nil, f.Value))
	}
	if !c.same && p.mayRepeat() {
		c.dropRepeated()
	}
}

// checking is the check of one point.
type checking struct {
	p     *Point
	kept  int            // fields that stay, in front
	warns int            // that were left
	keys  map[string]int // how often a key stands on a point with many fields; made when a key changes

	known []string // good keys of a point before
	met   int      // how many fields have the known key of their place
	odd   bool     // a key had to be changed, or a field did not stay
	same  bool     // the point has the known keys and no others
}

// maxWarns bounds what is said about a point: a hostile one could need a warning for each of a million fields.
const maxWarns = 100

func (c *checking) warn(kind, format string, args ...any) {
	if c.warns == maxWarns {
		return
	}
	if c.warns++; c.warns == 1 {
		// Extra may be shared with copies of the point, so it is replaced.
		var e Extra
		if c.p.Extra != nil {
			e = *c.p.Extra
		}
		e.Warns = slices.Clip(e.Warns)
		c.p.Extra = &e
	}
	c.p.Extra.Warns = append(c.p.Extra.Warns, Warn{kind, fmt.Sprintf(format, args...)})
}

// changed notes that the key before of the field at i has become another one, and reports whether that stands on the point already.
func (c *checking) changed(i int, before string) (taken bool) {
	key := c.p.Fields[i].Key
	if len(c.p.Fields) < manyFields {
		same := func(o Field) bool { return o.Key == key }
		return slices.ContainsFunc(c.p.Fields[:c.kept], same) || slices.ContainsFunc(c.p.Fields[i+1:], same)
	}
	if c.keys == nil {
		c.keys = make(map[string]int, len(c.p.Fields))
		for j := range c.p.Fields[:c.kept] {
			c.keys[c.p.Fields[j].Key]++
		}
		for j := range c.p.Fields[i+1:] {
			c.keys[c.p.Fields[i+1+j].Key]++
		}
		c.keys[before]++
	}
	c.keys[before]--
	if c.keys[key] > 0 {
		return true
	}
	c.keys[key]++
	return false
}

// gone notes that a field with the key does not stay.
func (c *checking) gone(key string) {
	if c.keys != nil {
		c.keys[key]--
	}
}

// checkField checks the field at i and reports whether it stays.
func (r *Rules) checkField(c *checking, i int) bool {
	f := &c.p.Fields[i]
	before := f.Key
	if i < len(c.known) && sharesMemory(c.known[i], f.Key) {
		c.met++
		return r.checkFieldValue(c, f)
	}
	if keyNeedsWork(f.Key, r.ReplaceDots) {
		r.fixKey(c, f)
	}
	if f.Key == "" || r.disabled(f.Key) {
		c.warn(WarnDisabled, "key %q is empty or not allowed", f.Key)
		c.gone(before)
		return false
	}
	if len(before) != len(f.Key) || before != f.Key {
		c.odd = true
		if c.changed(i, before) {
			return false
		}
	}
	return r.checkFieldValue(c, f)
}

// sharesMemory reports whether two texts are the same one.
func sharesMemory(a, b string) bool {
	return len(a) == len(b) && unsafe.StringData(a) == unsafe.StringData(b)
}

// checkFieldValue checks a field whose key is good, and reports whether it stays.
func (r *Rules) checkFieldValue(c *checking, f *Field) bool {
	if f.Tag {
		checkTagValue(c, f)
		return true
	}
	if !r.checkValue(c, f) {
		c.gone(f.Key)
		return false
	}
	return true
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

func (r *Rules) fixKey(c *checking, f *Field) {
	long, dot, what := WarnFieldKeyLen, WarnFieldDot, "field"
	if f.Tag {
		long, dot, what = WarnTagKeyLen, WarnTagDot, "tag"
	}
	if len(f.Key) > MaxKeyLen {
		c.warn(long, "%s key of %d bytes cut to %d", what, len(f.Key), MaxKeyLen)
		f.Key = f.Key[:MaxKeyLen]
	}
	if clean := cleanLine(f.Key); clean != f.Key {
		c.warn(WarnNewline, "%s key %q has a newline or ends with a backslash", what, f.Key)
		f.Key = clean
	}
	if r.ReplaceDots && strings.Contains(f.Key, ".") {
		c.warn(dot, "invalid %s key `%s': found `.'", what, f.Key)
		f.Key = strings.ReplaceAll(f.Key, ".", "_")
	}
}

// cleanLine replaces newlines in s and removes the backslashes at its end.
func cleanLine(s string) string {
	return strings.ReplaceAll(strings.TrimRight(s, `\`), "\n", " ")
}

func checkTagValue(c *checking, f *Field) {
	if f.Value.kind != KindString {
		f.Value = tagText(f.Value)
	}
	s := f.Value.Str()
	if len(s) > MaxTagValueLen {
		c.warn(WarnTagValueLen, "value of tag %s of %d bytes cut to %d", f.Key, len(s), MaxTagValueLen)
		s = s[:MaxTagValueLen]
		f.Value = String(s)
	}
	if s != "" && (s[len(s)-1] == '\\' || strings.IndexByte(s, '\n') >= 0) {
		c.warn(WarnNewline, "value of tag %s has a newline or ends with a backslash", f.Key)
		f.Value = String(cleanLine(s))
	}
}

func (r *Rules) checkValue(c *checking, f *Field) bool {
	switch f.Value.kind {
	case KindNil:
		c.warn(WarnNil, "field(%s) has no value", f.Key)
	case KindString, KindBytes:
		if r.DropStrings {
			c.warn(WarnValueType, "field(%s) dropped with string value, when [DisableStringField] enabled", f.Key)
			return false
		}
		if f.Value.num > MaxFieldValueLen {
			c.warn(WarnFieldValueLen, "field(%s) of %d bytes cut to %d", f.Key, f.Value.num, MaxFieldValueLen)
			f.Value.num = MaxFieldValueLen
		}
	case KindFloat:
		if v := f.Value.Float(); math.IsInf(v, 0) {
			kind := WarnMaxInf
			if v < 0 {
				kind = WarnMinInf
			}
			c.warn(kind, "field(%s) is infinite", f.Key)
			f.Value = Float(finite(v))
		}
	}
	return true
}

// limit removes the tags or fields behind the first most.
func (c *checking) limit(tags bool, most int) {
	p := c.p
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
		c.warn(WarnCount, "%d %s, %d removed", n, what, before-len(p.Fields))
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

func (c *checking) dropRepeated() {
	p := c.p
	last := make(map[string]int, len(p.Fields))
	for i := range p.Fields {
		last[p.Fields[i].Key] = i
	}
	if len(last) == len(p.Fields) {
		return
	}
	c.odd = true
	i := -1
	p.Fields = slices.DeleteFunc(p.Fields, func(f Field) bool {
		if i++; last[f.Key] == i {
			return false
		}
		c.warn(WarnConflict, "key %s stands on the point more than once, the last one stays", f.Key)
		return true
	})
}
