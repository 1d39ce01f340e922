package pipeline_test

import "strconv"

// A genType is what an expression is meant to yield. Names that hold something else make it fail now and then.
type genType int

const (
	genAny genType = iota
	genNum
	genText
	genBool
	genList
	genMap
)

// typed writes an expression of a type, in one of sixteen cases of any.
func (g *scriptGen) typed(t genType) {
	g.depth++
	defer func() { g.depth-- }()
	choice := g.pick(16)
	if choice == 15 {
		g.expr()
		return
	}
	if t == genAny {
		t = genType(1 + g.pick(5))
	}
	if g.depth > 5 {
		choice %= 4
	}
	switch t {
	case genNum:
		g.num(choice)
	case genText:
		g.textual(choice)
	case genBool:
		g.boolean(choice)
	case genList:
		g.listed(choice)
	default:
		g.mapped(choice)
	}
}

func (g *scriptGen) binary(t genType, of ...string) {
	g.print("(")
	g.typed(t)
	g.print(" ", g.one(of), " ")
	g.typed(t)
	g.print(")")
}

func (g *scriptGen) call1(name string, t genType) {
	g.print(name, "(")
	g.typed(t)
	g.print(")")
}

func (g *scriptGen) num(choice int) {
	switch choice {
	case 0, 1:
		g.print(g.one([]string{"0", "1", "2", "-1", "3.5", "i", "i", "l[0]", `m["a"]`, `doc["n"]`, `doc["a"]["b"][1]`, "9223372036854775807", "nan", "true"}))
	case 2, 3:
		g.print(strconv.Itoa(g.pick(300) - 20))
	case 4, 5, 6, 7:
		g.binary(genNum, "+", "-", "*", "/", "%", "+")
	case 8:
		g.call1("len", genAny)
	case 9:
		g.call1("strlen", genText)
	case 10:
		g.print("-")
		g.call1("", genNum)
	default:
		g.print("l[")
		g.print(g.one([]string{"0", "1", "-1", "i"}), "]")
	}
}

func (g *scriptGen) textual(choice int) {
	switch choice {
	case 0, 1, 2, 3:
		g.print(g.text())
	case 4:
		g.print(g.one([]string{"s", "message", "_", `doc["x"]`, `l[2]`}))
	case 5, 6, 7:
		g.binary(genText, "+")
	case 8, 9:
		g.print(g.one([]string{"s", "message", `"héllo"`}), "[")
		g.typed(genNum)
		g.print(":")
		g.typed(genNum)
		g.print(g.one([]string{"]", ":-1]", ":2]"}))
	default:
		g.print(`slice_string(`)
		g.typed(genText)
		g.print(", 0, ")
		g.typed(genNum)
		g.print(")")
	}
}

func (g *scriptGen) boolean(choice int) {
	switch choice {
	case 0, 1:
		g.print(g.one([]string{"true", "false"}))
	case 2, 3:
		g.print(`"`, g.one([]string{"a", "n", "1"}), `" in `, g.one([]string{"m", "doc", "s", "_", "l"}))
	case 4, 5:
		g.binary(genNum, "<", "<=", ">", ">=")
	case 6, 7, 8:
		g.binary(genAny, "==", "!=")
	case 9, 10:
		g.binary(genBool, "&&", "||")
	case 11:
		g.call1("!", genAny)
	case 12:
		g.print("(")
		g.typed(genAny)
		g.print(" in ")
		g.typed(genList)
		g.print(")")
	default:
		g.call1("valid_json", genText)
	}
}

func (g *scriptGen) listed(choice int) {
	switch choice {
	case 0, 1, 2, 3:
		g.print(g.one([]string{"l", "l", `doc["l"]`, `m["b"]["c"]`, "[]"}))
	case 4, 5, 6, 7:
		g.list("[", "]", func() { g.typed(genAny) })
	case 8, 9, 10:
		g.print("l[")
		g.typed(genNum)
		g.print(":")
		g.typed(genNum)
		g.print("]")
	default:
		g.print("append(l, ")
		g.typed(genAny)
		g.print(")")
	}
}

func (g *scriptGen) mapped(choice int) {
	switch choice {
	case 0, 1, 2, 3:
		g.print(g.one([]string{"m", "doc", `m["b"]`, `doc["a"]`, "{}"}))
	case 4, 5:
		g.call1("load_json", genText)
	default:
		g.list("{", "}", func() {
			g.print(literal(g.one([]string{"a", "b", "x", "é"})), ": ")
			g.typed(genAny)
		})
	}
}

// prelude gives names values of known types.
const prelude = `l = [1, 2.5, "a", nil, [3, 4], {"x": 1}]
m = {"a": 1, "b": {"c": [1, 2]}, "x": nil}
doc = load_json("{\"n\":5,\"x\":\"\\u00e9t\\n\",\"l\":[1,\"a\",{\"y\":[]}],\"a\":{\"b\":[1,2,{\"c\":null}]},\"n\":6}")
s = "some text"
i = 3
`
