package funcs

import (
	"math"
	"strings"
)

// A plain GJSON path finds a part of the text. Modifiers and multipaths build new texts, and one after the other they can
// make a long text of a short one: "[@this,@this]|[@this,@this]" has it four times, @tostr doubles the escapes of the last
// one, @pretty indents by the depth. The library does all that in one call that cannot be stopped, so what it may cost is
// bounded from the path and the text before.

const (
	maxGJSONPath     = 4096
	maxGJSONBrackets = 100_000 // the library's modifiers call themselves for each level
	escapedByte      = 6       // \u003c
)

// builds reports whether the path may make new text.
func builds(path string) bool { return strings.ContainsAny(path, "@{[!") }

// calm reports whether the path can be followed in text without exhausting the stack.
func calm(text, path string) bool {
	return !strings.Contains(path, "@") || brackets(text) <= maxGJSONBrackets
}

// brackets returns a bound of the nesting of text, also of texts in its texts.
func brackets(text string) int {
	return strings.Count(text, "[") + strings.Count(text, "{") + strings.Count(text, `\u`)
}

// growth returns how many bytes of new text following the path may make.
func growth(text, path string) int {
	if !builds(path) {
		return 0
	}
	bytes := float64(len(text)+escapedByte*len(path)) * factor(path, shapeOfText(text, path))
	return int(min(bytes, math.MaxInt32))
}

// textShape is what the modifiers that do more than copy depend on.
type textShape struct{ size, depth, longest, commas int }

// shapeOfText looks at a text once. What the path opens (@fromstr) cannot be seen from outside, so then the worst is assumed.
func shapeOfText(text, path string) textShape {
	s := textShape{size: max(1, len(text)), commas: strings.Count(text, ",") + 1}
	if strings.Contains(path, "@fromstr") {
		s.depth, s.longest = brackets(text), len(text)
		return s
	}
	depth, from := 0, -1 // of the present string
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case from >= 0 && c == '\\':
			i++
		case from >= 0 && c == '"':
			s.longest, from = max(s.longest, i-from), -1
		case from >= 0:
		case c == '"':
			from = i
		case c == '[' || c == '{':
			depth++
			s.depth = max(s.depth, depth)
		case (c == ']' || c == '}') && depth > 0:
			depth--
		}
	}
	if from >= 0 || depth != 0 { // broken: the library may see it otherwise
		s.depth, s.longest = brackets(text), len(text)
	}
	return s
}

// factor bounds by how much following the path can make a text longer: the parts of a path multiply, the members of a
// multipath add up.
func factor(path string, s textShape) float64 {
	f := 1.0
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '\\':
			i++
		case '@':
			name := path[i+1:]
			f *= escapedByte * s.modifier(name)
		case '[', '{', '(':
			end := closing(path, i)
			f *= members(path[i+1:end], s)
			i = end
		}
	}
	return f
}

// modifier bounds what a modifier adds to copying the text with all bytes escaped.
func (s textShape) modifier(name string) float64 {
	switch {
	case strings.HasPrefix(name, "pretty"):
		indent := 2 + len(name) // which may be given
		return float64(1 + indent*(s.depth+1)/escapedByte)
	case strings.HasPrefix(name, "dig"):
		return float64(s.depth + 1) // a value is found once for each level around it
	case strings.HasPrefix(name, "group"):
		return 1 + float64(s.commas)*float64(s.longest+4)/float64(s.size) // each element gets its key
	}
	return 1
}

// members returns the sum of what the comma-separated paths may do.
func members(list string, s textShape) float64 {
	sum, from := 0.0, 0
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '\\':
			i++
		case '[', '{', '(':
			i = closing(list, i)
		case ',':
			sum += factor(list[from:i], s)
			from = i + 1
		}
	}
	return sum + factor(list[from:], s)
}

// closing returns where the bracket at i is closed, or the end of the path.
func closing(path string, i int) int {
	depth := 0
	for ; i < len(path); i++ {
		switch path[i] {
		case '\\':
			i++
		case '[', '{', '(':
			depth++
		case ']', '}', ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(path)
}
