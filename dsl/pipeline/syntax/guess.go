package syntax

import "strings"

// wordHints say what is meant by words of other languages.
var wordHints = map[string]string{
	"and": "and is written &&", "or": "or is written ||", "not": "not is written !", "elseif": "write elif", "elsif": "write elif",
	"while": "a loop is written for ; cond; { }", "return": "exit() ends the script",
}

const blockBrace = "`{` on the same line"

// guess returns what to do about the present token, which cannot stand where it does, "" if nothing comes to mind.
func (p *parser) guess(what string) string {
	t := p.tok()
	var prev, before token
	if p.at > 0 {
		prev = p.tokens[p.at-1]
	}
	if p.at > 1 {
		before = p.tokens[p.at-2]
	}
	if hint := wordHints[strings.ToLower(t.text)]; hint != "" {
		return hint
	}
	switch {
	case prev.kind == tokIdent && strings.EqualFold(prev.text, "not"):
		return wordHints["not"]
	case t.kind == tokIf && prev.kind == tokElse, t.kind == tokElse && p.tokens[p.at+1].kind == tokIf:
		return "else if is written elif"
	case t.kind == tokAssign && what == blockBrace:
		return "two values are compared with =="
	case t.kind == tokAssign && prev.kind == tokColon:
		return "an assignment is written ="
	case t.kind == tokNewline && what == blockBrace:
		return "the { of a block stands on the line of its if, elif, else or for"
	case prev.kind == tokString && prev.end == t.pos && t.kind == tokIdent:
		return "a quote ends the text; within one write \\\" or \\', or put the text in the other quotes"
	case (t.kind == tokNewline || t.kind == tokEOF || t.kind == tokSemicolon) && twice(before, prev):
		return "write += 1 or -= 1"
	case t.kind == tokDiv && what == "an expression":
		return "a comment begins with #"
	case t.kind == tokColon && p.tokens[min(p.at+1, len(p.tokens)-1)].kind == tokAssign:
		return "an assignment is written ="
	case t.kind == tokLparen && before.kind == tokDot:
		return "values have no methods: a function takes them as arguments"
	case t.kind == tokDot && prev.kind == tokRbrack:
		return "a member of a map is written [\"name\"]"
	}
	return ""
}

// twice reports whether two tokens are the ++ or -- of other languages.
func twice(a, b token) bool {
	return a.kind == b.kind && (a.kind == tokAdd || a.kind == tokSub) && a.end == b.pos
}

// noExpression reports the present sign of an assignment, which stands within an expression.
func (p *parser) noExpression() {
	defer func() {
		if p.kind() != tokBad {
			p.errs[len(p.errs)-1].Hint = "assign in a statement of its own; two values are compared with =="
		}
	}()
	p.fail(p.tok().pos, "an assignment is no expression")
}
