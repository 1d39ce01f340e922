package funcs

import (
	"fmt"
	"math"
	"strconv"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "strfmt",
	Group:   OnText,
	Summary: "Writes a formatted text to a key. The verbs are those of Go: `%s`, `%d`, `%v`, `%.2f`, `%q`, `%x`, `%t`, `%%`.",
	Doc: "The verb must fit the type of its value, nothing is converted: `%d` of the float 1.5 writes " +
		"`%!d(float64=1.5)`, and numbers out of JSON are floats. A missing value writes `%!d(MISSING)`, one too many " +
		"`%!(EXTRA ...)`. `%v` takes anything: nil is `<nil>`, a list `[1 2]`, a map `map[a:1]`, and a large float has " +
		"an exponent. An error in a value does not end the script but counts as nil.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "format", Kind: Text},
		{Name: "values", Kind: Rest, Summary: "an error in one makes it nil"},
	},
	Examples: []Example{
		{Script: "strfmt(a, \"%s-%03d took %.1f%%\", \"x\", 7, 12.25)", Want: `a="x-007 took 12.2%"`},
		{Script: "strfmt(a, \"%d %d\", 1.5)\nstrfmt(b, \"%s\", 5)\nstrfmt(c, \"%d\", 1, 2)",
			Want: "a=\"%!d(float64=1.5) %!d(MISSING)\"\nb=\"%!s(int64=5)\"\nc=\"1%!(EXTRA int64=2)\""},
		{Script: "strfmt(a, \"%v %v %v\", [1, nil], {\"k\": true}, nosuch)\nstrfmt(b, \"%v\", 1 + \"x\")",
			Want: "a=\"[1 <nil>] map[k:true] <nil>\"\nb=\"<nil>\""},
		{Script: "d = load_json(_)\nn = d[\"n\"]\ncast(n, \"int\")\nstrfmt(a, \"%d of %v\", get_key(n), n)",
			Message: `{"n": 12345678}`,
			Want:    "n=12345678\na=\"12345678 of 1.2345678e+07\""},
	},
	Bind: func(c *Call) eval.Expr {
		key, format, values := c.Key(0), c.Str(1), c.RestValues()
		pieces := formatPieces(format)
		if len(pieces) != 0 && pieces[len(pieces)-1].arg != len(values) {
			pieces = nil
		}
		return func(f *eval.Frame) (point.Value, bool) {
			var room [8]point.Value
			vs := room[:0]
			size := len(format)
			for _, value := range values {
				v, ok := value(f)
				if !ok {
					if !f.Recover() {
						return failed()
					}
					v = point.Nil()
				}
				size += eval.Len(v)
				vs = append(vs, v)
			}
			if !f.Spend(size) {
				return failed()
			}
			b, ok := appendPieces(f.Begin(), pieces, vs)
			if !ok {
				args := f.Args(len(vs))
				for i, v := range vs {
					if v = eval.Tree(v); !f.Measure(v) {
						return failed()
					}
					args[i] = goValue(v)
				}
				b = fmt.Appendf(f.Begin(), format, args...)
				clear(args)
				if !f.SpendOutput(max(0, len(b)-size)) { // a width makes text out of nothing
					return failed()
				}
			}
			return wrote(f.Write(key, point.String(f.End(b))))
		}
	},
})

// piece is a part of a simple format: text, then a verb without flags. A last one has no verb.
type piece struct {
	text string
	verb byte
	prec int // of 'f'
	arg  int // arguments up to here
}

// formatPieces takes a format apart that has only %s, %d, %v, %f, %.Nf and %%. It returns nil for any other.
func formatPieces(format string) []piece {
	var pieces []piece
	text, arg := "", 0
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			text += format[i : i+1]
			continue
		}
		if i++; i == len(format) {
			return nil
		}
		prec := 6
		if format[i] == '.' && i+2 < len(format) && format[i+1] >= '0' && format[i+1] <= '9' && format[i+2] == 'f' {
			prec = int(format[i+1] - '0')
			i += 2
		}
		switch verb := format[i]; verb {
		case '%':
			text += "%"
		case 's', 'd', 'v', 'f':
			arg++
			pieces = append(pieces, piece{text: text, verb: verb, prec: prec, arg: arg})
			text = ""
		default:
			return nil
		}
	}
	return append(pieces, piece{text: text, arg: arg})
}

// appendPieces formats values whose types fit the verbs. Otherwise ok is false, and package fmt says what is wrong.
func appendPieces(dst []byte, pieces []piece, vs []point.Value) (b []byte, ok bool) {
	for i := range pieces {
		p := &pieces[i]
		dst = append(dst, p.text...)
		if p.verb == 0 {
			return dst, true
		}
		v := vs[i]
		switch k := v.Kind(); {
		case k == point.KindString && (p.verb == 's' || p.verb == 'v'):
			dst = append(dst, v.Str()...)
		case k == point.KindInt && (p.verb == 'd' || p.verb == 'v'):
			dst = strconv.AppendInt(dst, v.Int(), 10)
		case k == point.KindFloat && p.verb == 'f' && !math.IsInf(v.Float(), 0) && !math.IsNaN(v.Float()):
			dst = strconv.AppendFloat(dst, v.Float(), 'f', p.prec, 64)
		default:
			return dst, false
		}
	}
	return dst, false
}

// goValue returns v, a tree, as package fmt knows it.
func goValue(v point.Value) any {
	switch v.Kind() {
	case point.KindBool:
		return v.Bool()
	case point.KindInt:
		return v.Int()
	case point.KindFloat:
		return v.Float()
	case point.KindString:
		return v.Str()
	case point.KindList:
		list := make([]any, len(v.Items()))
		for i, x := range v.Items() {
			list[i] = goValue(x)
		}
		return list
	case point.KindMap:
		m := make(map[string]any, len(v.Map()))
		for k, x := range v.Map() {
			m[k] = goValue(x)
		}
		return m
	}
	return nil
}
