package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dataflow/engine"
	"dataflow/engine/point"
)

// option is an option as dsl/graph would hand it over: a string, a []option of pairs, or neither.
type option struct {
	scalar string
	keys   []string
	values []option
	list   bool
}

func text(s string) option { return option{scalar: s} }

func pairs(kv ...any) option {
	o := option{}
	for i := 0; i < len(kv); i += 2 {
		o.keys = append(o.keys, kv[i].(string))
		switch v := kv[i+1].(type) {
		case string:
			o.values = append(o.values, text(v))
		case option:
			o.values = append(o.values, v)
		}
	}
	return o
}

func (o option) Scalar() (string, bool) { return o.scalar, o.keys == nil && !o.list }

func (o option) Map() ([]string, []engine.OptionNode, bool) {
	nodes := make([]engine.OptionNode, len(o.values))
	for i, v := range o.values {
		nodes[i] = v
	}
	return o.keys, nodes, o.keys != nil
}

func (o option) List() ([]engine.OptionNode, bool) { return nil, o.list }

func (o option) Errorf(format string, a ...any) error { return fmt.Errorf(format, a...) }

func (o option) File() (engine.File, error) {
	if o.scalar == "missing" {
		return engine.File{}, errors.New("no such file")
	}
	return engine.File{Path: "dir/" + o.scalar, Data: []byte("data of " + o.scalar)}, nil
}

func TestLookup(t *testing.T) {
	b := batch()
	var rate Lookup[engine.Rate]
	if err := rate.UnmarshalOption(pairs("by", "tags.env", "map", pairs("prod", "50MB/s", "dev", "1/s"), "default", "2MB/s")); err != nil {
		t.Fatal(err)
	}
	if v, ok := rate.Of(b, 0); !ok || v.Amount != 50e6 {
		t.Errorf("%v, %v", v, ok)
	}
	if v, ok := rate.Of(b, 1); !ok || v.Amount != 2e6 {
		t.Errorf("%v, %v", v, ok)
	}
	if _, ok := rate.Const(); ok || rate.PerBatch() || !rate.IsSet() || len(rate.Values()) != 3 {
		t.Errorf("values %v", rate.Values())
	}

	var script Lookup[string]
	if err := script.UnmarshalOption(pairs("by", "meta.topic", "map", pairs("logs", "log.p"))); err != nil {
		t.Fatal(err)
	}
	if v, ok := script.Of(&engine.Batch{Origin: b.Origin}, 0); !ok || v != "log.p" || !script.PerBatch() {
		t.Errorf("%v, %v", v, ok)
	}
	if _, ok := script.Of(&engine.Batch{Origin: &engine.Origin{}}, 0); ok {
		t.Error("a topic that is not in the map has a value")
	}

	var byNumber Lookup[float64]
	if err := byNumber.UnmarshalOption(pairs("by", "fields.n", "map", pairs("7", "0.5"), "default", "1")); err != nil {
		t.Fatal(err)
	}
	if v, _ := byNumber.Of(b, 0); v != 0.5 {
		t.Errorf("%v", v)
	}
	if n := testing.AllocsPerRun(100, func() { byNumber.Of(b, 0); rate.Of(b, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}

	var file Lookup[engine.File]
	if err := file.UnmarshalOption(pairs("by", "name", "map", pairs("a", "x.p"), "default", "none")); err != nil {
		t.Fatal(err)
	}
	if v := file.Values(); len(v) != 2 || v[0].Path != "dir/x.p" || string(v[0].Data) != "data of x.p" || v[1].Path != "none" || v[1].Data != nil {
		t.Errorf("%+v", v)
	}
}

func TestConstant(t *testing.T) {
	var size Lookup[engine.Size]
	if size.IsSet() || size.Values() != nil {
		t.Error("the zero lookup has values")
	}
	if _, ok := size.Of(batch(), 0); ok {
		t.Error("the zero lookup has a value")
	}
	if err := size.UnmarshalOption(text("4MiB")); err != nil {
		t.Fatal(err)
	}
	v, ok := size.Const()
	if w, also := size.Of(batch(), 1); !ok || !also || v != 4<<20 || w != v || !size.PerBatch() || size.String() != "4MiB" {
		t.Errorf("%v %v %v %v %s", v, ok, w, also, size)
	}
	if c := Constant(3); !slices.Equal(c.Values(), []int{3}) || c.OptionType() != "whole number or lookup" {
		t.Errorf("%v, %s", c.Values(), c.OptionType())
	}
}

func TestLookupErrors(t *testing.T) {
	for _, c := range []struct {
		node option
		want []string
	}{
		{option{list: true}, []string{"must be a value or {by"}},
		{text("abc"), []string{`"abc" is no number`}},
		{pairs("by", "tag.x", "map", pairs("a", "1")), []string{`did you mean "tags.x"?`}},
		{pairs("by", pairs("x", "y"), "map", "z", "defualt", "x"), []string{"by must be a name", "map must be a mapping", `did you mean "default"?`}},
		{pairs("by", "name"), []string{"by and map are needed"}},
		{pairs("by", "name", "map", pairs("a", "x", "b", "y"), "default", option{list: true}), []string{`"x" is no number`, `"y" is no number`, "must be a single value"}},
	} {
		var l Lookup[float64]
		err := l.UnmarshalOption(c.node)
		if err == nil {
			t.Errorf("%+v is fine", c.node)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}
	}
	var b Lookup[bool]
	var i Lookup[int]
	var f Lookup[engine.File]
	var u Lookup[struct{}]
	for _, err := range []error{b.UnmarshalOption(text("maybe")), i.UnmarshalOption(text("1.5")), f.UnmarshalOption(text("missing")), u.UnmarshalOption(text("x"))} {
		if err == nil {
			t.Error("no error")
		}
	}
}

func TestOptions(t *testing.T) {
	var c Condition
	if err := c.UnmarshalOption(text(`name == "nginx"`)); err != nil || !c.Match(batch(), 0) || c.Match(batch(), 1) || !c.IsSet() {
		t.Errorf("condition %v: %v", &c, err)
	}
	if out, err := c.MarshalText(); string(out) != `name == "nginx"` || err != nil {
		t.Errorf("%s, %v", out, err)
	}
	if err := c.UnmarshalOption(option{list: true}); err == nil {
		t.Error("a list is a condition")
	}
	if err := c.UnmarshalOption(text(`nmae == "nginx"`)); err == nil {
		t.Error("an unknown name is fine")
	}
	var n Name
	if err := n.UnmarshalOption(text("tags.env")); err != nil {
		t.Fatal(err)
	}
	if v, ok := n.Value(batch(), 0); !ok || !v.Equal(point.String("prod")) {
		t.Errorf("%v", v)
	}
	if err := n.UnmarshalOption(option{list: true}); err == nil {
		t.Error("a list is a name")
	}
}
