package point

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxSeriesKey is the longest name with tags that a line can have.
const maxSeriesKey = 65535

// ParseLines appends the points of a line protocol body to dst, each with its tags before its fields. Strings
// share the body, which must not change while the points live, and what differs from its encoding stands in
// the arena.
//
// Lines that cannot be read are left out, and the error is a [*LinesError] that lists them: a caller may take
// the good lines or refuse the body as a whole. A time that is missing, 0 or negative is o.Now.
func ParseLines(dst []Point, a *Arena, body []byte, o ReadOptions) ([]Point, error) {
	r := lineReader{s: shared(body), b: builder{arena: a}, keys: a.keys[:0]}
	defer func() {
		a.keys = r.keys[:cap(r.keys)]
		clear(a.keys) // they share the body
	}()
	var bad *LinesError
	before := len(dst)
	for i := 0; i < len(r.s); {
		from := i
		for i < len(r.s) && isBlank(r.s[i]) {
			i++
		}
		if i == len(r.s) {
			break
		}
		if r.s[i] == '#' {
			i = r.nextLine(i)
			continue
		}
		if o.MaxPoints > 0 && len(dst)-before == o.MaxPoints {
			return dst, ErrTooManyPoints
		}
		p := Point{Record: -1, Category: o.Category}
		end, reason := r.line(i, &p, &o)
		if reason == "" {
			p.Fields = r.b.finish(o.Spare)
			dst = append(dst, p)
			i = r.nextLine(end)
			continue
		}
		r.b.abandon()
		r.forget()
		end = r.endOfBadLine(i)
		if bad == nil {
			bad = &LinesError{body: r.s}
		}
		bad.add(from, i, end, reason)
		i = end
	}
	if bad == nil {
		return dst, nil
	}
	bad.Good = len(dst) - before
	return dst, bad
}

// LinesError is what is wrong with a body of line protocol. It shares the body.
type LinesError struct {
	Lines  []LineError // the first 1000 bad lines
	Good   int         // lines that are points
	Failed int         // lines that are none

	body    string
	counted int // offset up to which newlines were counted
	newline int // newlines up to there
}

// LineError is one line that is not a point.
type LineError struct {
	Line   int    // 1-based
	Offset int    // of where the reader stood before the blanks and blank lines in front of the line, 1-based
	Text   string // the line without blanks in front, shared with the body
	Reason string
}

// Error returns the text that DataKit gives.
func (e *LineError) Error() string {
	return fmt.Sprintf("unable to parse '%s'(pos: %d): %s", e.Text, e.Offset, e.Reason)
}

// Error returns the text that DataKit gives: every bad line and the whole body.
func (e *LinesError) Error() string {
	var b strings.Builder
	b.WriteString("invalid lineprotocol: ")
	for i := range e.Lines {
		b.WriteString(e.Lines[i].Error())
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "with %d point parse ok, %d points failed. Origin data: %q", e.Good, e.Failed, e.body)
	return b.String()
}

func (e *LinesError) add(from, start, end int, reason string) {
	const most = 1000
	e.Failed++
	if len(e.Lines) == most {
		return
	}
	e.newline += strings.Count(e.body[e.counted:start], "\n")
	e.counted = start
	e.Lines = append(e.Lines, LineError{
		Line: e.newline + 1, Offset: from + 1, Text: strings.TrimSuffix(e.body[start:end], "\n"), Reason: reason,
	})
}

// lineReader reads lines one after the other. Its methods take a position and return the next one, and
// a reason if what they expect is not there.
type lineReader struct {
	s          string
	b          builder
	unbalanced bool // the rest of the body has an odd number of quotes

	// Most lines have the keys of the line before, in the same order. Those are compared as a whole instead of scanned, and as they
	// were all different there, they need not be looked for among each other.
	keys []lineKey // of the last good line without repeated keys
	at   int       // the key that is read next
	same bool      // the keys of this line so far are those of the last one
}

// lineKey is a key as it stands in a line.
type lineKey struct {
	text string // with the equals sign
	key  string
	tag  bool
}

// mostKeys is how many keys of a line are remembered.
const mostKeys = manyFields

// known reports whether the next key is that of the last line.
func (r *lineReader) known(i int, tag bool) bool {
	if !r.same || r.at >= len(r.keys) {
		return false
	}
	k := &r.keys[r.at]
	return k.tag == tag && len(r.s)-i > len(k.text) && r.s[i:i+len(k.text)] == k.text
}

// learn remembers a key, which is not that of the last line, from start to its equals sign.
func (r *lineReader) learn(start, end int, f *Field) {
	r.same = false
	if r.at < mostKeys {
		r.keys = append(r.keys[:r.at], lineKey{r.s[start : end+1], f.Key, f.Tag})
	}
}

// forget is for a line whose keys the next one must not be compared with. No more of them are remembered.
func (r *lineReader) forget() { r.keys, r.same, r.at = r.keys[:0], false, mostKeys }

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == 0 || c == '\n' || c == '\r' }

// What a backslash takes the meaning from, and the characters that a scan has to look at; the others it skips.
var (
	escapableInNames     = escapeSet(", ")
	escapableInTags      = escapeSet(", =")
	escapableInFieldKeys = escapeSet(", =\"")
	scanned              = escapeSet(", =\\\n\r")
)

func (r *lineReader) nextLine(i int) int {
	if n := strings.IndexByte(r.s[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(r.s)
}

// atEnd reports whether a line ends at i: with a newline, after a carriage return or not, or with the body.
func (r *lineReader) atEnd(i int) bool {
	if i >= len(r.s) || r.s[i] == '\n' {
		return true
	}
	return r.s[i] == '\r' && (i+1 == len(r.s) || r.s[i+1] == '\n')
}

// endOfBadLine returns the end of the line at i, newline included, newlines in string values not counting. A
// quote without an end must not take all the lines behind it along, so then every newline counts.
func (r *lineReader) endOfBadLine(i int) int {
	if r.unbalanced {
		return r.nextLine(i)
	}
	inFields, quoted := false, false
	equals, commas := 0, 0
	for j := i; j < len(r.s); j++ {
		switch c := r.s[j]; {
		case c == '\\' && j+1 < len(r.s) && r.s[j+1] != '\n':
			j++
		case c == '\n' && !quoted:
			return j + 1
		case c == ' ':
			inFields = true
		case !inFields:
		case c == '"' && equals > commas:
			quoted = !quoted
		case c == '=' && !quoted:
			equals++
		case c == ',' && !quoted:
			commas++
		}
	}
	if quoted {
		r.unbalanced = true
		return r.nextLine(i)
	}
	return len(r.s)
}

// line reads the line at i into p and the arena.
func (r *lineReader) line(i int, p *Point, o *ReadOptions) (next int, reason string) {
	r.b.begin()
	start := i
	if r.s[i] == ',' {
		return i, "missing measurement"
	}
	i, escaped := r.scan(i, &escapableInNames)
	if r.atEnd(i) {
		return i, "missing fields"
	}
	p.Name = r.unescape(start, i, escaped, &escapableInNames)
	r.at, r.same = 0, true
	duplicate := false
	for r.s[i] == ',' {
		f := r.b.slot()
		if i, reason = r.tag(i+1, f); reason != "" {
			return i, reason
		}
		if !r.same && r.b.find(f.Key) >= 0 {
			duplicate = true // reported when all tags are well-formed
		} else {
			r.b.add()
		}
		r.at++
	}
	if i-start > maxSeriesKey {
		return i, fmt.Sprintf("max key length exceeded: %d > %d", i-start, maxSeriesKey)
	}
	if duplicate {
		return i, "duplicate tags"
	}
	i = r.skipSpaces(i)
	if r.atEnd(i) {
		return i, "missing fields"
	}
	for {
		f := r.b.slot()
		if i, reason = r.field(i, f); reason != "" {
			return i, reason
		}
		switch {
		case f.Value.kind == KindNil && !r.same:
			r.forget() // whether it stands there twice was not asked
		case f.Value.kind == KindNil:
		case r.same:
			r.b.add()
		case !r.b.put():
			r.forget()
		}
		r.at++
		if r.atEnd(i) || r.s[i] == ' ' {
			break
		}
		if i++; r.atEnd(i) || r.s[i] == ' ' { // behind a comma
			return i, "invalid field format"
		}
	}
	return r.timestamp(r.skipSpaces(i), p, o)
}

func (r *lineReader) skipSpaces(i int) int {
	for i < len(r.s) && r.s[i] == ' ' {
		i++
	}
	return i
}

// scan returns the position of the first separator at or after i that is not behind a backslash, or of the end
// of the line. Separators are the escapable characters but the quote.
func (r *lineReader) scan(i int, escapable *[256]bool) (end int, escaped bool) {
	for ; i < len(r.s); i++ {
		c := r.s[i]
		switch {
		case !scanned[c]:
		case c == '\\':
			if i+1 < len(r.s) && escapable[r.s[i+1]] {
				i++
				escaped = true
			}
		case escapable[c] || c == '\n' || c == '\r' && r.atEnd(i):
			return i, escaped
		}
	}
	return i, escaped
}

// unescape returns the text from start to end; a backslash before anything that needs none stays.
func (r *lineReader) unescape(start, end int, escaped bool, escapable *[256]bool) string {
	s := r.s[start:end]
	if !escaped {
		return s
	}
	return r.b.arena.text(func(dst []byte) []byte {
		for i := 0; i < len(s); i++ {
			if s[i] == '\\' && i+1 < len(s) && escapable[s[i+1]] {
				i++
			}
			dst = append(dst, s[i])
		}
		return dst
	})
}

func (r *lineReader) tag(i int, f *Field) (next int, reason string) {
	key := i
	if r.atEnd(i) || r.s[i] == ' ' || r.s[i] == ',' || r.s[i] == '=' {
		return i, "missing tag key"
	}
	var escaped bool
	if r.known(i, true) {
		f.Key, f.Tag = r.keys[r.at].key, true
		i += len(r.keys[r.at].text)
	} else {
		if i, escaped = r.scan(i, &escapableInTags); r.atEnd(i) || r.s[i] != '=' {
			return i, "missing tag value"
		}
		f.Key, f.Tag = r.unescape(key, i, escaped, &escapableInTags), true
		r.learn(key, i, f)
		i++
	}
	value := i
	if r.atEnd(i) || r.s[i] == ' ' || r.s[i] == ',' {
		return i, "missing tag value"
	}
	i, escaped = r.scan(i, &escapableInTags)
	switch {
	case r.atEnd(i):
		return i, "missing fields"
	case r.s[i] == '=':
		return i, "invalid tag format"
	}
	f.Value = String(r.unescape(value, i, escaped, &escapableInTags))
	return i, ""
}

func (r *lineReader) field(i int, f *Field) (next int, reason string) {
	key := i
	if r.s[i] == '=' {
		return i, "missing field key"
	}
	if r.known(i, false) {
		f.Key = r.keys[r.at].key
		i += len(r.keys[r.at].text)
	} else {
		var escaped bool
		if i, escaped = r.scan(i, &escapableInFieldKeys); r.atEnd(i) || r.s[i] != '=' {
			return i, "invalid field format"
		}
		f.Key = r.unescape(key, i, escaped, &escapableInFieldKeys)
		r.learn(key, i, f)
		i++
	}
	if r.atEnd(i) || r.s[i] == ' ' || r.s[i] == ',' {
		return i, "missing field value"
	}
	if r.s[i] == '[' {
		i, f.Value, reason = r.array(i + 1)
	} else {
		i, f.Value, reason = r.scalar(i)
	}
	if reason != "" {
		return i, reason
	}
	if !r.atEnd(i) && r.s[i] != ',' && r.s[i] != ' ' {
		switch f.Value.kind {
		case KindInt, KindUint, KindFloat:
			return i, "invalid number"
		case KindBool:
			return i, "invalid boolean"
		}
		return i, "invalid field format"
	}
	return i, ""
}

// timestamp reads the time and what is left of the line.
func (r *lineReader) timestamp(i int, p *Point, o *ReadOptions) (next int, reason string) {
	start := i
	if i < len(r.s) && r.s[i] == '-' {
		i++
	}
	digits, u := i, uint64(0)
	for i < len(r.s) && r.s[i]-'0' <= 9 {
		u = u*10 + uint64(r.s[i]-'0') // used only if it cannot have overflowed
		i++
	}
	text := r.s[start:i]
	end := r.skipSpaces(i)
	if !r.atEnd(end) || text != "" && i == digits {
		return i, "bad timestamp"
	}
	t := int64(u)
	if i-digits > 19 || u > math.MaxInt64 { // 19 digits fit, and may be more than an int64
		var err error
		if t, err = strconv.ParseInt(text, 10, 64); err != nil {
			return i, "bad timestamp"
		}
	}
	if t <= 0 || digits > start {
		p.Time = o.Now
	} else if ns, ok := o.Precision.Time(t); ok {
		p.Time = ns
	} else {
		return i, errTimeRange.Error()
	}
	return end, ""
}
