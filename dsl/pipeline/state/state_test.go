package state

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dataflow/engine/point"
)

var start = time.Unix(1700000000, 0)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

func TestCacheTimes(t *testing.T) {
	c := New().Cache
	get := func(key string, seconds float64, want string) {
		t.Helper()
		got, ok := c.Get(key, at(seconds))
		if got != want || ok != (want != "") {
			t.Errorf("%s after %v s: got %q, %v, want %q", key, seconds, got, ok, want)
		}
	}
	get("a", 0, "")
	c.Set("a", "1", 5, at(0))
	get("a", 0, "1")
	get("a", 4.999, "1")
	get("a", 5, "")
	get("a", 0, "") // it is gone

	c.Set("b", "1", 200, at(0)) // beyond 100 s, too
	get("b", 199, "1")
	c.Set("b", "2", 5, at(199))
	get("b", 203, "2") // beyond its first time
	c.Set("b", "2", 10, at(203))
	get("b", 212, "2")
	get("b", 213, "")

	c.Set("c", "1", 0, at(0))
	c.Set("c", "1", -1, at(0))
	get("c", 0, "")
	c.Set("c", "1", 100, at(0))
	c.Set("c", "2", 0, at(0))
	get("c", 1, "1")
	c.Set("d", "1", 1<<62, at(0))
	get("d", 1e9, "1")
}

func TestCacheCopies(t *testing.T) {
	c := New().Cache
	key, text := []byte("key"), []byte("text")
	c.Set(point.StringOf(key).Str(), point.StringOf(text).Str(), 10, start)
	copy(key, "xxx")
	copy(text, "yyyy")
	if got, ok := c.Get("key", start); got != "text" || !ok {
		t.Errorf("got %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { c.Set("key", "text", 10, start); c.Get("key", start) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := &Cache{limit: 10 * (entryBytes + 3)}
	for i := range 25 {
		c.Set(fmt.Sprintf("k%d", i%10), "v", 1000, start)
	}
	c.Set("k0", "w", 1000, start) // now the newest
	if c.lost.Load() != 0 || len(c.entries) != 10 {
		t.Errorf("%d lost, %d entries", c.lost.Load(), len(c.entries))
	}
	c.Set("n1", "v", 1000, start)
	if _, ok := c.Get("k5", start); ok || c.lost.Load() != 1 { // k0 to k4 were set after it
		t.Errorf("the oldest is there: %v, %d lost", ok, c.lost.Load())
	}
	if _, ok := c.Get("k0", start); !ok {
		t.Error("a newer one is gone")
	}
	c.Set("huge", strings.Repeat("x", c.limit), 1000, start)
	if len(c.entries) != 0 || c.bytes != 0 || c.lost.Load() != 12 {
		t.Errorf("%d entries, %d bytes, %d lost", len(c.entries), c.bytes, c.lost.Load())
	}
	for i := range 1000 { // what is over makes room and is not lost
		c.Set(fmt.Sprint(i), "v", 1, at(float64(2*i)))
	}
	if len(c.entries) != 1 || c.lost.Load() != 12 {
		t.Errorf("%d entries, %d lost", len(c.entries), c.lost.Load())
	}
}

// showPoints shows points without their time.
func showPoints(points []point.Point) string {
	var lines []string
	for i := range points {
		p := &points[i]
		line := p.Category.Alias() + " " + p.Name
		for _, f := range p.Fields {
			if f.Tag {
				line += fmt.Sprintf(" %s#%s", f.Key, f.Value.Str())
			} else if f.Value.Kind() == point.KindFloat {
				line += fmt.Sprintf(" %s=%v", f.Key, f.Value.Float())
			} else {
				line += fmt.Sprintf(" %s=%q", f.Key, f.Value.Str())
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func strs(s ...string) []point.Value {
	out := make([]point.Value, len(s))
	for i := range s {
		out[i] = point.String(s[i])
	}
	return out
}

var bucketM = ID{point.Metric, "b"}

func TestBucketsFunctions(t *testing.T) {
	b := New().Buckets
	b.Create(bucketM, Spec{Interval: time.Minute}, start)
	by := []string{"g"}
	for f, name := range []string{"avg", "sum", "max", "min", "set"} {
		m := &Measure{Field: name, Function: Function(f), By: by}
		for _, v := range []float64{-5, -1, -3} {
			b.Add(bucketM, m, strs("neg"), v, start)
		}
		b.Add(bucketM, m, strs("one"), 7, start)
	}
	if got := b.Due(at(59.9), false); got != nil {
		t.Errorf("before the time: %s", showPoints(got))
	}
	got := b.Due(at(60), false)
	want := "M b g#neg avg=-3 sum=-9 max=-1 min=-5 set=-3\nM b g#one avg=7 sum=7 max=7 min=7 set=7"
	if showPoints(got) != want {
		t.Errorf("got\n%s\nwant\n%s", showPoints(got), want)
	}
	if got[0].Time != at(60).UnixNano() || got[0].Record != -1 {
		t.Errorf("time %d, record %d", got[0].Time, got[0].Record)
	}
	if got := b.Due(at(600), false); got != nil || b.bytes != 0 {
		t.Errorf("not empty: %s, %d bytes", showPoints(got), b.bytes)
	}
}

func TestBucketsIntervals(t *testing.T) {
	b := New().Buckets
	b.Create(bucketM, Spec{Interval: 10 * time.Second}, start)
	b.Create(bucketM, Spec{Interval: time.Hour, Count: 1}, start) // there is one
	m := &Measure{Field: "n", Function: Sum, By: []string{"g"}}
	for i, x := range []struct {
		seconds float64
		due     bool
	}{{9, false}, {10, true}, {19, false}, {25, true}, {29, false}, {30, true}, {65, true}, {69, false}, {70, true}} {
		b.Add(bucketM, m, strs("a"), float64(i), at(x.seconds))
		if got := b.Due(at(x.seconds), false); (got != nil) != x.due {
			t.Errorf("after %v s: %s", x.seconds, showPoints(got))
		}
	}
}

func TestBucketsCountAndKeep(t *testing.T) {
	s := New()
	b := s.Buckets
	b.Create(bucketM, Spec{Count: 3, Keep: true}, start)
	m := &Measure{Field: "n", Function: Avg, By: []string{"g"}}
	settle := func(want string) {
		t.Helper()
		s.Begin(&point.Point{})
		out, stays := s.Settle(false, nil)
		if showPoints(out) != want || !stays {
			t.Errorf("got\n%s\nwant\n%s", showPoints(out), want)
		}
	}
	for _, v := range []float64{1, 3} {
		b.Add(bucketM, m, strs("a"), v, start)
	}
	settle("")
	b.Add(bucketM, m, strs("b"), 5, start)
	settle("M b g#a n=2\nM b g#b n=5")
	settle("")
	for range 3 {
		b.Add(bucketM, m, strs("a"), 8, start)
	}
	settle("M b g#a n=5.6\nM b g#b n=5")
	if got := b.Due(at(1e6), false); got != nil {
		t.Errorf("without an interval: %s", showPoints(got))
	}
	if got := showPoints(b.Due(start, true)); got != "M b g#a n=5.6\nM b g#b n=5" {
		t.Errorf("at the end: %s", got)
	}
	if got := b.Due(start, true); got != nil || b.bytes != 0 {
		t.Errorf("after the end: %s, %d bytes", showPoints(got), b.bytes)
	}
}

// TestBucketsFullAfterErrors: a run that fails does not settle; its points come later and are never lost.
func TestBucketsFullAfterErrors(t *testing.T) {
	b := New().Buckets
	b.Create(bucketM, Spec{Count: 1}, start)
	m := &Measure{Field: "n", Function: Sum, By: []string{"g"}}
	const n = maxReady + 100
	for range n {
		b.Add(bucketM, m, strs("a"), 1, start)
	}
	if len(b.ready) != maxReady {
		t.Errorf("%d points wait", len(b.ready))
	}
	sum := 0.0
	for _, p := range b.Due(start, true) {
		v, _ := p.Get("n")
		sum += v.Float()
	}
	if sum != n {
		t.Errorf("sum %v, want %v", sum, n)
	}
}

func TestBucketsTags(t *testing.T) {
	b := New().Buckets
	tag := func(k, v string) point.Field { return point.Field{Key: k, Value: point.String(v), Tag: true} }
	b.Tags = []point.Field{tag("host", "h"), tag("a", "global"), tag("n", "hidden"), tag("time", "t")}
	log := ID{point.Logging, "b"}
	spec := Spec{Count: 1, Tags: []point.Field{tag("a", "const"), tag("b", "const")}, Rules: point.RulesOf(point.Logging)}
	b.Create(log, spec, start)
	b.Create(bucketM, Spec{Interval: 1}, start)
	by := []string{"b", "time"}
	b.Add(log, &Measure{Field: "n", Function: Sum, By: by}, strs("group", "x"), 1, start)
	b.Add(bucketM, &Measure{Field: "time", Function: Sum, By: by}, strs("group", "x"), 1, start)
	got := showPoints(b.Due(at(1), false))
	want := "L b host#h a#const b#group n=1 status=\"info\"\nM b host#h a#global n#hidden b#group"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBucketsAreBounded(t *testing.T) {
	b := &Buckets{limit: 10_000}
	b.Create(bucketM, Spec{Interval: time.Second}, start)
	m := &Measure{Field: "n", Function: Sum, By: []string{"g"}}
	for i := range 1000 {
		b.Add(bucketM, m, strs(fmt.Sprint(i)), 1, start)
	}
	groups := len(b.Due(at(1), false))
	if groups < 10 || groups > 100 || int(b.lost.Load()) != 1000-groups || b.bytes != 0 {
		t.Errorf("%d groups, %d lost, %d bytes left", groups, b.lost.Load(), b.bytes)
	}
	b.Add(ID{point.Metric, "nosuch"}, m, strs("a"), 1, start)
	if int(b.lost.Load()) != 1000-groups {
		t.Error("a value for no bucket counts as lost")
	}
}

// TestBucketsKeysDiffer: lists of values that look alike when they are put together are different groups.
func TestBucketsKeysDiffer(t *testing.T) {
	b := New().Buckets
	b.Create(bucketM, Spec{Interval: time.Second}, start)
	two := &Measure{Field: "n", Function: Sum, By: []string{"g", "h"}}
	b.Add(bucketM, two, strs("a", "bc"), 1, start)
	b.Add(bucketM, two, strs("ab", "c"), 1, start)
	b.Add(bucketM, &Measure{Field: "n", Function: Sum, By: []string{"g"}}, strs("a"), 1, start)
	b.Add(bucketM, &Measure{Field: "n", Function: Sum, By: []string{"h"}}, strs("a"), 1, start)
	want := "M b g#a n=1\nM b g#a h#bc n=1\nM b g#ab h#c n=1\nM b h#a n=1"
	if got := showPoints(b.Due(at(1), false)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// runWindow runs points 1 to n, all dropped but those of kept, with a hit at some, and returns what goes on.
func runWindow(s *State, n int, before, after int64, hits, kept []int) string {
	var through []string
	for i := 1; i <= n; i++ {
		p := point.Point{Name: fmt.Sprint(i), Category: point.Logging, Record: 7}
		s.Begin(&p)
		s.Register(&p, "stream", strs("x"), before, after)
		s.Register(&p, "other", strs("y"), 100, 100) // the first one counts
		if slices.Contains(hits, i) {
			s.Hit(&p)
		}
		out, stays := s.Settle(!slices.Contains(kept, i), nil)
		for _, q := range out {
			through = append(through, q.Name)
		}
		if stays {
			through = append(through, p.Name)
		}
	}
	return strings.Join(through, " ")
}

func TestWindowRing(t *testing.T) {
	for _, x := range []struct {
		n             int
		before, after int64
		hits, kept    []int
		want          string
	}{
		{7, 3, 1, []int{4}, nil, "1 2 3 4"}, // the three examples of the language's page
		{7, 2, 2, []int{4}, nil, "3 2 4 5"},
		{7, 0, 2, []int{4}, nil, "4 5"},
		{7, 2, 1, nil, nil, ""},
		{7, 2, 0, []int{4}, nil, ""},
		{7, 2, -1, []int{4}, nil, ""},
		{7, -2, 1, []int{4}, nil, "4"},
		{7, 3, 1, []int{4}, []int{2}, "2 1 3 4"},      // a kept point takes a place
		{7, 2, 1, []int{4}, []int{3}, "3 2 4"},        // over the oldest
		{7, 2, 1, []int{4}, []int{4}, "3 2 4"},        // the hit itself is not dropped
		{9, 2, 2, []int{3, 4}, nil, "1 2 3 4 5"},      // a second hit begins anew
		{9, 2, 1, []int{3, 8}, nil, "1 2 3 6 7 8"},    // empty after the first
		{5, 5, 1, []int{1, 2}, nil, "1 2"},            // nothing is stored yet
		{8, 3, 1, []int{7}, []int{7}, "4 5 6 7"},      // 4 5 6 are in places 0 1 2 again
		{6, 1, 1, []int{3, 6}, nil, "2 3 5 6"},        // one place
		{6, 1 << 60, 1, []int{3}, nil, "1 2 3"},       // many
		{6, 2, 1 << 60, []int{3}, nil, "1 2 3 4 5 6"}, // a hit without end
	} {
		s := New()
		if got := runWindow(s, x.n, x.before, x.after, x.hits, x.kept); got != x.want {
			t.Errorf("%+v: got %s", x, got)
		}
		if s.Windows.lost.Load() != 0 {
			t.Errorf("%d lost", s.Windows.lost.Load())
		}
	}
}

func TestWindowCopies(t *testing.T) {
	s := New()
	text := []byte("message")
	p := point.Point{Name: point.StringOf(text).Str(), Category: point.RUM, Time: 5, Record: 3}
	p.SetTag(point.StringOf(text[:3]).Str(), "tag")
	p.Set("text", point.StringOf(text))
	p.Set("raw", point.Bytes(text))
	p.Set("n", point.Int(-1))
	p.Set("list", point.List([]point.Value{point.StringOf(text)}))
	p.Set("map", point.Map(map[string]point.Value{"k": point.StringOf(text)}))
	want := p.Clone()
	want.Record = -1
	s.Begin(&p)
	s.Register(&p, "", strs("a"), 1, 1)
	if out, stays := s.Settle(true, nil); out != nil || stays {
		t.Fatalf("got %v, %v", out, stays)
	}
	copy(text, "changed")
	hit := point.Point{}
	s.Begin(&hit)
	s.Register(&hit, "", strs("a"), 1, 1)
	s.Hit(&hit)
	out, stays := s.Settle(true, nil)
	if len(out) != 1 || !stays {
		t.Fatalf("got %v, %v", out, stays)
	}
	got := out[0]
	same := got.Name == want.Name && got.Category == want.Category && got.Time == want.Time && got.Record == want.Record &&
		slices.EqualFunc(got.Fields, want.Fields, func(a, b point.Field) bool {
			return a.Key == b.Key && a.Tag == b.Tag && a.Value.Equal(b.Value)
		})
	if !same {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestWindowsAreBounded(t *testing.T) {
	s := New()
	s.Windows.limit = 50_000
	p := point.Point{Name: "p", Category: point.Logging}
	p.Set("message", point.String(strings.Repeat("x", 1000)))
	for i := range 1000 {
		s.Begin(&p)
		s.Register(&p, "", strs(fmt.Sprint(i)), 5, 1)
		s.Settle(true, nil)
		if s.Windows.bytes > s.Windows.limit {
			t.Fatalf("%d bytes", s.Windows.bytes)
		}
	}
	w := s.Windows
	if n := w.order.Len(); n != len(w.byKey) || n < 20 || int(w.lost.Load()) != 1000-n {
		t.Errorf("%d windows, %d lost", n, w.lost.Load())
	}
	s.Begin(&p)
	s.Register(&p, "", strs("999"), 5, 1)
	s.Hit(&p)
	if out, stays := s.Settle(true, nil); len(out) != 1 || !stays {
		t.Errorf("the newest window gave %d points", len(out))
	}
	for range 1000 { // one window that alone is too large
		s.Begin(&p)
		s.Register(&p, "", strs("large"), 1<<40, 1)
		s.Settle(true, nil)
	}
	if w.bytes > w.limit {
		t.Errorf("%d bytes", w.bytes)
	}
}

func TestNothingIsRegistered(t *testing.T) {
	s := New()
	p, other := &point.Point{}, &point.Point{}
	s.Begin(p)
	s.Hit(p)                               // before it is registered
	s.Register(other, "", strs("a"), 2, 2) // not the point of the run
	s.Register(p, "", strs("a"), 2, 2)
	s.Hit(other)
	if out, stays := s.Settle(true, nil); out != nil || stays {
		t.Errorf("got %v, %v", out, stays)
	}
	s.Begin(p)
	if out, stays := s.Settle(true, nil); out != nil || stays {
		t.Errorf("unregistered: got %v, %v", out, stays)
	}
	if n := testing.AllocsPerRun(100, func() { s.Begin(p); s.Settle(false, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestManyGoroutines lets several views work on one state. Nothing may get lost or come twice.
func TestManyGoroutines(t *testing.T) {
	const workers, each = 4, 2000
	s := New()
	s.Buckets.Create(bucketM, Spec{Count: 7}, start)
	m := &Measure{Field: "n", Function: Sum, By: []string{"g"}}
	var mu sync.Mutex
	sum, seen := 0.0, map[string]int{}
	take := func(points []point.Point) {
		mu.Lock()
		defer mu.Unlock()
		for i := range points {
			if v, ok := points[i].Get("n"); ok {
				sum += v.Float()
			} else {
				seen[points[i].Name]++
			}
		}
	}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			v := s.View()
			for i := range each {
				p := point.Point{Name: fmt.Sprint(w, " ", i)}
				v.Begin(&p)
				v.Cache.Set("k", p.Name, 10, start)
				if _, ok := v.Cache.Get("k", start); !ok {
					t.Error("the key is not there")
				}
				v.Buckets.Add(bucketM, m, strs("a"), 1, start)
				v.Register(&p, "", strs("a"), 3, 2)
				if i%5 == 0 {
					v.Hit(&p)
				}
				out, stays := v.Settle(true, nil)
				if stays {
					out = append(out, p)
				}
				take(out)
			}
		})
	}
	all.Wait()
	take(s.Buckets.Due(start, true))
	if sum != workers*each {
		t.Errorf("the sum is %v", sum)
	}
	for name, n := range seen {
		if n > 1 {
			t.Fatalf("point %s came %d times", name, n)
		}
	}
	if len(seen) < workers*each/5 {
		t.Errorf("only %d points came back", len(seen))
	}
}

func BenchmarkStorePoint(b *testing.B) {
	s := New()
	p := point.Point{Name: "source", Category: point.Logging}
	for i := range 10 {
		p.Set(fmt.Sprintf("key%d", i), point.String("a value of some length"))
	}
	values := strs("/var/log/app.log", "host-1")
	b.ReportAllocs()
	for b.Loop() {
		s.Begin(&p)
		s.Register(&p, "filepath\x00host", values, 20, 20)
		s.Settle(true, nil)
	}
}

func BenchmarkAddValue(b *testing.B) {
	s := New()
	s.Buckets.Create(bucketM, Spec{Interval: time.Minute}, start)
	m := &Measure{Field: "n", Function: Avg, By: []string{"app", "host"}}
	values := strs("shop", "host-1")
	b.ReportAllocs()
	for b.Loop() {
		s.Buckets.Add(bucketM, m, values, 1.5, start)
	}
}
