package funcs

import (
	"maps"
	"slices"
	"time"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/state"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "agg_create",
	Group:   OnState,
	Summary: "Makes a bucket, in which `agg_metric` aggregates values, unless there is one of the name in the category.",
	Doc: "A bucket makes a point for each of its groups every `on_interval`, each time `on_count` values came in, and when the script " +
		"is unloaded or the engine stops. The point has the name and category of the bucket, the time at which it is made, the global tags, then " +
		"`const_tags`, then the tags of its group, of which later ones win, and a float field for each aggregate, which wins over a tag of its " +
		"name. A field or tag `time` is left out. " +
		"The bucket is empty after that, unless `keep_value` is true: then its groups go on from the values that they have, and their points come " +
		"again. The points of `on_count` come with the point that filled the bucket or, if its run ended with an error, with the next one.\n\n" +
		"Categories are those of `create_point`. With any other text the call does nothing, nor does it if evaluating `const_tags` or `category` " +
		"fails. Of `const_tags` only text is taken." + stateDoc +
		" So a kill costs the values that came in since the last points were made.",
	Params: []Param{
		{Name: "bucket", Kind: Text, Summary: "the name of its points"},
		{Name: "on_interval", Kind: Text, Optional: true, Summary: "a duration, by default `\"60s\"`; 0 or less is never"},
		{Name: "on_count", Kind: Value, Optional: true, Summary: "an int literal, by default 0, which is never"},
		{Name: "keep_value", Kind: Flag, Optional: true, Summary: "by default false"},
		{Name: "const_tags", Kind: Value, Optional: true, Summary: "a map"},
		{Name: "category", Kind: Value, Optional: true, Summary: "a str, by default `\"M\"`"},
	},
	Named: true,
	Examples: []Example{
		{Script: "agg_create(\"reqs\", on_count=3)\nn = 1\n" +
			"agg_metric(\"reqs\", \"hits\", \"sum\", [\"message\"], \"n\")",
			Points: []string{"a", "b", "a"},
			Want:   "\n--\n\n--\ncreated metric reqs,message=a hits=2 1700000000000000005\ncreated metric reqs,message=b hits=1 1700000000000000005"},
		{Script: "agg_create(\"b\", on_count=1, const_tags={\"env\": \"prod\", \"n\": 1}, category=\"logging\")\n" +
			"x = len(_)\nagg_metric(\"b\", \"longest\", \"max\", [\"status\"], \"x\", category=\"L\")",
			Message: "1234", Want: "created logging b,env=prod,status=info longest=4 1700000000000000005"},
		{Script: "agg_create(\"b\", on_count=1, keep_value=true)\nx = len(_)\nagg_metric(\"b\", \"n\", \"sum\", [\"status\"], \"x\")",
			Points: []string{"12", "1234"},
			Want: "created metric b,status=info n=2 1700000000000000005\n--\n" +
				"created metric b,status=info n=6 1700000000000000005"},
		{Script: "agg_create(\"b\", \"0s\")",
			Want: "load error 1:17: agg_create: on_interval and on_count cannot both be 0 or less"},
	},
	Bind: bindAggCreate,
})

func bindAggCreate(c *Call) eval.Expr {
	spec := state.Spec{Interval: time.Minute, Keep: c.Flag(3, false)}
	if c.Has(1) {
		interval, err := time.ParseDuration(c.Str(1))
		if err != nil {
			c.Fault(1, "%q is no duration such as 60s", c.Str(1))
			return nil
		}
		spec.Interval = interval
	}
	if c.Has(2) {
		l, ok := c.Arg(2).(*syntax.Literal)
		if !ok || l.Val.Kind() != point.KindInt {
			c.Fault(2, "the argument on_count must be an int literal")
			return nil
		}
		spec.Count = l.Val.Int()
	}
	if spec.Interval <= 0 && spec.Count <= 0 {
		c.Fault(1, "on_interval and on_count cannot both be 0 or less")
		return nil
	}
	tags := func(*eval.Frame) (point.Value, bool) { return point.Nil(), true }
	if c.Has(4) {
		if l, ok := c.Arg(4).(*syntax.Literal); ok && !l.Val.IsNil() {
			c.Fault(4, "the argument const_tags must be a map")
			return nil
		}
		tags = c.Value(4)
	}
	name, category := c.Str(0), bucketCategory(c, 5)
	return func(f *eval.Frame) (point.Value, bool) {
		in, known, ok := category(f)
		if !known || !ok {
			return wrote(ok)
		}
		id := state.ID{Category: in, Name: name}
		if f.State.Buckets.Has(id) {
			return done()
		}
		v, ok := tags(f)
		if !ok {
			return wrote(f.Recover())
		}
		spec := spec
		spec.Rules = creationRules(in)
		m := eval.Tree(v).Map()
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if m[k].Kind() == point.KindString {
				spec.Tags = append(spec.Tags, point.Field{Key: k, Value: m[k], Tag: true})
			}
		}
		f.State.Buckets.Create(id, spec, f.Now())
		return done()
	}
}

// bucketCategory returns how the category of a bucket, argument i, is evaluated. known is false for what is none; ok is false
// after an error that nothing swallows.
func bucketCategory(c *Call, i int) func(*eval.Frame) (category point.Category, known, ok bool) {
	if !c.Has(i) {
		return func(*eval.Frame) (point.Category, bool, bool) { return point.Metric, true, true }
	}
	value := c.Value(i)
	return func(f *eval.Frame) (point.Category, bool, bool) {
		v, ok := value(f)
		if !ok {
			return 0, false, f.Recover()
		}
		category, known := creatable[v.Str()]
		return category, known, true
	}
}

var functions = map[string]state.Function{
	"avg": state.Avg, "sum": state.Sum, "max": state.Max, "min": state.Min, "set": state.Set,
}

var _ = declare(Decl{
	Name:    "agg_metric",
	Group:   OnState,
	Summary: "Adds the value of a name to an aggregate in a bucket of `agg_create`.",
	Doc: "The value goes to the field `new_field` of the group that is given by the values of the names in `agg_by`; their order does not " +
		"matter. It counts as a float: text that is no number is 0. `agg_fn` is `avg`, `sum`, `max`, `min` or `set`, the last value; the first " +
		"call for a field of a group decides. The call does nothing if `agg_field` or one of the `agg_by` names is unknown, if one of " +
		"these is no str, and if there is no such bucket or function.\n\n" +
		"The groups of a script may have about 64 MiB together. Values of further groups are lost, and counted." + stateDoc +
		" So a kill costs the values that came in since the last points were made.\n\n" +
		"Differs from DataKit: `max` of negative values is not 0, and `min` is the least value and not the last.",
	Params: []Param{
		{Name: "bucket", Kind: Text},
		{Name: "new_field", Kind: Text, Summary: "the field of the bucket's points"},
		{Name: "agg_fn", Kind: Text, Summary: "`\"avg\"`, `\"sum\"`, `\"max\"`, `\"min\"` or `\"set\"`"},
		{Name: "agg_by", Kind: Value, Summary: "a list of text literals, names whose values are tags of the bucket's points"},
		{Name: "agg_field", Kind: Text, Summary: "a name, variable first, whose value is added"},
		{Name: "category", Kind: Value, Optional: true, Summary: "of the bucket, by default `\"M\"`"},
	},
	Named: true,
	Examples: []Example{
		{Script: "agg_create(\"b\", on_count=6)\nfor x in [-3, -1, -2] {\n  agg_metric(\"b\", \"max\", \"max\", [\"status\"], \"x\")\n" +
			"  agg_metric(\"b\", \"min\", \"min\", [\"status\"], \"x\")\n}",
			Want: "created metric b,status=info max=-1,min=-3 1700000000000000005"},
		{Script: "agg_create(\"b\", on_count=2)\nfor x in [\"1.5\", \"no number\"] {\n" +
			"  agg_metric(\"b\", \"mean\", \"avg\", agg_by=[\"status\"], agg_field=\"x\")\n}",
			Want: "created metric b,status=info mean=0.75 1700000000000000005"},
		{Script: "agg_create(\"b\", on_count=1)\nn = 1\nagg_metric(\"b\", \"f\", \"sum\", [\"n\"], \"n\")\n" +
			"agg_metric(\"b\", \"f\", \"sum\", [\"nosuch\"], \"n\")\nagg_metric(\"b\", \"f\", \"median\", [\"status\"], \"n\")", Want: ""},
		{Script: "agg_metric(\"b\", \"f\", \"sum\", [], \"n\")",
			Want: "load error 1:29: agg_metric: the argument agg_by must be a list of text literals that is not empty"},
	},
	Bind: bindAggMetric,
})

func bindAggMetric(c *Call) eval.Expr {
	by, ok := textList(c.Arg(3))
	if !ok || len(by) == 0 {
		c.Fault(3, "the argument agg_by must be a list of text literals that is not empty")
		return nil
	}
	slices.Sort(by)
	by = slices.Compact(by)
	function, known := functions[c.Str(2)]
	if !known {
		return func(*eval.Frame) (point.Value, bool) { return done() }
	}
	m := &state.Measure{Field: c.Str(1), Function: function, By: by}
	groups, value := lookups(c, by), c.Lookup(KeyName(c.Str(4)))
	name, category := c.Str(0), bucketCategory(c, 5)
	return func(f *eval.Frame) (point.Value, bool) {
		v, known := value(f)
		if !known {
			return done()
		}
		in, known, ok := category(f)
		if !known || !ok {
			return wrote(ok)
		}
		if values, known := readStrings(f, groups); known {
			f.State.Buckets.Add(state.ID{Category: in, Name: name}, m, values, eval.ToFloat(v), f.Now())
		}
		return done()
	}
}

// textList returns the texts of a list literal of text literals.
func textList(x syntax.Expr) (texts []string, ok bool) {
	list, ok := x.(*syntax.List)
	if !ok {
		return nil, false
	}
	for _, item := range list.Items {
		l, ok := item.(*syntax.Literal)
		if !ok || l.Val.Kind() != point.KindString {
			return nil, false
		}
		texts = append(texts, l.Val.Str())
	}
	return texts, true
}

// lookups returns how names are read at the place of the call.
func lookups(c *Call, names []string) []eval.Lookup {
	reads := make([]eval.Lookup, len(names))
	for i, name := range names {
		reads[i] = c.Lookup(KeyName(name))
	}
	return reads
}

// readStrings reads names whose values must be strings. The list is good until the next use of the frame's room.
func readStrings(f *eval.Frame, reads []eval.Lookup) (values []point.Value, ok bool) {
	values = f.Groups()
	for _, read := range reads {
		v, known := read(f)
		if !known || v.Kind() != point.KindString {
			return nil, false
		}
		values = append(values, v)
	}
	f.KeepGroups(values)
	return values, true
}
