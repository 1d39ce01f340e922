package compile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/grok"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// TestShortcuts runs random programs over values of all kinds with and without the shortcuts: constants that are
// folded, int arithmetic, comparisons of ints, constant literals. What they write and how they fail must be the same.
func TestShortcuts(t *testing.T) {
	failed, wrote, r := 0, 0, newRunners()
	for seed := range uint64(20000) {
		g := &mixture{rand: rand.New(rand.NewPCG(seed, 2))}
		g.program()
		n, fails := r.compare(t, g.String())
		wrote += n
		if fails {
			failed++
		}
	}
	if failed < 1000 || wrote < 20000 {
		t.Errorf("%d programs failed and %d keys were written: the programs test little", failed, wrote)
	}
}

// runners are a frame for programs with shortcuts and one for those without.
type runners struct{ fast, plain *eval.Frame }

func newRunners() *runners {
	limits := eval.Limits{Steps: 2000}
	return &runners{eval.NewFrame(limits, time.Now, time.UTC), eval.NewFrame(limits, time.Now, time.UTC)}
}

// compare returns how many keys the script wrote and whether it failed. A script that does not compile must not do
// so either way.
func (r *runners) compare(t *testing.T, script string) (keys int, failed bool) {
	src := &syntax.Source{Name: "x.p", Text: script}
	fast, errs := Compile(src, Options{Patterns: grok.Builtin()})
	plain, plainErrs := Compile(src, Options{Patterns: grok.Builtin(), Plain: true})
	if fmt.Sprint(errs) != fmt.Sprint(plainErrs) {
		t.Fatalf("%s\nload errors %v, without shortcuts %v", script, errs, plainErrs)
	}
	if fast == nil {
		return 0, true
	}
	for range 2 { // a constant that a run changed would show in the second one
		p, q := mixedPoint(), mixedPoint()
		got, want := fmt.Sprint(r.fast.Run(fast, &p)), fmt.Sprint(r.plain.Run(plain, &q))
		if got != want || fmt.Sprint(written(p)) != fmt.Sprint(written(q)) {
			t.Fatalf("%s\ngot  %s, error %v\nwant %s, error %v", script, written(p), got, written(q), want)
		}
		keys, failed = len(p.Fields), want != fmt.Sprint((*eval.RunError)(nil))
	}
	return keys, failed
}

func mixedPoint() point.Point {
	return point.Point{Fields: []point.Field{
		{Key: "message", Value: point.String(`{"n": 3, "l": [1, "x\n"]}`)}, {Key: "k", Value: point.Int(-3)}, {Key: "u", Value: point.Uint(9)},
		{Key: "tag", Value: point.String("t"), Tag: true},
	}}
}

// written tells the values of a point apart that look alike.
func written(p point.Point) []string {
	var all []string
	for _, f := range p.Fields {
		v := f.Value
		text := fmt.Sprintf("%s %v %v %d %q", f.Key, f.Tag, v.Kind(), v.Int(), v.Str())
		if v.Kind() == point.KindFloat {
			text += fmt.Sprint(math.Float64bits(v.Float()))
		}
		all = append(all, fmt.Sprint(text, v.Bool()))
	}
	return all
}

func FuzzShortcuts(f *testing.F) {
	for seed := range uint64(50) {
		g := &mixture{rand: rand.New(rand.NewPCG(seed, 3))}
		g.program()
		f.Add(g.String())
	}
	r := newRunners()
	f.Fuzz(func(t *testing.T, script string) { r.compare(t, script) })
}

// mixture writes a program over the variables a to e, which hold values of any kind.
type mixture struct {
	strings.Builder
	rand   *rand.Rand
	probes int
	loops  int
}

func (g *mixture) pick(of ...string) string { return of[g.rand.IntN(len(of))] }

func (g *mixture) name() string { return g.pick("a", "b", "c", "d", "e") }

func (g *mixture) program() {
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		if g.rand.IntN(8) > 0 {
			fmt.Fprintf(g, "%s = %s\n", name, g.literal())
		}
	}
	g.block(0)
	if g.rand.IntN(10) == 0 {
		fmt.Fprintf(g, "a = [1, [2]]\na[0] = %s\nadd_key(changed, a)\n", g.expr(1))
	}
}

func (g *mixture) block(depth int) {
	for range 1 + g.rand.IntN(5) {
		g.stmt(depth)
	}
}

func (g *mixture) nested(depth int, head string) {
	fmt.Fprintf(g, "%s {\n", head)
	g.block(depth + 1)
	g.WriteString("}\n")
}

func (g *mixture) stmt(depth int) {
	kinds := 10
	if depth == 2 {
		kinds = 7
	}
	switch g.rand.IntN(kinds) {
	case 0, 1:
		fmt.Fprintf(g, "%s = %s\n", g.name(), g.expr(0))
	case 2:
		fmt.Fprintf(g, "%s %s= %s\n", g.name(), g.pick("+", "-", "*", "/", "%"), g.expr(1))
	case 3, 4, 5, 6:
		g.probes++
		fmt.Fprintf(g, "add_key(p%d, %s)\n", g.probes, g.expr(0))
	case 7:
		g.nested(depth, "if "+g.expr(0))
	case 8:
		g.nested(depth, fmt.Sprintf("for %s in %s", g.name(), g.pick("[1, 2.5, \"x\"]", "\"ab\"", "[[1], {\"k\": 2}]", g.name())))
	case 9:
		g.loops++
		g.nested(depth, fmt.Sprintf("for i%d = %d; i%d %s %d; i%d += %s", g.loops, g.rand.IntN(3), g.loops, g.pick("<", "<=", "!="), g.rand.IntN(6),
			g.loops, g.pick("1", "2", "1.0", "true")))
	}
}

func (g *mixture) literal() string {
	return g.pick("0", "1", "2", "7", "-3", "100003", "9223372036854775807", "-9223372036854775808", "9007199254740993", "2.5", "-0.0", "1e300",
		"true", "false", "nil", `"x"`, `""`, `"10"`, "[1, 2]", `{"k": 1}`, "load_json(_)", "1", "5", "4")
}

func (g *mixture) expr(depth int) string {
	if depth > 3 || g.rand.IntN(4) == 0 {
		if g.rand.IntN(3) == 0 {
			return g.literal()
		}
		return g.pick(g.name(), g.name(), g.name(), "k", "u", "tag", "nosuch", "a[0]", `c["k"]`, "d[0:2]", `"abcdef"[1:4]`, "len(b)", "[1, 2, 3][::-1]")
	}
	x, y := g.expr(depth+1), g.expr(depth+1)
	switch g.rand.IntN(10) {
	case 0:
		return "-" + "(" + x + ")"
	case 1:
		return "!(" + x + ")"
	case 2:
		return "(" + x + ") " + g.pick("==", "!=", "in", "&&", "||") + " (" + y + ")"
	case 3:
		return "(" + x + ") " + g.pick("<", "<=", ">", ">=") + " (" + y + ")"
	}
	return "(" + x + ") " + g.pick("+", "-", "*", "/", "%") + " (" + y + ")"
}

// TestFolding checks that what is constant is made once.
func TestFolding(t *testing.T) {
	for _, x := range []string{
		"1 + 2 * 3", `"a" + "b"`, "-(2 + 1)", "!(1 < 2)", `"abc"[::-1]`, `[1, "a"][0:1]`, `{"k": [1 + 1]}`, `1 < 2 && "a" in "abc"`, `"x" == "y"`, "(1 + 2) == 3",
	} {
		c := &compiler{session: &session{}, src: &syntax.Source{Text: "add_key(x, " + x + ")"}, scratch: eval.NewFrame(eval.Limits{}, nil, nil)}
		tree, errs := syntax.Parse(c.src)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		c.push()
		arg := tree.Body[0].(*syntax.ExprStmt).X.(*syntax.Call).Args[1].X
		if o := c.operand(arg); !o.isConst {
			t.Errorf("%s is no constant", x)
		}
		c.Plain = true
		if _, isLiteral := arg.(*syntax.Literal); !isLiteral && c.operand(arg).isConst {
			t.Errorf("%s is folded without shortcuts", x)
		}
	}
}

// TestIntCode checks trees that need numbers put aside, up to the point where there are too many.
func TestIntCode(t *testing.T) {
	f := eval.NewFrame(eval.Limits{}, time.Now, time.UTC)
	f.Slots = []point.Value{point.Int(3), point.Float(1)}
	variable := &ints{slot: 0}
	tree := join(syntax.OpSub, variable, intConst(1)) // 3 - 1
	want := int64(2)
	for depth := range maxAside {
		tree, want = join(syntax.OpSub, join(syntax.OpMul, variable, intConst(int64(depth))), tree), 3*int64(depth)-want
		if got, ok := tree.code().run(f); !ok || got != want {
			t.Errorf("depth %d: %d, %v, want %d", depth, got, ok, want)
		}
	}
	if tree = join(syntax.OpSub, join(syntax.OpMul, variable, variable), tree); tree.code() != nil {
		t.Error("a tree that is too deep has code")
	}
	for _, x := range []*ints{
		join(syntax.OpDiv, variable, intConst(0)), join(syntax.OpMod, intConst(5), join(syntax.OpSub, variable, variable)), join(syntax.OpAdd, variable, &ints{slot: 1}),
	} {
		if _, ok := x.code().run(f); ok {
			t.Error("a division by zero or a float was computed")
		}
	}
}
