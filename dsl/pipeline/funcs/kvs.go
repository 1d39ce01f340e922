package funcs

import (
	"maps"
	"slices"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "pt_name",
	Group:   OnPoint,
	Summary: "Yields the name of the point: the measurement of a metric, the source of a log, the class of an object.",
	Doc: "With an argument that is text the point gets that name first. Any other value, and an error in the argument, change " +
		"nothing.",
	Result: "str",
	Params: []Param{{Name: "name", Kind: Value, Optional: true, Summary: "the new name"}},
	Examples: []Example{
		{Script: "add_key(source, pt_name())", Want: `source="src"`},
		{Script: "app = \"cart\"\nadd_key(now, pt_name(app + \"-api\"))", Want: "name=cart-api\nnow=\"cart-api\""},
		{Script: "pt_name(5)\npt_name(1 + nosuch)\nadd_key(still, pt_name())", Want: `still="src"`},
	},
	Bind: func(c *Call) eval.Expr {
		if !c.Has(0) {
			return func(f *eval.Frame) (point.Value, bool) { return point.String(f.Point.Name), true }
		}
		name := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := name(f)
			if !ok && !f.Recover() {
				return failed()
			}
			if ok && v.Kind() == point.KindString {
				f.Point.Name = v.Str()
			}
			return point.String(f.Point.Name), true
		}
	},
})

const rawSummary = "keep a list or map as it is instead of its JSON text"

var _ = declare(Decl{
	Name:    "pt_kvs_get",
	Group:   OnPoint,
	Summary: "Yields the value of a key of the point whose name is computed; nil if there is none.",
	Doc: "Variables are not looked at. `_` is the key `message`. A list or map that stands on the point is read as its JSON text; " +
		"with `raw=true` a copy of it is read, so that changing what was read does not change the point. `raw` comes from " +
		"releases of DataKit later than 1.84.",
	Result: "any",
	Params: []Param{
		{Name: "name", Kind: Value, Summary: "a str"},
		{Name: "raw", Kind: Value, Optional: true, Summary: "a bool: " + rawSummary},
	},
	Named: true,
	Examples: []Example{
		{Script: "add_key(n_1, 7)\ni = \"1\"\nadd_key(got, pt_kvs_get(\"n_\" + i))\nadd_key(none, pt_kvs_get(\"nosuch\") == nil)", Want: "n_1=7\ngot=7\nnone=true"},
		{Script: "pt_kvs_set(\"l\", [1, 2], raw=true)\nadd_key(text, pt_kvs_get(\"l\"))\nl = pt_kvs_get(\"l\", raw=true)\nadd_key(n, len(l))\npt_kvs_del(\"l\")",
			Want: "text=\"[1,2]\"\nn=2"},
		{Script: "add_key(m, pt_kvs_get(\"_\"))\npt_kvs_get(nosuch)", Message: "hello",
			Want: "error 2:1: pt_kvs_get: the argument name is not str but nil\nm=\"hello\""},
	},
	Bind: func(c *Call) eval.Expr {
		name, raw := c.TypedValue(0, point.KindString), c.TypedValue(1, point.KindBool)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := name(f)
			if !ok {
				return failed()
			}
			asIs, ok := flagValue(f, raw, false)
			if !ok {
				return failed()
			}
			key := KeyName(v.Str())
			if asIs {
				if v, _ := f.Point.Get(key); v.Kind() == point.KindList || v.Kind() == point.KindMap {
					return ownTree(f, v)
				}
			}
			v, _ = f.Key(key)
			return v, true
		}
	},
})

var _ = declare(Decl{
	Name:    "pt_kvs_set",
	Group:   OnPoint,
	Summary: "Writes a value to a key of the point whose name is computed, and yields true.",
	Doc: "It writes as `add_key` does: a tag stays a tag and gets the text of the value, a list or map becomes its JSON text, nil " +
		"leaves a key without a value. With `as_tag=true` the key becomes a tag, as with `set_tag`. With `raw=true` a field gets " +
		"a copy of the list or map itself; sinks then write it as such where their format can.\n\n" +
		"**`_` is not the message here**: it is a key of that name, although `pt_kvs_get` and `pt_kvs_del` take it for the message. " +
		"A call that yields nothing (`drop()`) is no value.",
	Result: "bool",
	Params: []Param{
		{Name: "name", Kind: Value, Summary: "a str"},
		{Name: "value", Kind: Value, Summary: "anything but a call without a result"},
		{Name: "as_tag", Kind: Value, Optional: true, Summary: "a bool: make the key a tag"},
		{Name: "raw", Kind: Value, Optional: true, Summary: "a bool: " + rawSummary},
	},
	Named: true,
	Examples: []Example{
		{Script: "d = load_json(_)\nfor k in d { pt_kvs_set(\"app.\" + k, d[k]) }", Message: `{"cpu": 0.5, "up": true}`, Want: "app.cpu=0.5\napp.up=true"},
		{Script: "pt_kvs_set(\"host\", \"web1\", as_tag=true)\npt_kvs_set(name=\"host\", value=5)", Want: `host#="5"`},
		{Script: "pt_kvs_set(\"_\", 1)\nadd_key(same, _)", Message: "m", Want: "_=1\nsame=\"m\""},
		{Script: "pt_kvs_set(\"m\", {\"b\": 1, \"a\": [nil]})", Want: `m="{\"a\":[null],\"b\":1}"`},
	},
	Bind: func(c *Call) eval.Expr {
		name := c.TypedValue(0, point.KindString)
		value := c.TypedValue(1, point.KindBool, point.KindInt, point.KindFloat, point.KindString, point.KindList, point.KindMap, point.KindNil)
		tag, raw := c.TypedValue(2, point.KindBool), c.TypedValue(3, point.KindBool)
		return func(f *eval.Frame) (point.Value, bool) {
			k, ok := name(f)
			if !ok {
				return failed()
			}
			v, ok := value(f)
			if !ok {
				return failed()
			}
			asTag, ok := flagValue(f, tag, false)
			if !ok {
				return failed()
			}
			asIs, ok := flagValue(f, raw, false)
			if !ok {
				return failed()
			}
			switch {
			case asTag:
				ok = f.WriteTag(k.Str(), v)
			case asIs:
				ok = writeRaw(f, k.Str(), v)
			default:
				ok = f.Write(k.Str(), v)
			}
			return point.Bool(true), ok
		}
	},
})

var _ = declare(Decl{
	Name:    "pt_kvs_del",
	Group:   OnPoint,
	Summary: "Deletes a key of the point, tag or field, whose name is computed.",
	Doc:     "Variables are not touched, and a key that is not there is no error. `_` is the key `message`.",
	Params:  []Param{{Name: "name", Kind: Value, Summary: "a str"}},
	Named:   true,
	Examples: []Example{
		{Script: "add_key(a, 1)\nset_tag(b, \"x\")\nfor k in [\"a\", \"b\", \"nosuch\"] { pt_kvs_del(k) }", Want: ""},
		{Script: "for k in pt_kvs_keys(tags=false) { pt_kvs_del(k) }\nadd_key(left, len(pt_kvs_keys()))", Message: "m", Want: "left=0"},
		{Script: "pt_kvs_del(\"_\")\nadd_key(gone, message == nil)", Message: "m", Want: "gone=true"},
	},
	Bind: func(c *Call) eval.Expr {
		name := c.TypedValue(0, point.KindString)
		return func(f *eval.Frame) (point.Value, bool) {
			v, ok := name(f)
			if ok {
				f.Point.Delete(KeyName(v.Str()))
			}
			return wrote(ok)
		}
	},
})

var _ = declare(Decl{
	Name:    "pt_kvs_keys",
	Group:   OnPoint,
	Summary: "Yields the names of the point's keys as a list, sorted.",
	Doc:     "Differs from DataKit: the order of its list is undefined.",
	Result:  "list",
	Params: []Param{
		{Name: "tags", Kind: Value, Optional: true, Summary: "a bool: with the tags, by default true"},
		{Name: "fields", Kind: Value, Optional: true, Summary: "a bool: with the fields, by default true"},
	},
	Named: true,
	Examples: []Example{
		{Script: "set_tag(host, \"h\")\nadd_key(b, 1)\nadd_key(all, pt_kvs_keys())", Message: "m", Want: "host#=\"h\"\nb=1\nall=\"[\\\"b\\\",\\\"host\\\",\\\"message\\\",\\\"status\\\"]\""},
		{Script: "set_tag(host, \"h\")\nadd_key(t, pt_kvs_keys(fields=false))", Want: "host#=\"h\"\nt=\"[\\\"host\\\"]\""},
		{Script: "d = load_json(_)\nfor k in d { pt_kvs_set(k, d[k]) }\nfor k in pt_kvs_keys(tags=false) {\n if \"tmp_\" in k { pt_kvs_del(k) }\n}",
			Message: `{"a": 1, "tmp_b": 2}`, Want: "a=1.0"},
	},
	Bind: func(c *Call) eval.Expr {
		tags, fields := c.TypedValue(0, point.KindBool), c.TypedValue(1, point.KindBool)
		return func(f *eval.Frame) (point.Value, bool) {
			withTags, ok := flagValue(f, tags, true)
			if !ok {
				return failed()
			}
			withFields, ok := flagValue(f, fields, true)
			if !ok || !f.Spend(len(f.Point.Fields)*eval.ItemSize) {
				return failed()
			}
			return point.List(keyNames(f.Point, withTags, withFields)), true
		}
	},
})

func keyNames(p *point.Point, tags, fields bool) []point.Value {
	names := make([]string, 0, len(p.Fields))
	for i := range p.Fields {
		if x := &p.Fields[i]; x.Tag && tags || !x.Tag && fields {
			names = append(names, x.Key)
		}
	}
	slices.Sort(names)
	list := make([]point.Value, len(names))
	for i, name := range names {
		list[i] = point.String(name)
	}
	return list
}

// flagValue evaluates an argument that is a bool, otherwise if it is not given.
func flagValue(f *eval.Frame, x eval.Expr, otherwise bool) (flag, ok bool) {
	if x == nil {
		return otherwise, true
	}
	v, ok := x(f)
	return v.Bool(), ok
}

// writeRaw writes as [eval.Frame.Write] does, but for a list or map, which a field gets itself.
func writeRaw(f *eval.Frame, key string, v point.Value) bool {
	i := f.Index(key)
	if k := eval.KindOf(v); k != point.KindList && k != point.KindMap || i >= 0 && f.Point.Fields[i].Tag {
		return f.Write(key, v)
	}
	v, ok := ownTree(f, v)
	if ok {
		f.Point.Set(key, v)
	}
	return ok
}

// ownTree returns a list or map that shares nothing with v that can change: neither may the script change what stands on a
// point nor the other way round. It is paid for.
func ownTree(f *eval.Frame, v point.Value) (point.Value, bool) {
	if doc, n := eval.Doc(v); doc != nil && !f.Work(len(doc.Raw(n))) {
		return failed()
	}
	v = eval.Tree(v)
	if !f.Measure(v) { // an endless one, too, is found here
		return failed()
	}
	return copyTree(v), true
}

// copyTree copies v; texts are shared. Kinds that the language does not have become those that it has.
func copyTree(v point.Value) point.Value {
	switch v.Kind() {
	case point.KindUint:
		return point.Int(v.Int())
	case point.KindBytes:
		return point.StringOf(v.Raw())
	case point.KindList:
		items := slices.Clone(v.Items())
		for i := range items {
			items[i] = copyTree(items[i])
		}
		return point.List(items)
	case point.KindMap:
		m := maps.Clone(v.Map())
		for k, x := range m {
			m[k] = copyTree(x)
		}
		return point.Map(m)
	}
	return v
}
