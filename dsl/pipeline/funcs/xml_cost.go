package funcs

import (
	"math"
	"strings"
)

// Most XPath expressions look at each node a few times. Some look at all nodes for each node, in the library that we have:
// unions, last() and position(), paths within a predicate, and the axes that lead back or aside. A call of the library
// cannot be stopped, so they are paid for before.

// power returns the exponent of the number of nodes in what evaluating the expression may take.
func power(expr string) int {
	once, nested, depth := 0, 0, 0
	for i := 0; i < len(expr); i++ {
		rest := expr[i:]
		switch c := expr[i]; {
		case c == '"' || c == '\'':
			end := strings.IndexByte(rest[1:], c)
			if end < 0 {
				return 1 // no expression
			}
			i += 1 + end
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '|':
			once = 1
		case strings.HasPrefix(rest, ".."):
			nested++
			i++
		case depth > 0 && strings.HasPrefix(rest, "//"), depth > 0 && word(rest, "descendant", "::"),
			word(rest, "following", "::"), word(rest, "preceding", "::"):
			nested++
			i++
		case depth > 0 && c == '/', word(rest, "last", "("), word(rest, "position", "("):
			once = 1
		}
	}
	return 1 + max(once, nested)
}

// word reports whether an axis or function whose name begins so stands at the beginning of text.
func word(text, begin, end string) bool {
	after, ok := strings.CutPrefix(text, begin)
	return ok && strings.HasPrefix(strings.TrimLeft(after, "abcdefghijklmnopqrstuvwxyz- \t\r\n"), end)
}

// xmlCost returns what parsing the text and evaluating an expression of the power costs, as bytes that are read.
func xmlCost(text string, power int) int {
	const perByte, perVisit = 16, 16 // parsing XML takes that much longer than reading JSON
	cost := float64(len(text) * perByte)
	if power > 1 {
		cost += perVisit * math.Pow(float64(strings.Count(text, "<")), float64(power))
	}
	return int(min(cost, math.MaxInt32))
}
