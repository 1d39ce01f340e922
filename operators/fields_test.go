package operators

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

// tree is an option that stands in the graph file: a text, or a mapping of what is in pairs.
type tree struct {
	text  string
	pairs []any // string, tree, string, tree
}

func (n tree) Scalar() (string, bool) { return n.text, n.pairs == nil }

func (n tree) Map() (names []string, nodes []engine.OptionNode, ok bool) {
	for i := 0; i < len(n.pairs); i += 2 {
		x, ok := n.pairs[i+1].(tree)
		if !ok {
			x = tree{text: n.pairs[i+1].(string)}
		}
		names, nodes = append(names, n.pairs[i].(string)), append(nodes, x)
	}
	return names, nodes, n.pairs != nil
}

func (n tree) List() ([]engine.OptionNode, bool) { return nil, false }

func (n tree) Errorf(format string, a ...any) error { return fmt.Errorf(format, a...) }

// pairs is an option that is a mapping.
func pairs(all ...any) tree { return tree{pairs: all} }

func settingsOf(t testing.TB, all ...any) settings {
	t.Helper()
	var s settings
	if err := s.UnmarshalOption(pairs(all...)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFields(t *testing.T) {
	const in = `n,a=1,b=two,k8s_pod=p c=3i,d=4.5,e="five",k8s_node="x",t=true 1`
	for _, c := range []struct {
		name   string
		config fieldsConfig
		want   string
	}{
		{"rename", fieldsConfig{Rename: map[string]string{"a": "x", "c": "y", "nothing": "z"}}, `n,b=two,k8s_pod=p,x=1 d=4.5,e="five",k8s_node="x",t=true,y=3i 1`},
		{"change places", fieldsConfig{Rename: map[string]string{"a": "b", "b": "a"}}, `n,a=two,b=1,k8s_pod=p c=3i,d=4.5,e="five",k8s_node="x",t=true 1`},
		{"a chain", fieldsConfig{Rename: map[string]string{"c": "d", "d": "e"}}, `n,a=1,b=two,k8s_pod=p d=3i,e=4.5,k8s_node="x",t=true 1`},
		{"over a key", fieldsConfig{Rename: map[string]string{"e": "a"}}, `n,b=two,k8s_pod=p a="five",c=3i,d=4.5,k8s_node="x",t=true 1`},
		{"what is not there replaces nothing", fieldsConfig{Rename: map[string]string{"nothing": "a"}}, in},
		{"drop", fieldsConfig{Drop: []string{"a", "k8s_*", "nothing"}}, `n,b=two c=3i,d=4.5,e="five",t=true 1`},
		{"keep", fieldsConfig{Keep: []string{"a", "k8s_*", "nothing"}}, `n,a=1,k8s_pod=p k8s_node="x" 1`},
		{"drop and keep", fieldsConfig{Drop: []string{"k8s_pod"}, Keep: []string{"k8s_*"}}, `n k8s_node="x" 1`},
		{"keep all", fieldsConfig{Keep: []string{"*"}}, in},
		{"set", fieldsConfig{Set: settingsOf(t, "env", "prod", "n", "3", "f", "0.5", "yes", "true", "q", `"3"`, "zip", "007", "c", "x", "a", "2")},
			`n,a=2,b=two,k8s_pod=p c="x",d=4.5,e="five",env="prod",f=0.5,k8s_node="x",n=3i,q="3",t=true,yes=true,zip="007" 1`},
		{"set by lookup", fieldsConfig{Set: settingsOf(t, "tier", pairs("by", "tags.a", "map", pairs("1", "gold")), "none", pairs("by", "tags.b", "map", pairs("1", "gold")),
			"rest", pairs("by", "fields.c", "map", pairs("4", "1"), "default", "2"))},
			`n,a=1,b=two,k8s_pod=p c=3i,d=4.5,e="five",k8s_node="x",rest=2i,t=true,tier="gold" 1`},
		{"tag", fieldsConfig{Tag: []string{"c", "d", "t", "k8s_*", "a"}}, `n,a=1,b=two,c=3,d=4.5,k8s_node=x,k8s_pod=p,t=true e="five" 1`},
		{"untag", fieldsConfig{Untag: []string{"a", "k8s_*"}}, `n,b=two a="1",c=3i,d=4.5,e="five",k8s_node="x",k8s_pod="p",t=true 1`},
		{"untag before tag", fieldsConfig{Untag: []string{"*"}, Tag: []string{"b"}}, `n,b=two a="1",c=3i,d=4.5,e="five",k8s_node="x",k8s_pod="p",t=true 1`},
		{"all in order", fieldsConfig{
			Rename: map[string]string{"a": "tmp_a", "c": "count"}, Drop: []string{"tmp_*"}, Keep: []string{"count", "b"},
			Set: settingsOf(t, "tmp_x", "kept"), Untag: []string{"b"}, Tag: []string{"count", "tmp_x"},
		}, `n,count=3,tmp_x=kept b="two" 1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			op, err := newFields(quietEnv(), c.config)
			if err != nil {
				t.Fatal(err)
			}
			b := engine.Reserve(1, 20)
			if b.Points, err = point.ParseLines(b.Points, new(point.Arena), []byte(in), point.ReadOptions{Precision: point.Nanoseconds}); err != nil {
				t.Fatal(err)
			}
			b.Points[0].Record = -1
			kept, failed, dropped := process(t, op, b)
			if len(kept) != 1 || len(failed)+len(dropped) != 0 {
				t.Fatalf("kept %d, failed %v, dropped %v", len(kept), failed, dropped)
			}
			if got := sorted(&kept[0]); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// sorted returns a point as line protocol with its keys in order.
func sorted(p *point.Point) string {
	q := p.Clone()
	slices.SortFunc(q.Fields, func(a, b point.Field) int { return strings.Compare(a.Key, b.Key) })
	return string(point.AppendLine(nil, &q))
}

func TestFieldsKinds(t *testing.T) {
	op, err := newFields(quietEnv(), fieldsConfig{Tag: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	b := engine.Reserve(1, 8)
	p := b.Add()
	p.Set("nil", point.Nil())
	p.Set("list", point.List([]point.Value{point.Int(1), point.String(strings.Repeat("x", 2*textChunk))}))
	p.Set("bytes", point.Bytes([]byte("raw")))
	kept, _, _ := process(t, op, b)
	for key, want := range map[string]string{"list": `[1,"` + strings.Repeat("x", 2*textChunk) + `"]`, "bytes": "raw"} {
		f := kept[0].Fields[kept[0].Index(key)]
		if !f.Tag || f.Value.Str() != want {
			t.Errorf("%s: tag %v, %.40q", key, f.Tag, f.Value.Str())
		}
	}
	if f := kept[0].Fields[0]; f.Tag || !f.Value.IsNil() {
		t.Errorf("nil became %+v", f)
	}
}

func TestFieldsOptions(t *testing.T) {
	for _, c := range []struct {
		config fieldsConfig
		want   string
	}{
		{fieldsConfig{}, "give at least one"},
		{fieldsConfig{Drop: []string{""}}, "drop"},
		{fieldsConfig{Keep: []string{"a*b"}}, "keep"},
		{fieldsConfig{Tag: []string{"*a"}}, "tag"},
		{fieldsConfig{Untag: []string{"**"}}, "untag"},
		{fieldsConfig{Rename: map[string]string{"a": ""}}, "rename"},
		{fieldsConfig{Rename: map[string]string{"a*": "b"}}, "rename"},
		{fieldsConfig{Rename: map[string]string{"a": "c", "b": "c"}}, `"a" and "b" both become "c"`},
	} {
		if _, err := newFields(quietEnv(), c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.config, err, c.want)
		}
	}
	var s settings
	for _, bad := range []tree{{text: "x"}, pairs("", "x"), pairs("a*", "x"), pairs("a", pairs("by", "no.name", "map", pairs("x", "y"))), pairs("a", pairs("x", "y"))} {
		if err := s.UnmarshalOption(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func TestTyped(t *testing.T) {
	for text, want := range map[string]point.Value{
		"1": point.Int(1), "-7": point.Int(-7), "0": point.Int(0), "9223372036854775808": point.String("9223372036854775808"),
		"1.5": point.Float(1.5), "-0.25": point.Float(-0.25), "1e3": point.String("1e3"), "01.5": point.String("01.5"), ".5": point.String(".5"),
		"true": point.Bool(true), "True": point.String("True"), "": point.String(""), `"`: point.String(`"`), `""`: point.String(""), `"1"`: point.String("1"),
		"+1": point.String("+1"), "1_000": point.String("1_000"), "nan": point.String("nan"), "0x10": point.String("0x10"), "10.1.1.1": point.String("10.1.1.1"),
	} {
		if got := typed(text); !got.Equal(want) {
			t.Errorf("%q is a %s, want a %s", text, got.Kind(), want.Kind())
		}
	}
}

// TestFieldsUnique: whatever is renamed, a key stands on a point once, and what is not named stays as it is.
func TestFieldsUnique(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	names := strings.Split("a b c d e f g h", " ")
	for range 3000 {
		c := fieldsConfig{Rename: map[string]string{}}
		to := r.Perm(len(names))
		for i, name := range names[:1+r.IntN(7)] {
			c.Rename[name] = names[to[i]]
		}
		op, err := newFields(quietEnv(), c)
		if err != nil {
			t.Fatal(err)
		}
		b := engine.Reserve(1, 8)
		p := b.Add()
		want := map[string]string{} // new key, old key
		for _, name := range names {
			if r.IntN(2) == 0 {
				continue
			}
			p.Set(name, point.String(name))
			if c.Rename[name] == "" && want[name] == "" {
				want[name] = name
			} else if to := c.Rename[name]; to != "" {
				want[to] = name
			}
		}
		kept, _, _ := process(t, op, b)
		got := map[string]string{}
		for _, f := range kept[0].Fields {
			if got[f.Key] != "" {
				t.Fatalf("%v: %q stands twice", c.Rename, f.Key)
			}
			got[f.Key] = f.Value.Str()
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%v: got %v, want %v", c.Rename, got, want)
		}
	}
}

// TestFieldsAllocations: nothing is allocated for a point, but a chunk for the texts of many.
func TestFieldsAllocations(t *testing.T) {
	op, err := newFields(quietEnv(), fieldsConfig{
		Rename: map[string]string{"message": "text", "host": "node"}, Drop: []string{"message_len", "tmp_*"}, Keep: []string{"*"},
		Set: settingsOf(t, "env", "prod", "tier", pairs("by", "tags.type", "map", pairs("kafka", "gold"), "default", "free")),
		Tag: []string{"env", "partition"}, Untag: []string{"type"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := op.(engine.Worker).NewWorker()
	const points = 500
	b := messages(make([]string, points)...)
	var before []point.Point
	for i := range b.Points {
		p := &b.Points[i]
		p.Set("partition", point.Int(7))
		p.Fields = append(p.Fields, make([]point.Field, 4)...)[:len(p.Fields)] // room, as the arena gives
		before = append(before, p.Clone())
	}
	allocs := testing.AllocsPerRun(20, func() {
		for i := range b.Points {
			b.Points[i].Fields = append(b.Points[i].Fields[:0], before[i].Fields...)
		}
		if err := w.Process(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 2 { // a chunk of 4 KiB for 500 texts
		t.Errorf("%v allocations for %d points", allocs, points)
	}
}

func TestFieldsConform(t *testing.T) {
	enginetest.TestOperator(t, func(t *testing.T) engine.Operator {
		op, err := newFields(quietEnv(), fieldsConfig{
			Rename: map[string]string{"message": "text"}, Drop: []string{"message_len"}, Set: settingsOf(t, "env", "prod", "n", "1"), Tag: []string{"env", "n"}, Untag: []string{"type"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return op
	}, func() *engine.Batch { return messages("a", "b", "c", "d") })
}
