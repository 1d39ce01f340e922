package point

import (
	"fmt"
	"testing"
	"time"
)

// TestCheckHostile: what a point costs grows with its size, not with its square.
func TestCheckHostile(t *testing.T) {
	const many = 200_000
	for name, x := range map[string]struct {
		category Category
		key      string
		value    Value
	}{
		"keys that change":   {Logging, "a.%d", Int(1)},
		"texts of a metric":  {Metric, "k%d", String("")},
		"keys with newlines": {Metric, "k\n%d", Int(1)},
	} {
		p := Point{Name: "m", Category: x.category}
		for i := range many {
			p.Fields = append(p.Fields, Field{Key: fmt.Sprintf(x.key, i), Value: x.value})
		}
		rules, start := RulesOf(x.category), time.Now()
		rules.Check(&p)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
		if len(p.Fields) > MaxFields+len(rules.Required) || p.Extra == nil || len(p.Extra.Warns) > maxWarns {
			t.Errorf("%s: %d fields, %+v", name, len(p.Fields), p.Extra)
		}
	}
}

// TestCheckManyKeys: a point with many fields is checked like one with few.
func TestCheckManyKeys(t *testing.T) {
	for _, filler := range []int{0, manyFields} {
		p := Point{Name: "l", Category: Logging}
		for i := range filler {
			p.Fields = append(p.Fields, Field{Key: fmt.Sprintf("filler%d", i), Value: Int(1)})
		}
		for i, key := range []string{"a.b", "a_b", "c.d", "c.d", "e_f", "e.f", "g.h", "date", "status"} {
			p.Fields = append(p.Fields, Field{Key: key, Value: Int(int64(i))})
		}
		rules := RulesOf(Logging)
		rules.Check(&p)
		var got string
		for _, f := range p.Fields[filler:] {
			got += fmt.Sprintf("%s=%d ", f.Key, f.Value.Int())
		}
		if got != "a_b=1 c_d=2 e_f=4 g_h=6 status=8 " {
			t.Errorf("beside %d others: %s", filler, got)
		}
	}
}

// TestCheckRequiredAllocates nothing for what most logs need.
func TestCheckRequiredAllocates(t *testing.T) {
	rules := RulesOf(Logging)
	fields := append(make([]Field, 0, 8), Field{Key: "message", Value: String("x")})
	p := Point{Name: "l", Category: Logging}
	if n := testing.AllocsPerRun(100, func() {
		p.Fields, p.Extra = fields, nil
		rules.Check(&p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	q := Point{Category: Logging, Fields: []Field{{Key: "a.b", Value: Int(1)}}}
	rules.Check(&q) // the warnings are shared: one more must not show on others
	if len(q.Extra.Warns) != 3 || len(p.Extra.Warns) != 1 {
		t.Errorf("%+v, %+v", q.Extra.Warns, p.Extra.Warns)
	}
}
