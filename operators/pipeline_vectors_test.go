package operators

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"dataflow/engine/point"
)

// A vector is a row of testdata/pipeline-vectors.jsonl: runs of DataKit 1.84 with what they gave. Where we differ on
// purpose the row has our result: a script that does not compile is refused when the graph is loaded (P12, P26), where
// DataKit passes the points on; a point whose script failed (P09, P11) has the fields dk_error and dk_error_node besides.
type vector struct {
	ID       string            `json:"id"`
	Message  string            `json:"message"`  // of a logging point
	Source   string            `json:"source"`   // its name, src if empty
	Category string            `json:"category"` // of Point
	Point    string            `json:"point"`    // in line protocol, instead of Message
	K03      bool              `json:"k03"`      // the metric point of the KafkaMQ manual, instead of Message
	Script   string            `json:"script"`   // is src.p
	Files    map[string]string `json:"files"`    // of the folder of scripts
	Options  string            `json:"options"`  // of the node
	Fails    bool              `json:"fails"`
	Refused  string            `json:"refused"`
	Want     []string          `json:"want"`
}

func TestPipelineVectors(t *testing.T) {
	file, err := os.Open("testdata/pipeline-vectors.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows := 0
	for scan := bufio.NewScanner(file); scan.Scan(); rows++ {
		var v vector
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil {
			t.Fatalf("row %d: %v", rows+1, err)
		}
		t.Run(v.ID, func(t *testing.T) { v.run(t) })
	}
	if rows != 30 {
		t.Errorf("%d rows, want 30: P01 to P28, P16 three times", rows)
	}
}

func (v vector) run(t *testing.T) {
	x := newBench(t)
	if v.Script != "" {
		x.write("scripts/src.p", v.Script)
	}
	for name, text := range v.Files {
		x.write("scripts/"+name, text)
	}
	options := "dir: scripts\n" + v.Options
	if v.Refused != "" {
		x.refuses(options, v.Refused)
		return
	}
	x.input = [][]point.Point{{v.point(t, x)}}
	got, stats := x.run(options)
	if failed := len(stats.Passed) > 0; failed != v.Fails {
		t.Errorf("failed: %v", stats.Passed)
	}
	for i := range got {
		if e := got[i].Delete("dk_error"); e != v.Fails || got[i].Delete("dk_error_node") != v.Fails {
			t.Errorf("dk_error stands on the point: %v", e)
		}
	}
	if g := lines(got); !slices.Equal(g, v.Want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(g, "\n"), strings.Join(v.Want, "\n"))
	}
}

func (v vector) point(t *testing.T, x *bench) point.Point {
	t.Helper()
	const now = 1700000000000000000
	switch {
	case v.K03:
		// Its message is a tag in DataKit, since metrics hold no texts; with us it is a field until the script has run.
		p := point.Point{Name: "metric_topic", Category: point.Metric, Time: now, Record: -1}
		message := `{"time": 1666492218, "dimensions": {"bk_biz_id": 225,"ip": "10.200.64.45" },  "metrics": { "cpu_usage_pct": 0.01}, "exemplar": null}`
		p.SetTag("type", "kafka")
		p.Set("message", point.String(message))
		p.Set("message_len", point.Int(int64(len(message))))
		p.Set("offset", point.Int(42))
		p.Set("partition", point.Int(3))
		return p
	case v.Point != "":
		c, _ := point.CategoryOf(v.Category)
		x.feed(c, v.Point)
		return x.input[0][0]
	}
	p := point.Point{Name: "src", Category: point.Logging, Time: now, Record: -1}
	if v.Source != "" {
		p.Name = v.Source
	}
	p.Set("message", point.String(v.Message))
	p.Set("status", point.String("info"))
	return p
}
