package reference

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/refer"
	"dataflow/engine/point"
)

// start is the time of the points that scripts run on, now what their clock says.
const start = 1700000000_000000000

var now = time.Unix(0, start+5).UTC()

// run runs a check and returns what came out, in the form of its want.
func (c *check) run() string {
	switch c.form {
	case "=":
		return c.expression()
	case "time":
		return c.time()
	case "fmt":
		return c.format()
	case "zone":
		return c.zone()
	case "status":
		return one("add_key(status, message)", c.subject, "status")
	}
	return c.script()
}

// quoted returns text as a literal of the language.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func (c *check) expression() string {
	s := check{form: "script", subject: "add_key(r, " + c.subject + "\n)", messages: []string{"hello world"}}
	got := s.script()
	if (c.want == "error" || c.want == "load error") && strings.HasPrefix(got, c.want+" ") {
		return c.want
	}
	return strings.TrimPrefix(got, "r=")
}

// one runs a script on a log and returns the text of a key.
func one(script, message, key string) string {
	compiled, err := pipeline.Compile(script, options(nil))
	if err != nil {
		return "load error " + err.Error()
	}
	p := newPoint("", message)
	if o := compiled.NewRunner().Run(&p); o.Err != nil {
		return "error " + o.Err.Error()
	}
	v, _ := p.Get(key)
	if v.Kind() == point.KindString {
		return v.Str()
	}
	return show(v)
}

// time reads a time text by default_time, which leaves pl_msg for a text that it refuses.
func (c *check) time() string {
	arg := ""
	if c.scope != "" {
		arg = ", " + quoted(c.scope)
	}
	script := "default_time(message" + arg + ")\nif pl_msg != nil { add_key(message, pl_msg) }"
	got := one(script, c.subject, "message")
	var ns int64
	if _, err := fmt.Sscan(got, &ns); err != nil {
		if strings.HasPrefix(got, "time convert failed: ") {
			return "fail"
		}
		return got
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}

// format writes the time of the page's table of directives by datetime.
func (c *check) format() string {
	at := time.Date(2021, 1, 8, 16, 32, 45, 123456000, time.FixedZone("", 5*3600+1800))
	zone := cmp.Or(c.scope, "Asia/Kolkata")
	got := one(fmt.Sprintf("v = %d\ndatetime(v, \"ns\", %s, %s)", at.UnixNano(), quoted(c.subject), quoted(zone)), "m", "v")
	return strings.NewReplacer("\n", "<newline>", "\t", "<tab>").Replace(got)
}

// zone compares two names of a zone in winter and summer.
func (c *check) zone() string {
	for _, text := range []string{"2024-01-15 12:00:00", "2024-07-15 12:00:00"} {
		short := check{form: "time", subject: text, scope: c.subject}
		long := check{form: "time", subject: text, scope: c.want}
		if a, b := short.time(), long.time(); a != b || a == "fail" {
			return fmt.Sprintf("%s: %s, in %s %s", text, a, c.want, b)
		}
	}
	return c.want
}

func options(given map[string]string) pipeline.Options {
	o := pipeline.Options{
		Location: time.UTC, Now: func() time.Time { return now }, MaxSteps: 100_000, Host: host{},
		Loader: func(name string) (string, error) {
			if text, ok := given[name]; ok {
				return strings.ReplaceAll(text, "; ", "\n"), nil
			}
			return "", fmt.Errorf("there is no script %q", name)
		},
	}
	if text, ok := given["now"]; ok {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			o.Now = func() time.Time { return at }
		}
	}
	return o
}

// host answers what functions ask outside.
type host struct{}

const tableText = `[{"table_name":"hosts","column_name":["ip","port","load","up","owner"],"column_type":["string","int","float","bool","string"],
"row_data":[["10.0.0.1",80,0.5,true,"kim"],["10.0.0.1",443,1.5,false,"lee"],["10.0.0.2",80,2,true,"ada"]]}]`

var tables = sync.OnceValues(func() (map[string]*refer.Table, error) { return refer.Parse([]byte(tableText)) })

// Table knows the table hosts.
func (host) Table(name string) *refer.Table {
	all, err := tables()
	if err != nil {
		return nil
	}
	return all[name]
}

// Locate knows the place of one address.
func (host) Locate(ip string) (geo.Place, bool) {
	return geo.Place{Country: "DE", Province: "Bavaria", City: "Munich", ISP: geo.Unknown}, ip == "203.0.113.7"
}

// Do answers every request but those to the host "refused".
func (host) Do(r pipeline.Request) (pipeline.Reply, error) {
	if strings.Contains(r.URL, "refused") {
		return pipeline.Reply{}, fmt.Errorf("refused")
	}
	return pipeline.Reply{Status: 200, Body: r.Method + " " + r.Header["x"] + " " + r.Body}, nil
}

func (c *check) script() string {
	compiled, err := pipeline.Compile(c.subject, options(c.options))
	if err != nil {
		return "load error " + err.Error()
	}
	messages := c.messages
	if messages == nil {
		messages = []string{"m"}
	}
	r := compiled.NewRunner()
	var got []string
	for _, m := range messages {
		p := newPoint(c.options["point"], m)
		got = append(got, render(&p, m, r.Run(&p)))
	}
	if _, ok := c.options["due"]; ok {
		var due pipeline.Outcome
		due.Created = compiled.Due(now, true)
		p := newPoint("", "m")
		got = append(got, render(&p, "m", due))
	}
	return strings.Join(got, "\n--\n")
}

// newPoint returns a log, or one of the points that the page describes: kafka, a metric from Kafka, and typed, with all kinds of values.
func newPoint(kind, message string) point.Point {
	p := point.Point{Name: "src", Category: point.Logging, Time: start, Record: -1}
	switch kind {
	case "kafka":
		p.Category = point.Metric
		p.SetTag("type", point.String("kafka").Str())
		p.SetTag("message", message)
		p.Set("message_len", point.Int(int64(len(message))))
		p.Set("offset", point.Int(7))
		p.Set("partition", point.Int(1))
		return p
	case "typed":
		p.SetTag("host", "h")
		p.Set("u", point.Uint(1<<63))
		p.Set("i", point.Int(7))
		p.Set("f", point.Float(1.5))
		p.Set("t", point.Bool(true))
		p.Set("b", point.Bytes([]byte("raw")))
		p.Set("l", point.List([]point.Value{point.Int(1), point.Nil()}))
		p.Set("m", point.Map(map[string]point.Value{"k": point.Float(1)}))
		p.Set("n", point.Nil())
	}
	p.Set("message", point.String(message))
	p.Set("status", point.String("info"))
	return p
}
