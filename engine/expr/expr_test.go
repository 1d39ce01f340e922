package expr

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// batch returns a batch of two points: one with everything, one with nothing.
func batch() *engine.Batch {
	origin := &engine.Origin{Topic: "logs", Partition: 3}
	return &engine.Batch{
		Origin: origin,
		Records: []engine.Record{{
			Origin: origin, Offset: 42, Time: 1_700_000_000_000_000_000, Key: []byte("k1"),
			Headers: []engine.KV{{Key: "trace", Value: []byte("abc")}, {Key: "a.b", Value: []byte("c")}},
		}},
		Points: []point.Point{
			{Name: "nginx", Category: point.Logging, Time: 5, Record: 0, Fields: []point.Field{
				{Key: "env", Value: point.String("prod"), Tag: true},
				{Key: "a.b", Value: point.String("dotted"), Tag: true},
				{Key: "message", Value: point.String("GET /x 200")},
				{Key: "raw", Value: point.Bytes([]byte("bytes"))},
				{Key: "n", Value: point.Int(7)},
				{Key: "neg", Value: point.Int(-7)},
				{Key: "u", Value: point.Uint(math.MaxUint64)},
				{Key: "f", Value: point.Float(1.5)},
				{Key: "nan", Value: point.Float(math.NaN())},
				{Key: "yes", Value: point.Bool(true)},
				{Key: "nothing", Value: point.Nil()},
				{Key: "list", Value: point.List([]point.Value{point.Int(1), point.String("x"), point.Uint(9)})},
				{Key: "map", Value: point.Map(map[string]point.Value{"k": point.Int(1)})},
			}},
			{Name: "", Record: -1},
		},
	}
}

// conditions are what holds for the first point of batch, and for the second.
var conditions = []struct {
	text          string
	first, second bool
}{
	// By hand.
	{`true`, true, true},
	{`name == "nginx"`, true, false},
	{`"nginx" == name`, true, false},
	{`name != "nginx"`, false, true},
	{`category == "logging"`, true, false},
	{`category in ["logging", "metric"]`, true, false},
	{`meta.topic == "logs"`, true, true},
	{`meta.partition == 3`, true, true},
	{`meta.offset >= 42`, true, false},
	{`meta.timestamp > 1600000000000000000`, true, false},
	{`meta.key startsWith "k"`, true, false},
	{`meta.headers.trace == "abc"`, true, false},
	{`meta.headers["a.b"] == "c"`, true, false},
	{`time == 5`, true, false},
	{`tags.env == "prod"`, true, false},
	{`tags["a.b"] == "dotted"`, true, false},
	{`tags?.env == "prod"`, true, false},
	{`tags.env != "dev"`, true, false},
	{`tags.missing != "dev"`, false, false},
	{`!(tags.missing == "dev")`, true, true},
	{`tags.message == "x" or fields.env == "prod"`, false, false},
	{`tags.env == nil`, false, true},
	{`fields.nothing != nil`, false, false},
	{`fields.n != nil`, true, false},
	{`"env" in tags`, true, false},
	{`"n" in tags`, false, false},
	{`not ("env" in tags)`, false, true},
	{`fields.n == 7`, true, false},
	{`fields.n == 7.0`, true, false},
	{`fields.n < 8 && fields.n > -1`, true, false},
	{`7 <= fields.n`, true, false},
	{`8 > fields.n`, true, false},
	{`fields.n == "7"`, false, false},
	{`fields.n != "7"`, true, false},
	{`fields.n < "8"`, false, false},
	{`fields.neg < 0`, true, false},
	{`fields.neg < fields.u`, true, false},
	{`fields.u > 9223372036854775807`, true, false},
	{`fields.u == -1`, false, false},
	{`fields.u > 1e18`, true, false},
	{`fields.u < 1.8446744073709552e19`, true, false},
	{`fields.f > 1`, true, false},
	{`fields.f in [1.5, 2]`, true, false},
	{`fields.n in [1, 7]`, true, false},
	{`fields.n in ["7"]`, false, false},
	{`fields.nan == fields.nan`, false, false},
	{`fields.nan < 1 or fields.nan >= 1`, false, false},
	{`fields.yes`, true, false},
	{`!fields.yes`, false, true},
	{`fields.yes == true`, true, false},
	{`fields.raw == "bytes"`, true, false},
	{`fields.raw contains "yte"`, true, false},
	{`fields.message contains "GET" and fields.message endsWith "200"`, true, false},
	{`fields.message matches "^GET /\\w+ \\d+$"`, true, false},
	{`fields.n matches "7"`, false, false},
	{`fields.list == 1`, false, false},
	{`tags.env in []`, false, false},
	{`tags.env not in ["dev"]`, true, true},
	{`meta.topic == tags.env`, false, false},
	// By expr-lang.
	{`len(fields.message) > 5`, true, false},
	{`fields.n + 1 == 8`, true, false},
	{`fields.n - 1 > 5 and fields.n * 2 >= 14 and fields.n / 2 == 3.5 and fields.n % 2 == 1 and fields.n ** 2 == 49 and -fields.n == -7`, true, false},
	{`fields.n + 1 != 9`, true, false},
	{`fields.missing + 1 != 9`, false, false},
	{`fields.missing + 1 > 0 or name == "nginx"`, true, false},
	{`lower(name) == "nginx"`, true, false},
	{`lower(name) matches "^n"`, true, false},
	{`lower(name) in ["nginx"]`, true, false},
	{`(fields.missing ?? 3) == 3`, true, true},
	{`tags.env + "-x" == "prod-x"`, true, false},
	{`tags.env == "pr" + "od"`, true, false},
	{`fields.yes ? fields.n == 7 : fields.n == 8`, true, false},
	{`any(fields.list ?? [], # == 9)`, true, false},
	{`1 in (fields.list ?? [])`, true, false},
	{`fields.u + 0.5 > 1`, true, false},
	{`[fields.u][0] > 9223372036854775807`, true, false},
	{`(fields.missing ?? nil) == nil`, true, true},
	{`("env" in tags) == true`, true, false},
	{`let n = fields.n; n == 7`, true, false},
	{`[fields.map][0].k == 1`, true, false},
	{`(fields.n == 7) == (name == "nginx")`, true, true},
	{`name in [lower("NGINX")]`, true, false},
	{`trim(name + "") startsWith "ng"`, true, false},
	{`upper(name) contains "GIN"`, true, false},
	{`upper(name) endsWith "NX"`, true, false},
	{`tags.env matches ("^" + "pr")`, true, false},
}

func TestConditions(t *testing.T) {
	b := batch()
	for _, c := range conditions {
		cond, err := Compile(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		for i, want := range []bool{c.first, c.second} {
			if got := cond.Match(b, i); got != want {
				t.Errorf("%s is %v for point %d", c.text, got, i)
			}
		}
		// What expr-lang makes of the whole must agree with what is compiled by hand.
		whole, err := generalOf(c.text)
		if err != nil {
			t.Errorf("%s, by expr-lang: %v", c.text, err)
			continue
		}
		for i, want := range []bool{c.first, c.second} {
			if got := whole.match(b, i); got != want {
				t.Errorf("%s by expr-lang is %v for point %d", c.text, got, i)
			}
		}
	}
}

func TestRunErrors(t *testing.T) {
	c, err := Compile(`len(fields.n) > 1 or int(fields.message) == 3`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Match(batch(), 0) || c.Errors() != 2 {
		t.Errorf("%d errors", c.Errors())
	}
}

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct{ text, message, at, hint string }{
		{``, "the condition is empty", "", ""},
		{`topic == "x"`, `"topic" is no name`, "topic", `did you mean "meta.topic"?`},
		{`mesage == "x"`, `"mesage" is no name`, "mesage", "write tags.mesage or fields.mesage"},
		{`nmae == "x"`, `"nmae" is no name`, "nmae", `did you mean "name"?`},
		{`true && tag.x == "x"`, `"tag" is no name`, "tag", ""},
		{`meta.topc == "x"`, `"meta.topc" is no name`, "", `did you mean "meta.topic"?`},
		{`len(fields) > 3`, "fields stands for nothing by itself", "fields", "write fields.KEY, with a KEY that is a constant"},
		{`tags[name] == "x"`, "tags stands for nothing by itself", "tags", ""},
		{`meta.headers == "x"`, "meta.headers stands for nothing by itself", "", "write meta.headers.KEY"},
		{`name > 3`, "invalid operation: > (mismatched types string and int)", "", ""},
		{`tags.env == 3`, "invalid operation: == (mismatched types string and int)", "", ""},
		{`name + "x"`, "expected bool, but got string", "", ""},
		{`name = "x"`, "", "", "equality is =="},
		{`name == "x" &&`, "unexpected token EOF", "", ""},
		{`名 == "x" and name === "y"`, "", "", ""},
		{`name matches "("`, "", "", ""},
		{`fields.n in 1..9`, "a range has no place in a condition", "", "write x >= 1 && x <= 9"},
		{`nope(name)`, "unknown name nope", "nope", ""},
		{`name startWith "x"`, "", "startWith", `did you mean "startsWith"?`},
		{`$env.name == "x"`, `"$env" is no name`, "$env", ""},
		{strings.Repeat("(", 9000), "", "", ""},
		{strings.Repeat("(", 4000), "", "", ""},
	} {
		cond, err := Compile(c.text)
		var e *diag.TextError
		if cond != nil || !errors.As(err, &e) {
			t.Errorf("%.40s: %v", c.text, err)
			continue
		}
		if c.message != "" && e.Message != c.message || c.hint != "" && e.Hint != c.hint {
			t.Errorf("%.40s: %q, hint %q", c.text, e.Message, e.Hint)
		}
		if c.at != "" && c.text[e.Start:e.End] != c.at {
			t.Errorf("%.40s: at %q", c.text, c.text[e.Start:e.End])
		}
		if strings.Contains(e.Message, "\n") {
			t.Errorf("%.40s: message of several lines %q", c.text, e.Message)
		}
	}
}

func TestPerBatch(t *testing.T) {
	for text, want := range map[string]bool{
		`meta.topic == "x"`: true, `meta.topic startsWith "x" or meta.partition in [1, 2]`: true, `true`: true, `lower(meta.topic) == "x"`: true,
		`name == "x"`: false, `category == "logging"`: false, `meta.topic == "x" and tags.a == "b"`: false, `"a" in tags`: false, `len(fields.a) > 1`: false,
	} {
		c, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if c.PerBatch() != want {
			t.Errorf("PerBatch of %s is %v", text, !want)
		}
		if want { // asked of an empty batch
			c.Match(&engine.Batch{Origin: &engine.Origin{Topic: "x"}}, 0)
		}
	}
}

func TestConcurrent(t *testing.T) {
	c, err := Compile(`len(fields.message) > 5 && lower(tags.env) == "prod" && len(fields.n) != 0`)
	if err != nil {
		t.Fatal(err)
	}
	const goroutines, times = 4, 100
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			b := batch()
			for range times {
				if c.Match(b, 0) || c.Match(b, 1) {
					t.Error("a failed evaluation holds")
				}
			}
		})
	}
	wg.Wait()
	if got := c.Errors(); got != 2*goroutines*times {
		t.Errorf("%d errors", got)
	}
}

func TestZeroCondition(t *testing.T) {
	var c Condition
	var p *Condition
	if !c.Match(batch(), 0) || !p.Match(batch(), 0) || !c.PerBatch() || c.IsSet() || p.IsSet() || p.String() != "" || p.Errors() != 0 {
		t.Error("a condition that is not given holds for every point")
	}
}

func TestMatchAllocations(t *testing.T) {
	b := batch()
	for _, text := range []string{
		`meta.topic == "logs" && name != "x"`, `category in ["metric", "logging"]`, `tags.env in ["dev", "prod"] || fields.n > 3`,
		`fields.message startsWith "GET" and not (fields.message contains "y")`, `fields.message matches "^GET"`, `fields.u > fields.neg`,
		`meta.headers.trace == "abc" and meta.key != "x" and "env" in tags and fields.raw endsWith "s"`,
	} {
		c, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Match(b, 0) {
			t.Errorf("%s does not hold", text)
		}
		if n := testing.AllocsPerRun(100, func() { c.Match(b, 0) }); n != 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

func TestMerged(t *testing.T) {
	b := batch()
	b.Origin = nil
	c, err := Compile(`meta.topic == "logs"`)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Match(b, 0) || c.Match(b, 1) {
		t.Error("in a merged batch the topic is that of the point's record")
	}
}

func TestNames(t *testing.T) {
	for _, text := range []string{"name", "category", "time", "tags.a", "fields.a.b", "meta.topic", "meta.partition", "meta.offset", "meta.timestamp", "meta.key", "meta.headers.x"} {
		n, err := ParseName(text)
		if err != nil || n.String() != text {
			t.Errorf("%s: %v, %v", text, n, err)
		}
	}
	for text, hint := range map[string]string{
		"topic": `did you mean "meta.topic"?`, "tag.x": `did you mean "tags.x"?`, "tags": "write tags.KEY", "filds.a": `did you mean "fields.a"?`,
		"meta.ofset": `did you mean "meta.offset"?`, "tenant": "write tags.tenant or fields.tenant", "meta.headers.": "write meta.headers.KEY",
	} {
		_, err := ParseName(text)
		var e *diag.TextError
		if !errors.As(err, &e) || e.Hint != hint {
			t.Errorf("%s: %v", text, err)
		}
	}
	n, _ := ParseName("fields.n")
	if got, ok := n.AppendText([]byte("x"), batch(), 0); string(got) != "x7" || !ok {
		t.Errorf("text %q", got)
	}
	if got, ok := n.AppendText(nil, batch(), 1); len(got) > 0 || ok {
		t.Errorf("text %q of what is not there", got)
	}
}

func TestWholeNumbers(t *testing.T) {
	values := []point.Value{
		point.Int(math.MinInt64), point.Float(-1 << 63), point.Int(-1), point.Int(0), point.Float(0.5), point.Int(1 << 53), point.Float(1 << 53), point.Int(1<<53 + 1),
		point.Int(math.MaxInt64), point.Float(1 << 63), point.Uint(1 << 63), point.Uint(1<<63 + 1), point.Uint(math.MaxUint64), point.Float(1 << 64), point.Float(math.Inf(1)),
	}
	equals := map[int]int{0: 1, 5: 6, 9: 10}
	for i, a := range values {
		for j, b := range values {
			want := 0
			if i != j && equals[min(i, j)] != max(i, j) {
				want = 1
				if i < j {
					want = -1
				}
			}
			if got, ok := compare(a, b); !ok || got != want {
				t.Errorf("values %d and %d compare as %d, not %d", i, j, got, want)
			}
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, c := range conditions {
		f.Add(c.text)
	}
	b := batch()
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Compile(text)
		if err != nil {
			var e *diag.TextError
			if !errors.As(err, &e) || e.Start < 0 || e.End < e.Start && e.End != 0 || e.End > len(text) || e.Message == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if strings.Contains(text, "now") {
			return // differs from call to call
		}
		whole, err := generalOf(text)
		if err != nil {
			t.Fatalf("%q is only understood by hand: %v", text, err)
		}
		for i := range b.Points {
			before := c.Errors()
			got := c.Match(b, i)
			if again := c.Match(b, i); again != got {
				t.Errorf("%q differs from call to call", text)
			}
			if c.Errors() == before && whole.errors.Load() == 0 && whole.match(b, i) != got && whole.errors.Load() == 0 {
				t.Errorf("%q is %v for point %d, and not so by expr-lang", text, got, i)
			}
		}
	})
}

func ExampleCompile() {
	_, err := Compile(`topic == "logs"`)
	fmt.Println(err)
	// Output: "topic" is no name (did you mean "meta.topic"?)
}

func BenchmarkMatch(b *testing.B) {
	for _, text := range []string{`tags.env in ["dev", "prod"] && meta.topic == "logs"`, `len(fields.message) > 5`} {
		c, err := Compile(text)
		if err != nil {
			b.Fatal(err)
		}
		points := batch()
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Match(points, 0)
			}
		})
	}
}
