package sources

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"dataflow/engine"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// debugBody is a request to pipeline/debug; further members come as text.
func debugBody(category, name string, scripts map[string]string, data []string, more string) []byte {
	encoded := map[string]string{}
	for k, v := range scripts {
		encoded[k] = b64(v)
	}
	for i := range data {
		data[i] = b64(data[i])
	}
	text, err := json.Marshal(map[string]any{"pipeline": map[string]any{category: encoded}, "script_name": name, "category": category, "data": data})
	if err != nil {
		return nil
	}
	return []byte(strings.TrimSuffix(string(text), "}") + more + "}")
}

var debugCost = regexp.MustCompile(`"cost":"[0-9.]+(ns|µs|ms|s)"`)

// TestHTTPDebugAnswers holds the answers to the bytes that DataKit gives (contract 3.7). The texts of a script's errors, and the place
// they stand at, are those of the engine's own reader.
func TestHTTPDebugAnswers(t *testing.T) {
	a := newAPI(t, nil)
	const point = `{"dropped":false,"name":"%s","tags":{%s},"fields":{%s},"time":1,"time_ns":234567890}`
	result := func(name, tags, fields string) string {
		return `{"point":` + fmt.Sprintf(point, name, tags, fields) + `,"create_point":null,"run_error":null}`
	}
	later := func(result string) string { return strings.Replace(result, `"time":1,`, `"time":1700000000,`, 1) }
	whole := func(results ...string) string {
		return `{"content":{"cost":"<cost>","benchmark":"","pl_errors":null,"plresults":[` + strings.Join(results, ",") + `]}}`
	}
	compile := func(file string, ln, col, pos int, text string) string {
		return fmt.Sprintf(`{"content":{"cost":"","benchmark":"","pl_errors":[{"pos_chain":[{"file":"%s","ln":%d,"col":%d,"pos":%d}],"error":"%s"}],"plresults":null}}`, file, ln, col, pos, text)
	}
	const nginx = "grok(_, \"%{INT:code:int} %{WORD:msg}\")\nset_tag(t, \"v\")"
	gbk := "\xc4\xe3\xba\xc3" // 你好
	for name, x := range map[string]struct {
		body []byte
		want string
	}{
		"the contract's": {debugBody("logging", "nginx", map[string]string{"nginx": nginx}, []string{"200 ok"}, ""),
			whole(result("nginx", `"t":"v"`, `"code":200,"message":"200 ok","msg":"ok","status":"info"`))},
		"two texts": {debugBody("logging", "nginx", map[string]string{"nginx": nginx}, []string{"200 ok", "x"}, ""),
			whole(result("nginx", `"t":"v"`, `"code":200,"message":"200 ok","msg":"ok","status":"info"`), result("nginx", `"t":"v"`, `"message":"x","status":"info"`))},
		"unclosed": {debugBody("logging", "nginx", map[string]string{"nginx": "load_json(_"}, []string{"x"}, ""),
			compile("nginx.p", 1, 12, 11, "expected `,` or `)`, found the end of the script")},
		"unclosed behind letters of several bytes": {debugBody("logging", "nginx", map[string]string{"nginx": "x = 1\ny = \"日本\"; load_json(_"}, []string{"x"}, ""),
			compile("nginx.p", 2, 22, 31, "expected `,` or `)`, found the end of the script")},
		"a run error": {debugBody("logging", "nginx", map[string]string{"nginx": "x = 1\ny = load_json(x)"}, []string{"x"}, ""),
			`{"content":{"cost":"<cost>","benchmark":"","pl_errors":null,"plresults":[{"point":null,"create_point":null,"run_error":{"pos_chain":[{"file":"nginx.p","ln":2,"col":5,"pos":10}],"error":"load_json: the argument is not str but int"}}]}}`},
		"use": {debugBody("logging", "a", map[string]string{"a": "use(\"b.p\")\nset_tag(from, \"a\")", "b": "add_key(b, 1)", "c": "("}, []string{"x"}, ""),
			whole(result("a", `"from":"a"`, `"b":1,"message":"x","status":"info"`))},
		"gbk": {debugBody("logging", "g", map[string]string{"g": "add_key(n, len(message))"}, []string{gbk}, `,"encode":"gbk"`),
			whole(result("g", "", `"message":"你好","n":6,"status":"info"`))},
		"dropped": {debugBody("logging", "d", map[string]string{"d": "drop()"}, []string{"x"}, ""),
			whole(strings.Replace(result("d", "", `"message":"x","status":"info"`), `"dropped":false`, `"dropped":true`, 1))},
		"lines of a metric": {debugBody("metric", "m", map[string]string{"m": "add_key(b, a + 1)"}, []string{"cpu,host=h a=1i 1700000000234567890"}, ""),
			whole(later(result("cpu", `"host":"h"`, `"a":1,"b":2`)))},
		"an alias": {[]byte(strings.Replace(string(debugBody("logging", "l", map[string]string{"l": "x=1"}, []string{"x"}, "")), `"category":"logging"`, `"category":"L"`, 1)),
			whole(result("l", "", `"message":"x","status":"info"`))},
		"JSON of a metric": {debugBody("metric", "m", map[string]string{"m": "x=1"}, []string{`[{"measurement":"cpu","fields":{"a":9007199254740993},"time":1700000000234567890}]`}, `,"data_type":"application/json"`),
			whole(later(result("cpu", "", `"a":9007199254740993`)))},
	} {
		status, h, answer := a.post(t, "/v1/pipeline/debug", contentJSON, x.body)
		got := debugCost.ReplaceAllString(answer, `"cost":"<cost>"`)
		if status != http.StatusOK || h.Get("Content-Type") != contentJSON || got != x.want {
			t.Errorf("%s: %d\n%s\nwant\n%s", name, status, got, x.want)
		}
	}
}

// TestHTTPDebugBenchmark: with benchmark there is the text of a Go benchmark, and the results are those without.
func TestHTTPDebugBenchmark(t *testing.T) {
	a := newAPI(t, nil)
	_, _, answer := a.post(t, "/v1/pipeline/debug", contentJSON, debugBody("logging", "n", map[string]string{"n": "add_key(n, 1)"}, []string{"x"}, `,"benchmark":true`))
	var got struct {
		Content struct {
			Benchmark string
			Results   []json.RawMessage `json:"plresults"`
		}
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[1-9][0-9]*\t[0-9]+ ns/op$`).MatchString(got.Content.Benchmark) {
		t.Errorf("benchmark %q", got.Content.Benchmark)
	}
	const want = `{"point":{"dropped":false,"name":"n","tags":{},"fields":{"message":"x","n":1,"status":"info"},"time":1,"time_ns":234567890},"create_point":null,"run_error":null}`
	if len(got.Content.Results) != 1 || string(got.Content.Results[0]) != want {
		t.Errorf("results %s", got.Content.Results)
	}
}

// TestHTTPDebugRefuses is the table of requests that cannot be tried, and of the limits.
func TestHTTPDebugRefuses(t *testing.T) {
	a := newAPI(t, func(_ *engine.Env, c *httpConfig) { c.MaxPoints = 10 })
	ok := map[string]string{"s": "x=1"}
	long := make([]string, 11)
	for name, x := range map[string]struct {
		body []byte
		code string
	}{
		"no JSON":             {[]byte("nonsense"), "invalidRequest"},
		"no category":         {debugBody("nosuch", "s", ok, []string{"x"}, ""), "invalidCategory"},
		"no script":           {debugBody("logging", "t", ok, []string{"x"}, ""), "invalidPipeline"},
		"of another category": {[]byte(strings.Replace(string(debugBody("logging", "s", ok, []string{"x"}, "")), `"category":"logging"`, `"category":"metric"`, 1)), "invalidPipeline"},
		"script not base64":   {[]byte(`{"pipeline":{"logging":{"s":"!"}},"script_name":"s","category":"logging","data":[]}`), "invalidPipeline"},
		"data not base64":     {[]byte(`{"pipeline":{"logging":{"s":""}},"script_name":"s","category":"logging","data":["!"]}`), "invalidData"},
		"no such encoding":    {debugBody("logging", "s", ok, []string{"x"}, `,"encode":"klingon"`), "invalidData"},
		"a bad line":          {debugBody("metric", "s", ok, []string{"no line"}, ""), "invalidData"},
		"a long script":       {debugBody("logging", "s", map[string]string{"s": strings.Repeat("#", maxDebugScript+1)}, []string{"x"}, ""), "invalidPipeline"},
		"much data":           {debugBody("logging", "s", ok, []string{strings.Repeat("x", maxDebugData+1)}, ""), "invalidData"},
		"many texts":          {debugBody("logging", "s", ok, long, ""), "invalidData"},
	} {
		status, _, answer := a.post(t, "/v1/pipeline/debug", contentJSON, x.body)
		if status != http.StatusBadRequest || !strings.Contains(answer, `"datakit.`+x.code+`"`) {
			t.Errorf("%s: %d %.200s, want %s", name, status, answer, x.code)
		}
	}
	for range mostDebugging {
		a.source.debugging <- struct{}{}
	}
	if status, h, _ := a.post(t, "/v1/pipeline/debug", contentJSON, debugBody("logging", "s", ok, []string{"x"}, "")); status != http.StatusTooManyRequests || h.Get("Retry-After") == "" {
		t.Errorf("while others are tried: %d", status)
	}
}
