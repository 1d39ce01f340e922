package pipeline_test

import (
	"slices"
	"strconv"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/engine/point"
)

func (g *scriptGen) block() {
	g.print("{\n")
	for range g.pick(4) {
		g.stmt()
	}
	g.print("}")
}

func (g *scriptGen) oneType(of ...genType) genType { return of[g.pick(len(of))] }

// stmt writes a statement and its newline.
func (g *scriptGen) stmt() {
	g.depth++
	defer func() { g.depth-- }()
	kind := g.pick(16)
	if g.depth > 4 {
		kind %= 8
	}
	switch kind {
	case 0, 1, 2:
		g.call()
	case 3:
		g.print(g.one([]string{"a", "b", "c", "i", "s", "l", "m", "_"}), " ", g.one(genAssign), " ")
		g.typed(genAny)
	case 4:
		g.print("add_key(", g.one(genNames), ", ")
		g.typed(genAny)
		g.print(")")
	case 5:
		if g.pick(4) == 3 {
			g.index()
		} else {
			g.print(g.one([]string{"l[0]", "l[-1]", "l[i]", `m["a"]`, `m["b"]["new"]`, `m["b"]["c"][0]`, `doc["n"]`, `doc["a"]["b"]`, `doc["l"][2]["y"]`}))
		}
		g.print(" ", g.one(genAssign), " ")
		g.typed(genAny)
	case 6:
		g.print(g.one([]string{"doc = load_json(_)", "m = doc", "l = append(l, l)", `m["self"] = m`, "x = l == doc[\"l\"]", "add_key(out, doc)", "use(\"other.p\")", "doc = load_json(s)", prelude}))
	case 7:
		if g.loops > 0 {
			g.print(g.one([]string{"break", "continue"}))
		} else {
			g.print(g.one([]string{"exit()", "a.b = 1"}))
		}
	case 8, 9, 10:
		g.print("if ")
		g.typed(genBool)
		g.print(" ")
		g.block()
		for range g.pick(3) {
			g.print(" elif ")
			g.typed(genAny)
			g.print(" ")
			g.block()
		}
		if g.pick(2) == 1 {
			g.print(" else ")
			g.block()
		}
	case 11, 12:
		g.print("for ", g.one(genNames), " in ")
		g.typed(g.oneType(genList, genMap, genText, genList))
		g.print(" ")
		g.body()
	case 13:
		g.print("for i = 0; i < ", strconv.Itoa(g.pick(20)), "; i += 1 ")
		g.body()
	case 14:
		g.print("for ; ")
		g.typed(genBool)
		g.print("; ")
		g.body()
	default:
		all := funcs.All()
		if x := all[g.pick(len(all)*3)%len(all)].Examples; len(x) > 0 {
			g.print(x[g.pick(len(x))].Script)
		}
	}
	g.print("\n")
}

func (g *scriptGen) body() {
	g.loops++
	g.block()
	g.loops--
}

// statements returns the statements of a script, one by one.
func (g *scriptGen) statements() []string {
	var all []string
	if g.pick(8) > 0 {
		all = append(all, prelude)
	}
	for range 1 + g.pick(12) {
		g.b.Reset()
		g.stmt()
		all = append(all, g.b.String())
	}
	return slices.Insert(all, g.pick(len(all)+1), g.shown.Script+"\n")
}

// value returns a value of any kind that a point may hold.
func (g *scriptGen) value(depth int) point.Value {
	kind := g.pick(9)
	if depth > 2 {
		kind %= 7
	}
	switch kind {
	case 0:
		return point.String(g.one(genTexts))
	case 1:
		return point.Int(int64(g.pick(1000)) - 500)
	case 2:
		return point.Float(float64(g.pick(100)) / 8)
	case 3:
		return point.Bool(g.pick(2) == 1)
	case 4:
		return point.Nil()
	case 5:
		return point.Uint(1<<63 + uint64(g.pick(100)))
	case 6:
		return point.Bytes([]byte(g.one(genTexts)))
	case 7:
		items := make([]point.Value, g.pick(4))
		for i := range items {
			items[i] = g.value(depth + 1)
		}
		return point.List(items)
	default:
		m := map[string]point.Value{}
		for range g.pick(4) {
			m[g.one(genTexts)] = g.value(depth + 1)
		}
		return point.Map(m)
	}
}

// point returns a point of any category with the names that scripts use. It chooses the example that the script is to show.
func (g *scriptGen) point() point.Point {
	p := point.Point{Name: g.one([]string{"src", "", "a b"}), Time: startTime, Record: -1, Category: point.Category(1 + g.pick(12))}
	message := g.one(genTexts)
	if all := funcs.All(); g.pick(4) > 0 {
		if x := all[g.pick(len(all)*3)%len(all)].Examples; len(x) > 0 {
			g.shown = x[g.pick(len(x))]
			message = g.shown.Message
		}
	}
	p.Set("message", point.String(message))
	for range g.pick(8) {
		key := g.one([]string{"a", "b", "n", "f", "host", "l", "m", "status", "time", "t", "raw", "a.b", ""})
		if g.pick(3) == 0 {
			p.SetTag(key, g.one(genTexts))
		} else if i := p.Index(key); i < 0 || !p.Fields[i].Tag {
			p.Set(key, g.value(0))
		}
	}
	return p
}
