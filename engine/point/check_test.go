package point

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// checked returns the line of a checked point and the types of its warnings.
func checked(p Point, r Rules) (line string, warns []string) {
	r.Check(&p)
	if p.Extra != nil {
		for _, w := range p.Extra.Warns {
			warns = append(warns, w.Type)
		}
	}
	return string(AppendLine(nil, &p)), warns
}

func TestCheck(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, c := range []struct {
		name  string
		p     Point
		rules Rules
		line  string
		warns []string
	}{
		{"clean", Point{Name: "m", Fields: []Field{{Key: "a.b", Value: Int(1)}}}, Rules{}, "m a.b=1i 0", nil},
		{"name", Point{Name: long, Fields: []Field{{Key: "a", Value: Int(1)}}}, Rules{}, long[:1024] + " a=1i 0", []string{WarnName}},
		{"keys", Point{Name: "m", Fields: []Field{{Key: long, Value: Int(1)}, {Key: "t" + long, Value: String(long), Tag: true}}}, Rules{},
			"m,t" + long[:255] + "=" + long[:1024] + " " + long[:256] + "=1i 0", []string{WarnFieldKeyLen, WarnTagKeyLen, WarnTagValueLen}},
		{"empty key", Point{Name: "m", Fields: []Field{{Value: Int(1)}, {Key: `\\`, Value: Int(1)}, {Key: "a", Value: Int(1)}}}, Rules{}, "m a=1i 0", []string{WarnDisabled, WarnNewline, WarnDisabled}},
		{"cleaning", Point{Name: "m", Fields: []Field{{Key: "a\nb\\", Value: Int(1)}, {Key: "t", Value: String("x\ny\\\\"), Tag: true}, {Key: "s", Value: String("x\ny\\")}}}, Rules{},
			"m,t=x\\ y a\\ b=1i,s=\"x\ny\\\\\" 0", []string{WarnNewline, WarnNewline}},
		{"changed key collides behind", Point{Name: "m", Fields: []Field{{Key: "a.b", Value: Int(1)}, {Key: "a_b", Value: Int(2)}}}, Rules{ReplaceDots: true}, "m a_b=2i 0", []string{WarnFieldDot}},
		{"changed key collides before", Point{Name: "m", Fields: []Field{{Key: "a_b", Value: Int(1)}, {Key: "a.b", Value: Int(2)}}}, Rules{ReplaceDots: true}, "m a_b=1i 0", []string{WarnFieldDot}},
		{"infinities", Point{Name: "m", Fields: []Field{{Key: "a", Value: Float(math.Inf(1))}, {Key: "b", Value: Float(math.Inf(-1))}}}, Rules{},
			"m a=18446744073709552000,b=-9223372036854776000 0", []string{WarnMaxInf, WarnMinInf}},
		{"nil", Point{Name: "m", Fields: []Field{{Key: "a"}}}, Rules{}, "", []string{WarnNil}},
		{"repeated", Point{Name: "m", Fields: []Field{{Key: "k", Value: String("t"), Tag: true}, {Key: "x", Value: Int(1)}, {Key: "k", Value: Int(2)}, {Key: "x", Value: Int(3)}, {Key: "k", Value: Int(4)}}}, Rules{},
			"m k=4i,x=3i 0", []string{WarnConflict, WarnConflict, WarnConflict}},
		{"required is there", Point{Name: "m", Fields: []Field{{Key: "status", Value: String("ok"), Tag: true}, {Key: "a", Value: Int(1)}}}, RulesOf(Logging), "m,status=ok a=1i 0", nil},
		{"metric", Point{Name: "m", Fields: []Field{{Key: "s", Value: String("x")}, {Key: "d", Value: Bytes(nil)}, {Key: "l", Value: List([]Value{String("x")})}}}, RulesOf(Metric), `m l=["x"] 0`, []string{WarnValueType, WarnValueType}},
	} {
		line, warns := checked(c.p, c.rules)
		if line != c.line || !slices.Equal(warns, c.warns) {
			t.Errorf("%s: %.200s %q, want %.200s %q", c.name, line, warns, c.line, c.warns)
		}
	}
}

func TestCheckLimits(t *testing.T) {
	p := Point{Name: "m"}
	for i := range 2000 {
		p.Fields = append(p.Fields, Field{Key: fmt.Sprint("f", i), Value: Int(int64(i))})
		if i < 300 {
			p.Fields = append(p.Fields, Field{Key: fmt.Sprint("t", i), Value: String("v"), Tag: true})
		}
	}
	rules := RulesOf(Logging)
	rules.Check(&p)
	tags := 0
	for _, f := range p.Fields {
		if f.Tag {
			tags++
		}
	}
	if tags != 256 || len(p.Fields) != 256+1024+1 || p.Index("f1023") < 0 || p.Index("f1024") >= 0 || p.Index("t255") < 0 || p.Index("t256") >= 0 {
		t.Errorf("%d tags of %d", tags, len(p.Fields))
	}
	if w := p.Extra.Warns; len(w) != 3 || w[0].Type != WarnCount || w[1].Type != WarnCount || w[2].Type != WarnRequired {
		t.Errorf("warnings %v", p.Extra.Warns)
	}
	big := Point{Name: "m", Fields: []Field{{Key: "s", Value: String(strings.Repeat("x", MaxFieldValueLen+1))}}}
	if rules := (Rules{}); true {
		rules.Check(&big)
	}
	if big.Fields[0].Value.Len() != MaxFieldValueLen || big.Extra.Warns[0].Type != WarnFieldValueLen {
		t.Error("a long field value is not cut")
	}
}

func TestCheckKeepsSharedExtra(t *testing.T) {
	p := Point{Extra: &Extra{Warns: make([]Warn, 1, 4)}, Fields: []Field{{Key: "a", Value: Int(1)}}}
	q := p
	var r Rules
	r.Check(&p)
	if len(q.Extra.Warns) != 1 || len(p.Extra.Warns) != 2 {
		t.Errorf("%d and %d warnings", len(q.Extra.Warns), len(p.Extra.Warns))
	}
}

func TestCheckAllocations(t *testing.T) {
	points := readLines(t, metricLine+"\n"+logLine)
	metric, logging := RulesOf(Metric), RulesOf(Logging)
	if n := testing.AllocsPerRun(100, func() {
		metric.Check(&points[0])
		logging.Check(&points[1])
	}); n != 0 || points[0].Extra != nil || points[1].Extra != nil {
		t.Errorf("%v allocations, warnings %v %v", n, points[0].Extra, points[1].Extra)
	}
}

func BenchmarkCheck(b *testing.B) {
	p := readLines(b, metricLine)[0]
	r := RulesOf(Metric)
	for b.Loop() {
		r.Check(&p)
	}
}

// TestChecker: a checker finds what the rules find on each point alone, whatever points came before.
func TestChecker(t *testing.T) {
	lines := []string{
		"m,a=1,b=2 c=3,d=4 5", "m,a=1,b=2 c=3,d=4 6", "m,a=1 c=3 7", "m,a=1 c=3,a=4 7", "m,a=1,b=2 c=3,d=\"s\" 5", "m,a=1,b=2 c=3,d=\"s\" 5", "m,a.b=1 c=3,a_b=4 5", "m,a.b=1 c=3,a_b=4 5", "m,a_b=1 c.d=3 5",
		"m,a=1 c=3,source=\"x\" 5", "m,a=1 c=3,source=\"x\" 5", "m,a=1 c=3,status=\"x\" 5", "m,status=1 c=3 5", "m,a=1\\ c=3 5", "m c=1,c=2,d=3 5", " m,a=1,b=2 c=3,d=4,e=5 5", ",a=1 c=1", "m,a=1,b=2 c=3i,d=[] 5", "m,a=1,b=2 c=3 5",
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, category := range []Category{Metric, Logging, Object, Network} {
		rules := RulesOf(category)
		for range 3000 {
			var body strings.Builder
			for range 1 + r.IntN(6) {
				body.WriteString(lines[r.IntN(len(lines))] + "\n")
			}
			read := func() []Point {
				points, _ := ParseLines(nil, new(Arena), []byte(body.String()), ReadOptions{Now: 42, Spare: 2}) // some lines are none
				return points
			}
			alone, together, checker := read(), read(), rules.Checker()
			for i := range alone {
				rules.Check(&alone[i])
				checker.Check(&together[i])
				a, b := string(AppendPointJSON(nil, &alone[i], nil)), string(AppendPointJSON(nil, &together[i], nil))
				if a != b || fmt.Sprint(alone[i].Extra) != fmt.Sprint(together[i].Extra) {
					t.Fatalf("%s, %q, point %d:\n%s %v, alone\n%s %v", category, body.String(), i, b, together[i].Extra, a, alone[i].Extra)
				}
			}
		}
	}
}
