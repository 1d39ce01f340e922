package operators

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"dataflow/engine"
	"dataflow/engine/enginetest"
	"dataflow/engine/point"
)

func split(t testing.TB, c jsonSplitConfig, texts ...string) (kept []string, failed, dropped map[int]string) {
	t.Helper()
	op, err := newJSONSplit(quietEnv(), c)
	if err != nil {
		t.Fatal(err)
	}
	points, failed, dropped := stream(t, op, messages(texts...))
	for i := range points {
		m, _ := points[i].Get("message")
		n, _ := points[i].Get("message_len")
		if n.Int() != int64(len(m.Str())) {
			t.Errorf("message_len is %d of %q", n.Int(), m.Str())
		}
		if v, _ := points[i].Get("type"); v.Str() != "kafka" {
			t.Errorf("the tag type got lost")
		}
		kept = append(kept, m.Str())
	}
	return kept, failed, dropped
}

func TestJSONSplit(t *testing.T) {
	fail := jsonSplitConfig{Field: "message", NotArray: "fail"}
	pass := jsonSplitConfig{Field: "message", NotArray: "pass"}
	for _, c := range []struct {
		title           string
		config          jsonSplitConfig
		in, want        []string
		failed, dropped int
	}{
		{"bytes are kept", fail, []string{`[{"b":1,"a":"<x>&"}, {"n":12345678901234567890, "f":1.0},"str",3,null,[1]]`},
			[]string{`{"b":1,"a":"<x>&"}`, `{"n":12345678901234567890, "f":1.0}`, `"str"`, "3", "null", "[1]"}, 0, 0},
		{"order among messages", fail, []string{"[1,2]", "[3]", "[4,5,6]"}, []string{"1", "2", "3", "4", "5", "6"}, 0, 0},
		{"empty and null give nothing", fail, []string{"[]", "null", "[7]"}, []string{"7"}, 0, 2},
		{"no array fails", fail, []string{`{"a":1}`, "[1]", "x", ""}, []string{"1"}, 3, 0},
		{"no array passes", pass, []string{`{"a":1}`, "[1]", "x"}, []string{`{"a":1}`, "1", "x"}, 0, 0},
		{"escapes and unicode", fail, []string{`["\u00e9","é"]`}, []string{`"\u00e9"`, `"é"`}, 0, 0},
	} {
		kept, failed, dropped := split(t, c.config, c.in...)
		if strings.Join(kept, "|") != strings.Join(c.want, "|") || len(failed) != c.failed || len(dropped) != c.dropped {
			t.Errorf("%s: %q, failed %v, dropped %v", c.title, kept, failed, dropped)
		}
	}
}

// TestJSONSplitVectors runs the vectors of custom topics that split. The original encodes elements anew; ours keeps
// their bytes (weakness 18): docs/reference/differences.md.
func TestJSONSplitVectors(t *testing.T) {
	f, err := os.Open("../sources/testdata/vectors_kafka_custom.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours := map[string][]string{
		"K05": {`{"b":1,"a":"<x>&"}`, `{"n":12345678901234567890,"f":1.0}`, `"str"`, "3", "null", "[1]"},
		"K06": nil,
		"K07": nil,
		"K10": {`{"v":1}`, `{"v":2}`},
	}
	ran := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var v struct{ ID, Body, Err string }
		if json.Unmarshal(lines.Bytes(), &v) != nil {
			t.Fatalf("reading %s", lines.Text())
		}
		want, splits := ours[v.ID]
		if !splits {
			continue
		}
		ran++
		kept, failed, _ := split(t, jsonSplitConfig{Field: "message", NotArray: "fail"}, v.Body)
		if strings.Join(kept, "|") != strings.Join(want, "|") || (v.Err != "") != (len(failed) == 1) {
			t.Errorf("%s: %q, failed %v", v.ID, kept, failed)
		}
	}
	if ran != len(ours) {
		t.Errorf("%d of %d vectors ran", ran, len(ours))
	}
}

// stream runs a streamer on a batch and collects what it emits.
func stream(t testing.TB, op engine.Operator, b *engine.Batch) (points []point.Point, failed, dropped map[int]string) {
	t.Helper()
	err := op.(engine.Streamer).Stream(t.Context(), b, func(_ context.Context, piece *engine.Batch) error {
		if len(piece.Points) == 0 || len(piece.Points) > piecePoints {
			t.Errorf("a piece of %d points", len(piece.Points))
		}
		for i := range piece.Points {
			points = append(points, piece.Points[i].Clone())
		}
		enginetest.Done(piece)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	o := enginetest.Verdicts(b)
	return points, o.Failed, o.Dropped
}

// TestJSONSplitLarge: a large array leaves in pieces, in order; one that would take too much memory fails, whatever
// not_array says, and takes nothing else with it.
func TestJSONSplitLarge(t *testing.T) {
	for _, notArray := range []string{"fail", "pass"} {
		many := "[" + strings.Repeat("1,", 9999) + "2]"
		bomb := "[" + strings.Repeat("1,", 400_000) + "2]"
		kept, failed, _ := split(t, jsonSplitConfig{Field: "message", NotArray: notArray}, "[7]", many, bomb, "[8,9]")
		if len(kept) != 1+10_000+2 || kept[0] != "7" || kept[10_000] != "2" || kept[10_002] != "9" {
			t.Errorf("%d points", len(kept))
		}
		if len(failed) != 1 || !strings.Contains(failed[2], "400001") {
			t.Errorf("failed %v", failed)
		}
	}
}

// TestJSONSplitAllocates: an array costs a few pieces of memory, not one for each element.
func TestJSONSplitAllocates(t *testing.T) {
	op, err := newJSONSplit(quietEnv(), jsonSplitConfig{Field: "message", NotArray: "fail"})
	if err != nil {
		t.Fatal(err)
	}
	b := messages("[" + strings.Repeat(`{"a":1},`, 999) + `{"a":1}]`)
	emit := func(_ context.Context, piece *engine.Batch) error { enginetest.Done(piece); return nil }
	allocs := testing.AllocsPerRun(100, func() {
		if err := op.(engine.Streamer).Stream(t.Context(), b, emit); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 15 {
		t.Errorf("%v allocations for 1000 elements", allocs)
	}
}
