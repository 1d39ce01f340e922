package funcs

import (
	"slices"
	"strings"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "create_point",
	Group:   OnPoint,
	Summary: "Makes a further point, which goes on beside the present one in the category that it is given.",
	Doc: "Of `tags` only text is taken, of `fields` ints, floats, bools and text; what else is in the maps is left out. " +
		"Categories are `metric` or `M`, `logging` or `L`, `tracing` or `T`, `rum` or `R`, `network` or `N`, `object` or `O`, " +
		"`custom_object` or `CO`, `security` or `S`, `dialtesting` or `DT`; with any other text the call does nothing.\n\n" +
		"The point is built by the rules of its category: a metric loses fields that are text, an object without `name` gets " +
		"`name`=`default`, a log without `status` gets `status`=`info`, and dots in keys become `_` but in metrics. A key that is both " +
		"tag and field becomes the field. Where the script ends without an error a field `time` that is an int becomes the time of the " +
		"point, in ns.\n\n" +
		"`after_use` names a script that runs on the new point before it is stored. A `drop()` there drops the new point only, and " +
		"the status of a new log is not mapped. An error in it is an error here, and with any error of a run the points that it created " +
		"are lost. An error while `tags`, `fields`, `ts` or `category` are evaluated is not reported: the call does nothing.",
	Params: []Param{
		{Name: "name", Kind: Value, Summary: "a str"},
		{Name: "tags", Kind: Value, Summary: "a map or nil"},
		{Name: "fields", Kind: Value, Summary: "a map or nil"},
		{Name: "ts", Kind: Value, Optional: true, Summary: "an int: ns since 1970; by default, and if it is not above 0, the time of the present point"},
		{Name: "category", Kind: Value, Optional: true, Summary: "a str, by default `\"metric\"`"},
		{Name: "after_use", Kind: Text, Optional: true, Summary: "the file name of another script"},
	},
	Named: true,
	Examples: []Example{
		{Script: "create_point(\"order_item\", {\"sku\": \"x1\"}, {\"qty\": 2, \"price\": 1.5, \"note\": \"no text in metrics\"})",
			Want: "created metric order_item,sku=x1 price=1.5,qty=2i 1700000000000000000"},
		{Script: "create_point(\"sub\", {\"t\": \"v\"}, {\"f\": 1}, 1600000000000000000, \"M\")",
			Want: "created metric sub,t=v f=1i 1600000000000000000"},
		{Script: "create_point(\"audit\", nil, {\"user.id\": \"kim\", \"skipped\": [1]}, category=\"L\")",
			Want: "created logging audit status=\"info\",user_id=\"kim\" 1700000000000000000"},
		{Script: "for n in [1, 2] { create_point(\"p\", nil, {\"n\": n}, after_use=\"keep.p\") }",
			Scripts: map[string]string{"keep.p": "if n == 1 { drop() }\nadd_key(seen, true)"},
			Want:    "created metric p n=2i,seen=true 1700000000000000000"},
		{Script: "create_point(\"p\", \"no map\", nil)", Want: "error 1:1: create_point: the argument tags is not map or nil but str"},
	},
	Bind: bindCreatePoint,
})

// creatable are the categories of the points that a script may create, by their names.
var creatable = func() map[string]point.Category {
	byName := map[string]point.Category{}
	for _, c := range []point.Category{
		point.Metric, point.Logging, point.Tracing, point.RUM, point.Network, point.Object, point.CustomObject, point.Security,
		point.DialTesting,
	} {
		byName[c.String()], byName[c.Alias()] = c, c
	}
	return byName
}()

// creationRules are the rules by which a created point is built. They differ from those of the write API: custom objects
// and dial tests have those of objects and logs, and only metrics keep dots.
func creationRules(c point.Category) point.Rules {
	switch c {
	case point.Metric:
		return point.RulesOf(point.Metric)
	case point.Logging, point.DialTesting:
		return point.RulesOf(point.Logging)
	case point.Object, point.CustomObject:
		return point.RulesOf(point.Object)
	}
	return point.Rules{ReplaceDots: true}
}

func bindCreatePoint(c *Call) eval.Expr {
	name, tags, fields := c.Value(0), c.Value(1), c.Value(2)
	var ts, category eval.Expr
	if c.Has(3) {
		ts = c.Value(3)
	}
	if c.Has(4) {
		category = c.Value(4)
	}
	src, at := c.Source(), c.at
	var after *eval.Program
	if c.Has(5) {
		if after = c.Program(c.Str(5), c.Arg(5).Pos()); after == nil {
			c.bad = true
			return nil
		}
	}
	return func(f *eval.Frame) (point.Value, bool) {
		n, ok := name(f)
		if !ok {
			return failed()
		}
		if n.Kind() != point.KindString {
			return f.Failf("create_point: the argument name is not str but %s", eval.TypeName(n))
		}
		p := point.Point{Name: n.Str(), Category: point.Metric, Time: f.Point.Time, Record: f.Point.Record}
		if p.Time == 0 {
			p.Time = f.Now().UnixNano()
		}
		for _, take := range [...]struct {
			from eval.Expr
			into func(*eval.Frame, *point.Point, point.Value) (bool, bool)
		}{{tags, createdTags}, {fields, createdFields}, {ts, createdTime}, {category, createdCategory}} {
			if take.from == nil {
				continue
			}
			v, ok := take.from(f)
			if !ok {
				return wrote(f.Recover())
			}
			if more, ok := take.into(f, &p, eval.NotVoid(v)); !more {
				return wrote(ok)
			}
		}
		rules := creationRules(p.Category)
		rules.Check(&p)
		return wrote(f.Create(p, after, src, at))
	}
}

// The functions that take an argument into the new point report whether the call goes on, and if not whether it failed.

func createdTags(f *eval.Frame, p *point.Point, v point.Value) (more, ok bool) {
	return takeMap(f, p, v, "tags", true, func(v point.Value) bool { return v.Kind() == point.KindString })
}

func createdFields(f *eval.Frame, p *point.Point, v point.Value) (more, ok bool) {
	return takeMap(f, p, v, "fields", false, func(v point.Value) bool {
		switch v.Kind() {
		case point.KindInt, point.KindFloat, point.KindBool, point.KindString:
			return true
		}
		return false
	})
}

// takeMap adds the entries of a map whose values are taken, in the order of their keys.
func takeMap(f *eval.Frame, p *point.Point, v point.Value, name string, tag bool, taken func(point.Value) bool) (more, ok bool) {
	if v.IsNil() {
		return true, true
	}
	if eval.KindOf(v) != point.KindMap {
		f.Failf("create_point: the argument %s is not map or nil but %s", name, eval.TypeName(v))
		return false, false
	}
	if doc, n := eval.Doc(v); doc != nil && !f.Work(len(doc.Raw(n))) {
		return false, false
	}
	m := eval.Tree(v).Map()
	if !f.Work(len(m) * 2 * eval.ItemSize) {
		return false, false
	}
	p.Fields = slices.Grow(p.Fields, len(m)+1) // and one that the rules may add
	from := len(p.Fields)
	for key, x := range m {
		if taken(x) {
			p.Fields = append(p.Fields, point.Field{Key: key, Value: x, Tag: tag})
		}
	}
	slices.SortFunc(p.Fields[from:], func(a, b point.Field) int { return strings.Compare(a.Key, b.Key) })
	return true, true
}

func createdTime(f *eval.Frame, p *point.Point, v point.Value) (more, ok bool) {
	switch v.Kind() {
	case point.KindNil:
	case point.KindInt:
		if v.Int() > 0 {
			p.Time = v.Int()
		}
	default:
		f.Failf("create_point: the argument ts is not int but %s", eval.TypeName(v))
		return false, false
	}
	return true, true
}

func createdCategory(f *eval.Frame, p *point.Point, v point.Value) (more, ok bool) {
	switch v.Kind() {
	case point.KindNil:
		return true, true
	case point.KindString:
		category, known := creatable[v.Str()]
		p.Category = category
		return known, true
	}
	f.Failf("create_point: the argument category is not str but %s", eval.TypeName(v))
	return false, false
}
