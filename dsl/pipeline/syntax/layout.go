package syntax

import "slices"

// Token is a piece of a script's text, for tools that keep or change its layout.
type Token struct {
	Pos, End Pos
	Role     Role
}

// Role is what a token is for, as far as layout depends on it.
type Role uint8

// The roles.
const (
	Word            Role = iota // a name, a number, a text, true, false, nil
	Keyword                     // if, for, break, continue
	Follower                    // elif, else: stands on the line of the brace before it
	Operator                    // of two operands, in, and the signs of assignments
	Sign                        // of one operand
	NamedAssign                 // the = of a named argument
	Open                        // ( [ {
	Close                       // ) ] }
	BlockOpen                   // the { of a block
	BlockClose                  // the } of a block
	Comma                       // ,
	MapColon                    // behind the key of a map
	SliceColon                  // between the parts of a slice
	Dot                         // .
	Semicolon                   // between statements
	HeaderSemicolon             // between the parts of a for loop
	Newline                     // the end of a line
	Comment                     // from # to the end of the line, which is no part of it
)

var defaultRoles = map[kind]Role{
	tokIf: Keyword, tokFor: Keyword, tokBreak: Keyword, tokContinue: Keyword, tokElif: Follower, tokElse: Follower,
	tokIn: Operator, tokAdd: Operator, tokSub: Operator, tokMul: Operator, tokDiv: Operator, tokMod: Operator,
	tokAssign: Operator, tokAddAssign: Operator, tokSubAssign: Operator, tokMulAssign: Operator, tokDivAssign: Operator, tokModAssign: Operator,
	tokEq: Operator, tokNe: Operator, tokLt: Operator, tokLe: Operator, tokGt: Operator, tokGe: Operator, tokAnd: Operator, tokOr: Operator,
	tokNot: Sign, tokLparen: Open, tokRparen: Close, tokLbrack: Open, tokRbrack: Close, tokLbrace: Open, tokRbrace: Close,
	tokComma: Comma, tokSemicolon: Semicolon, tokColon: MapColon, tokDot: Dot, tokNewline: Newline,
}

// Tokens returns the tokens of a script, its comments included, in the order in which they stand. Blanks belong to none.
func Tokens(src *Source) ([]Token, Errors) {
	var comments []Token
	tokens, errs := scanWith(src, func(start, end int) {
		comments = append(comments, Token{Pos: Pos(start), End: Pos(end), Role: Comment})
	})
	p := &parser{src: src, tokens: tokens, errs: errs, roles: make([]Role, len(tokens))}
	for i, t := range tokens {
		p.roles[i] = defaultRoles[t.kind]
	}
	if _, errs := p.parse(); len(errs) > 0 {
		return nil, errs
	}
	all := comments
	for i, t := range tokens[:len(tokens)-1] { // the last one is the end
		all = append(all, Token{Pos: t.pos, End: t.end, Role: p.roles[i]})
	}
	slices.SortFunc(all, func(a, b Token) int { return int(a.Pos) - int(b.Pos) })
	return all, nil
}
