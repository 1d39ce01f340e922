package syntax

import "dataflow/engine/point"

type kind uint8

const (
	tokEOF kind = iota
	tokNewline
	tokBad // the scanner has reported it
	tokIdent
	tokNumber
	tokString
	tokReserved

	tokIf
	tokElif
	tokElse
	tokFor
	tokIn
	tokBreak
	tokContinue
	tokTrue
	tokFalse
	tokNil

	tokAdd
	tokSub
	tokMul
	tokDiv
	tokMod
	tokAssign
	tokAddAssign
	tokSubAssign
	tokMulAssign
	tokDivAssign
	tokModAssign
	tokEq
	tokNe
	tokLt
	tokLe
	tokGt
	tokGe
	tokAnd
	tokOr
	tokNot
	tokLparen
	tokRparen
	tokLbrack
	tokRbrack
	tokLbrace
	tokRbrace
	tokComma
	tokSemicolon
	tokColon
	tokDot
)

var kindText = map[kind]string{
	tokEOF: "the end of the script", tokNewline: "a newline", tokNumber: "a number", tokString: "a string",
	tokIf: "if", tokElif: "elif", tokElse: "else", tokFor: "for", tokIn: "in", tokBreak: "break", tokContinue: "continue",
	tokTrue: "true", tokFalse: "false", tokNil: "nil",
	tokAdd: "+", tokSub: "-", tokMul: "*", tokDiv: "/", tokMod: "%", tokAssign: "=", tokAddAssign: "+=", tokSubAssign: "-=",
	tokMulAssign: "*=", tokDivAssign: "/=", tokModAssign: "%=", tokEq: "==", tokNe: "!=", tokLt: "<", tokLe: "<=", tokGt: ">",
	tokGe: ">=", tokAnd: "&&", tokOr: "||", tokNot: "!", tokLparen: "(", tokRparen: ")", tokLbrack: "[", tokRbrack: "]",
	tokLbrace: "{", tokRbrace: "}", tokComma: ",", tokSemicolon: ";", tokColon: ":", tokDot: ".",
}

// words are recognised in any letter case.
var words = map[string]kind{
	"if": tokIf, "elif": tokElif, "else": tokElse, "for": tokFor, "in": tokIn, "break": tokBreak, "continue": tokContinue,
	"true": tokTrue, "false": tokFalse, "nil": tokNil, "null": tokNil, "inf": tokNumber, "nan": tokNumber,
	"while": tokReserved, "return": tokReserved, "identifier": tokReserved, "str": tokReserved, "bool": tokReserved,
	"int": tokReserved, "float": tokReserved, "list": tokReserved, "map": tokReserved,
}

// punctuation is tried from the longest to the shortest.
var punctuation = [...]struct {
	text string
	kind kind
}{
	{"+=", tokAddAssign}, {"-=", tokSubAssign}, {"*=", tokMulAssign}, {"/=", tokDivAssign}, {"%=", tokModAssign},
	{"==", tokEq}, {"!=", tokNe}, {"<=", tokLe}, {">=", tokGe}, {"&&", tokAnd}, {"||", tokOr},
	{"+", tokAdd}, {"-", tokSub}, {"*", tokMul}, {"/", tokDiv}, {"%", tokMod}, {"=", tokAssign}, {"<", tokLt}, {">", tokGt},
	{"!", tokNot}, {"(", tokLparen}, {")", tokRparen}, {"[", tokLbrack}, {"]", tokRbrack}, {"{", tokLbrace}, {"}", tokRbrace},
	{",", tokComma}, {";", tokSemicolon}, {":", tokColon}, {".", tokDot},
}

type token struct {
	kind  kind
	pos   Pos
	end   Pos         // behind its last character
	text  string      // of an identifier, without its backquotes; of a word, as written
	value point.Value // of a number or string
}

func (t token) String() string {
	switch t.kind {
	case tokIdent, tokReserved:
		return "`" + t.text + "`"
	case tokEOF, tokNewline, tokNumber, tokString:
		return kindText[t.kind]
	}
	return "`" + kindText[t.kind] + "`"
}
