package enginetest

import (
	"testing"

	"dataflow/engine/point"
)

// The suites stand on same: it must see every kind of change, and none where there is none.
func TestSame(t *testing.T) {
	make := func() []point.Point {
		return []point.Point{{Name: "p", Time: 1, Fields: []point.Field{
			{Key: "n", Value: point.Int(1)}, {Key: "l", Value: point.List([]point.Value{point.String("x")})},
		}}}
	}
	a := make()
	if !same(a, clones(a)) {
		t.Error("a clone is not the same")
	}
	for name, change := range map[string]func(p *point.Point){
		"name": func(p *point.Point) { p.Name = "q" }, "time": func(p *point.Point) { p.Time++ },
		"category": func(p *point.Point) { p.Category = point.RUM }, "record": func(p *point.Point) { p.Record = 3 },
		"value": func(p *point.Point) { p.Set("n", point.Int(2)) }, "tag": func(p *point.Point) { p.Fields[0].Tag = true },
		"key": func(p *point.Point) { p.Fields[0].Key = "m" }, "new field": func(p *point.Point) { p.Set("x", point.Int(2)) },
		"in a list": func(p *point.Point) { p.Fields[1].Value.Items()[0] = point.String("y") },
	} {
		b := make()
		change(&b[0])
		if same(a, b) {
			t.Errorf("a changed %s goes unnoticed", name)
		}
	}
}
