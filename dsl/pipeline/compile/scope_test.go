package compile

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/grok"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// TestScopes runs random programs and compares what they write with an interpreter that looks names up as the language
// says: in a map for each block, from the innermost outwards, then in the point.
func TestScopes(t *testing.T) {
	for seed := range uint64(20000) {
		g := &generator{rand: rand.New(rand.NewPCG(seed, 1))}
		g.block(0)
		script := g.String()
		src := &syntax.Source{Text: script}
		prog, errs := Compile(src, Options{Patterns: grok.Builtin()})
		if len(errs) > 0 {
			t.Fatalf("%s\n%v", script, errs)
		}
		tree, _ := syntax.Parse(src)
		want := &interpreter{keys: map[string]point.Value{"c": point.Int(7)}}
		want.block(tree.Body)

		f := eval.NewFrame(eval.Limits{}, time.Now, time.UTC)
		for range 2 { // the second run must not see what the first one left
			p := point.Point{Fields: []point.Field{{Key: "c", Value: point.Int(7)}}}
			err := f.Run(prog, &p)
			if (err != nil) != want.failed || !sameKeys(&p, want.keys) {
				t.Fatalf("seed %d\n%s\ngot %v, error %v\nwant %v, failed %v", seed, script, p.Fields, err, want.keys, want.failed)
			}
		}
	}
}

func sameKeys(p *point.Point, keys map[string]point.Value) bool {
	if len(p.Fields) != len(keys) {
		return false
	}
	for _, f := range p.Fields {
		if w, ok := keys[f.Key]; !ok || !w.Equal(f.Value) {
			return false
		}
	}
	return true
}

// generator writes a program over the variables a and b, and c, which is a key, too.
type generator struct {
	strings.Builder
	rand   *rand.Rand
	probes int
}

func (g *generator) name() string { return string("abc"[g.rand.IntN(3)]) }

func (g *generator) block(depth int) {
	for range 1 + g.rand.IntN(5) {
		g.stmt(depth)
	}
}

func (g *generator) nested(depth int, head string, args ...any) {
	fmt.Fprintf(g, head+" {\n", args...)
	g.block(depth + 1)
	g.WriteString("}\n")
}

func (g *generator) stmt(depth int) {
	kinds := 10
	if depth == 3 {
		kinds = 6
	}
	x, y := g.name(), g.name()
	switch g.rand.IntN(kinds) {
	case 0:
		fmt.Fprintf(g, "%s = %d\n", x, g.rand.IntN(4))
	case 1:
		fmt.Fprintf(g, "%s = %s\n", x, y)
	case 2:
		fmt.Fprintf(g, "%s += 1\n", x)
	case 3, 4, 5:
		g.probes++
		fmt.Fprintf(g, "add_key(k%d, %s)\n", g.probes, x)
	case 6:
		g.nested(depth, "if %s == %d", x, g.rand.IntN(3))
	case 7:
		g.nested(depth, "for %s in [1, 2]", x)
	case 8:
		g.nested(depth, "for i%d = 0; i%d < 2; i%d += 1", depth, depth, depth)
	case 9:
		g.nested(depth, "for j%d in [0, 0]", depth)
		if g.rand.IntN(2) == 0 { // a step that may create its variable; the loop ends after few rounds
			g.nested(depth, "for n%d = 0; %s != 9 && n%d < 3; %s = 9", depth, x, depth, x)
		}
	}
}

// interpreter is the language's rules for names and nothing else.
type interpreter struct {
	scopes []map[string]point.Value
	keys   map[string]point.Value
	failed bool
}

func (in *interpreter) push() { in.scopes = append(in.scopes, map[string]point.Value{}) }
func (in *interpreter) pop()  { in.scopes = in.scopes[:len(in.scopes)-1] }

func (in *interpreter) read(name string) (point.Value, bool) {
	for i := len(in.scopes) - 1; i >= 0; i-- {
		if v, ok := in.scopes[i][name]; ok {
			return v, true
		}
	}
	v, ok := in.keys[name]
	return v, ok
}

func (in *interpreter) assign(name string, v point.Value) {
	for i := len(in.scopes) - 1; i >= 0; i-- {
		if _, ok := in.scopes[i][name]; ok {
			in.scopes[i][name] = v
			return
		}
	}
	in.scopes[len(in.scopes)-1][name] = v
}

func (in *interpreter) value(x syntax.Expr) point.Value {
	switch x := x.(type) {
	case *syntax.Literal:
		return x.Val
	case *syntax.Ident:
		v, _ := in.read(x.Name)
		return v
	case *syntax.Binary:
		a, b := in.value(x.X), in.value(x.Y)
		switch x.Op {
		case syntax.OpEq:
			return point.Bool(a.Equal(b))
		case syntax.OpNe:
			return point.Bool(!a.Equal(b))
		case syntax.OpLt:
			return point.Bool(a.Int() < b.Int())
		}
		return point.Bool(a.Bool() && b.Bool())
	}
	panic("unexpected expression")
}

func (in *interpreter) block(body []syntax.Stmt) {
	in.push()
	defer in.pop()
	for _, s := range body {
		if in.stmt(s); in.failed {
			return
		}
	}
}

func (in *interpreter) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		args := s.X.(*syntax.Call).Args
		in.keys[args[0].X.(*syntax.Ident).Name] = in.value(args[1].X)
	case *syntax.Assign:
		name, v := s.Left[0].(*syntax.Ident).Name, in.value(s.Right[0])
		if s.Op == syntax.OpAdd {
			old, known := in.read(name)
			if !known {
				return
			}
			if in.failed = old.Kind() != point.KindInt; in.failed {
				return
			}
			v = point.Int(old.Int() + v.Int())
		}
		in.assign(name, v)
	case *syntax.If:
		if in.value(s.Branches[0].Cond).Bool() {
			in.block(s.Branches[0].Body)
		}
	case *syntax.ForIn:
		in.push()
		defer in.pop()
		for _, x := range s.X.(*syntax.List).Items {
			in.assign(s.Var.Name, in.value(x))
			if in.block(s.Body); in.failed {
				return
			}
		}
	case *syntax.For:
		in.push()
		defer in.pop()
		in.stmt(s.Init)
		for in.value(s.Cond).Bool() {
			if in.block(s.Body); in.failed {
				return
			}
			if in.stmt(s.Step); in.failed {
				return
			}
		}
	}
}
