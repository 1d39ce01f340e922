package funcs

import (
	"errors"
	"net/url"
	"strings"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "url_decode",
	Group:   OnText,
	Summary: "Decodes the percent escapes in the text of a key; `+` becomes a space.",
	Doc:     "**Trap**: a `%` without two hexadecimal digits behind it ends the script with an error.",
	Params:  []Param{{Name: "key", Kind: Key}},
	Examples: []Example{
		{Script: "url_decode(_)", Message: "q=%E6%95%B0%E6%8D%AE+and%2Bmore", Want: `message="q=数据 and+more"`},
		{Script: "v = \"a%20b\"\nurl_decode(v)\nadd_key(w, v)\nurl_decode(nosuch)", Want: "v=\"a b\"\nw=\"a%20b\""},
		{Script: "url_decode(_)\nadd_key(a, 1)",
			Message: "at 100% load", Want: `error 1:1: url_decode: invalid URL escape "% l"`},
	},
	Bind: func(c *Call) eval.Expr {
		return inPlace(c, func(f *eval.Frame, s string) (string, bool) {
			decoded, err := url.QueryUnescape(s)
			if err != nil {
				f.Failf("url_decode: %v", err)
				return "", false
			}
			return decoded, true
		})
	},
})

var _ = declare(Decl{
	Name:    "url_parse",
	Group:   OnText,
	Summary: "Yields the parts of the URL in a key as a map: `scheme`, `host` with the port, `port`, `path`, `params`.",
	Doc: "All parts are texts, decoded, the port too; what the URL does not have is `\"\"`. `params` is a map of the " +
		"parameters; values of one that is repeated are joined with `,`, and of more than 10,000 parameters none is " +
		"taken. User, password and fragment are left out. **Trap**: text that is no URL ends the script with an error, " +
		"and an address without a scheme such as `10.0.0.1:80/x` is none. An unknown name gives nothing, which reads as " +
		"nil.",
	Result: "map",
	Params: []Param{{Name: "key", Kind: Name, Summary: "the value is that of the name, the variable first"}},
	Examples: []Example{
		{Script: "u = url_parse(_)\nadd_key(scheme, u[\"scheme\"])\nadd_key(host, u[\"host\"])\nadd_key(port, u[\"port\"])\nadd_key(path, u[\"path\"])",
			Message: "https://kim:secret@shop.example:8443/a%20b?x=1#top", Want: "scheme=\"https\"\nhost=\"shop.example:8443\"\nport=\"8443\"\npath=\"/a b\""},
		{Script: "u = url_parse(_)\nadd_key(q, u[\"params\"][\"q\"])\nadd_key(tags, u[\"params\"][\"tag\"])\nadd_key(none, u[\"params\"][\"x\"])",
			Message: "/search?q=a+b&tag=x&tag=y", Want: "q=\"a b\"\ntags=\"x,y\"\nnone=nil"},
		{Script: "u = url_parse(nosuch)\nadd_key(known, u != nil)\nu = url_parse(_)", Message: "10.0.0.1:80/x",
			Want: "error 3:5: url_parse: first path segment in URL cannot contain colon\nknown=false"},
	},
	Bind: func(c *Call) eval.Expr {
		read := c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			text, known, ok := readText(f, read)
			if !known || !ok {
				return wrote(ok)
			}
			u, err := url.Parse(text)
			if err != nil {
				var why *url.Error
				if errors.As(err, &why) {
					err = why.Err // without the text, which may be long and hold a password
				}
				return f.Failf("url_parse: %v", err)
			}
			if !f.Spend(len(text)) {
				return failed()
			}
			query := u.Query()
			params := make(map[string]point.Value, len(query))
			for name, values := range query {
				params[name] = point.String(strings.Join(values, ","))
			}
			return point.Map(map[string]point.Value{
				"scheme": point.String(u.Scheme), "host": point.String(u.Host), "port": point.String(u.Port()),
				"path": point.String(u.Path), "params": point.Map(params),
			}), true
		}
	},
})
