package lint

import (
	"regexp"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
)

// collect notes which keys the script may write, and which it names as keys, wherever that is.
func (c *checker) collect(body []syntax.Stmt) {
	for _, s := range body {
		switch s := s.(type) {
		case *syntax.ExprStmt:
			c.collectExpr(s.X)
		case *syntax.Assign:
			for _, x := range s.Right {
				c.collectExpr(x)
			}
		case *syntax.If:
			for _, b := range s.Branches {
				c.collectExpr(b.Cond)
				c.collect(b.Body)
			}
			c.collect(s.Else)
		case *syntax.ForIn:
			c.collectExpr(s.X)
			c.collect(s.Body)
		case *syntax.For:
			for _, part := range []syntax.Stmt{s.Init, s.Step} {
				if part != nil {
					c.collect([]syntax.Stmt{part})
				}
			}
			c.collect(s.Body)
		}
	}
}

// inPlace are functions that change a key which is there, and make none.
var inPlace = map[string]bool{
	"cast": true, "lowercase": true, "uppercase": true, "trim": true, "replace": true, "cover": true, "default_time": true, "b64enc": true,
	"b64dec": true, "url_decode": true, "decode": true, "sql_cover": true, "nullif": true, "adjust_timezone": true, "datetime": true,
}

var captured = regexp.MustCompile(`%\{[^{}:]+:([^{}:]+)(?::[^{}]*)?\}|\(\?P?<(\w+)>`)

func (c *checker) collectExpr(x syntax.Expr) {
	switch x := x.(type) {
	case *syntax.List:
		for _, e := range x.Items {
			c.collectExpr(e)
		}
	case *syntax.Map:
		for _, e := range x.Vals {
			c.collectExpr(e)
		}
	case *syntax.Paren:
		c.collectExpr(x.X)
	case *syntax.Unary:
		c.collectExpr(x.X)
	case *syntax.Binary:
		c.collectExpr(x.X)
		c.collectExpr(x.Y)
	case *syntax.Index:
		for _, s := range x.Steps {
			c.collectExpr(s.X)
		}
	case *syntax.Slice:
		for _, e := range []syntax.Expr{x.X, x.Lo, x.Hi, x.Step} {
			c.collectExpr(e)
		}
	case *syntax.Call:
		c.collectCall(x)
	}
}

func (c *checker) collectCall(call *syntax.Call) {
	arguments(call, func(i int, p *funcs.Param, x syntax.Expr) {
		if p.Kind == funcs.Value || p.Kind == funcs.Rest {
			c.collectExpr(x)
		}
		name, isKey := keyText(x)
		switch {
		case isText(x) && (call.Name == "grok" || call.Name == "add_pattern"):
			for _, m := range captured.FindAllStringSubmatch(x.(*syntax.Literal).Val.Str(), -1) {
				c.written[m[1]+m[2]] = true
			}
		case !isKey || inPlace[call.Name]:
		case call.Name == "drop_key" || call.Name == "get_key" || call.Name == "rename" && i == 1:
			c.meant[name] = true
		case call.Name == "pt_kvs_get" || call.Name == "pt_kvs_set" || call.Name == "pt_kvs_del":
			c.meant[name], c.written[name] = true, true
		case p.Kind == funcs.Key && (i > 0 || call.Name != "grok" && call.Name != "json" && len(call.Args) > 1):
			c.written[name] = true
		}
	})
}
