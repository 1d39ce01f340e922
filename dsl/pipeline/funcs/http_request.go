package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "http_request",
	Group:   OnOutside,
	Summary: "Sends an HTTP request and yields a map with `status_code`, an int, and `body`, a str; nil after any failure.",
	Doc: "It is off: the result is nil unless the operator that runs the script allows the host of the URL. Other schemes than http and https, " +
		"hosts that are not allowed, failures of the connection, replies that are too long and those that take too long give nil, too; a reply with a " +
		"status such as 500 does not.\n\n" +
		"**It blocks.** The worker that runs the script waits for the reply, and with it all points behind this one; one slow server holds up " +
		"the whole graph. Remember replies with `cache_set`, or use a reference table instead. A point that is run again after a kill sends its " +
		"request again.\n\n" +
		"A method or URL that is no str, and headers that are no map, are run errors. Of the headers, only text is sent.",
	Result: "map or nil",
	Params: []Param{
		{Name: "method", Kind: Value, Summary: "a str"},
		{Name: "url", Kind: Value, Summary: "a str"},
		{Name: "headers", Kind: Value, Optional: true, Summary: "a map or nil"},
		{Name: "body", Kind: Value, Optional: true, Summary: "a str as it is; a list or map as JSON; a number or bool as text"},
	},
	Named: true,
	Examples: []Example{
		{Script: "r = http_request(\"GET\", \"http://api.example.com/owner?id=7\")\nadd_key(code, r[\"status_code\"])\n" +
			"owner = load_json(r[\"body\"])\nadd_key(owner, owner[\"name\"])",
			Want: "code=200\nowner=\"kim\""},
		{Script: "r = http_request(\"POST\", \"http://api.example.com/echo\", {\"X-Id\": \"7\", \"n\": 1}, {\"a\": [1, true]})\nadd_key(r)",
			Want: "r=\"{\\\"body\\\":\\\"POST X-Id=7 {\\\\\\\"a\\\\\\\":[1,true]}\\\",\\\"status_code\\\":201}\""},
		{Script: "r = http_request(method=\"GET\", url=\"http://10.0.0.1/\")\nadd_key(refused, r == nil)", Want: "refused=true"},
		{Script: "http_request(\"GET\", \"http://api.example.com/\", \"X-Id: 7\")",
			Want: "error 1:1: http_request: the argument headers is not map or nil but str"},
	},
	Bind: bindHTTPRequest,
})

func bindHTTPRequest(c *Call) eval.Expr {
	method, url := c.Value(0), c.Value(1)
	none := func(*eval.Frame) (point.Value, bool) { return point.Nil(), true }
	headers, body := eval.Expr(none), eval.Expr(none)
	if c.Has(2) {
		headers = c.Value(2)
	}
	if c.Has(3) {
		body = c.Value(3)
	}
	return func(f *eval.Frame) (point.Value, bool) {
		var r eval.Request
		var ok bool
		if r.Method, ok = textOf(f, method, "http_request", "method"); !ok {
			return failed()
		}
		if r.URL, ok = textOf(f, url, "http_request", "url"); !ok {
			return failed()
		}
		h, ok := headers(f)
		if !ok {
			return failed()
		}
		if k := eval.KindOf(h); k != point.KindMap && k != point.KindNil || eval.IsVoid(h) {
			return f.Failf("http_request: the argument headers is not map or nil but %s", eval.TypeName(h))
		}
		b, ok := body(f)
		if !ok {
			return failed()
		}
		if r.Body, ok = f.Text(b); !ok {
			return failed()
		}
		r.Header = map[string]string{}
		for k, v := range eval.Tree(h).Map() {
			if v.Kind() == point.KindString {
				r.Header[k] = v.Str()
			}
		}
		reply, err := f.Host.Do(r)
		if err != nil {
			return point.Nil(), true
		}
		if !f.Spend(len(reply.Body)) {
			return failed()
		}
		return point.Map(map[string]point.Value{
			"status_code": point.Int(int64(reply.Status)), "body": point.String(reply.Body),
		}), true
	}
}
