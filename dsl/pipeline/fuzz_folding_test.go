package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"dataflow/dsl/pipeline"
)

// foldLiterals have the edges of numbers among them.
var foldLiterals = []string{
	"0", "1", "2", "3", "7", "-1", "-7", "9223372036854775807", "(-9223372036854775807 - 1)", "9007199254740993", "9007199254740992", // foldInts
	"1.0", "1.5", "-0.0", "0.5", "1e300", "nan", "inf",
	"true", "false", "nil", `""`, `"a"`, `"ab"`, `"1"`, "[1]", "[1.0, nil]", `{"a": 1}`, "[]",
}

const foldInts = 11

// folding builds one expression four times: of literals, of variables that hold them, of either, and of elements of lists.
type folding struct {
	*scriptGen
	literals, variables, mixed, elements strings.Builder
	values                               []string
	choice                               int // of literals: ints alone, or all
}

func (f *folding) both(text string) {
	f.literals.WriteString(text)
	f.variables.WriteString(text)
	f.mixed.WriteString(text)
	f.elements.WriteString(text)
}

func (f *folding) expr(depth int) {
	if depth == 0 || f.pick(4) == 0 {
		v := foldLiterals[f.pick(f.choice)]
		name := fmt.Sprintf("v%d", len(f.values))
		f.literals.WriteString(v)
		f.variables.WriteString(name)
		f.mixed.WriteString([]string{v, name}[f.pick(2)])
		f.elements.WriteString(name + "[0]")
		f.values = append(f.values, v)
		return
	}
	switch f.pick(8) {
	case 0:
		f.both(f.one([]string{"!", "-", "+"}) + "(")
		f.expr(depth - 1)
	case 1:
		f.both("(")
		f.expr(depth - 1)
		f.both(" in ")
		f.expr(depth - 1)
	default:
		f.both("(")
		f.expr(depth - 1)
		f.both(" " + f.one(genBinary[:13]) + " ")
		f.expr(depth - 1)
	}
	f.both(")")
}

// FuzzFolding holds what the compiler makes of constants and of variables of a known type to what it makes of variables that may hold
// anything: an expression yields the same, or fails the same.
func FuzzFolding(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		seed := make([]byte, 20+r.IntN(60))
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	o := options()
	f.Fuzz(func(t *testing.T, data []byte) {
		x := &folding{scriptGen: &scriptGen{data: data}}
		x.choice = []int{foldInts, len(foldLiterals)}[x.pick(2)]
		x.expr(1 + x.pick(5))
		direct := "add_key(r, " + x.literals.String() + ")"
		if _, err := pipeline.Compile(direct, o); err != nil {
			return // a division by a literal zero
		}
		var known, any, field strings.Builder
		for i, v := range x.values {
			fmt.Fprintf(&known, "v%d = %s\n", i, v)
			fmt.Fprintf(&any, "v%d = \"x\"\nif true { v%[1]d = %s }\n", i, v)
			fmt.Fprintf(&field, "v%d = load_json(\"[5]\")\nv%[1]d[0] = %s\n", i, v)
		}
		variables := x.variables.String()
		want := result(t, direct, o)
		for _, script := range []string{
			known.String() + "add_key(r, " + variables + ")",
			any.String() + "add_key(r, " + variables + ")",
			known.String() + "add_key(r, " + x.mixed.String() + ")",
			known.String() + "v0 = " + x.mixed.String() + "\nadd_key(r, v0)",
			"for k in [1, 2] {\n" + known.String() + "add_key(r, " + variables + ")\nv0 = nil\n}",
			known.String() + "if " + variables + " { add_key(q, 1) }\nadd_key(r, " + variables + ")\ndrop_key(q)",
			field.String() + "add_key(r, " + x.elements.String() + ")",
		} {
			if got := result(t, script, o); got != want {
				t.Errorf("%s\ngives %s\n%s\ngives %s", direct, want, script, got)
			}
		}
	})
}

// result runs a script and returns the field r, or its error without the place.
func result(t *testing.T, script string, o pipeline.Options) string {
	got := run(t, script, "m", o)
	if text, ok := strings.CutPrefix(got, "error "); ok {
		_, text, _ = strings.Cut(text, ": ")
		return "error " + text
	}
	return got
}
