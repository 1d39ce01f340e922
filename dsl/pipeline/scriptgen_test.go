package pipeline_test

import (
	"fmt"
	"strings"

	"dataflow/dsl/pipeline/funcs"
)

// A scriptGen makes a script and a point of bytes: all statements, operators and functions, with operands and arguments that mostly fit.
// Bytes that have run out count as 0, which everywhere picks what ends soonest.
type scriptGen struct {
	data  []byte
	depth int
	loops int
	b     strings.Builder
	shown funcs.Example // whose script is among the statements and whose message the point has
}

// pick returns a number below n.
func (g *scriptGen) pick(n int) int {
	if len(g.data) == 0 {
		return 0
	}
	c := int(g.data[0])
	g.data = g.data[1:]
	if n > 256 && len(g.data) > 0 {
		c = c<<8 | int(g.data[0])
		g.data = g.data[1:]
	}
	return c % n
}

func (g *scriptGen) one(of []string) string { return of[g.pick(len(of))] }

func (g *scriptGen) print(parts ...string) {
	for _, p := range parts {
		g.b.WriteString(p)
	}
}

var (
	genNames    = []string{"a", "b", "message", "_", "n", "f", "host", "l", "m", "doc", "nosuch", "`a.b`", "status", "time", "t", "raw", "é"}
	genLiterals = []string{
		"nil", "0", "1", "-1", "2", "true", "false", "1.5", "0.5", "-0.0", "nan", "inf", "1e300", "9223372036854775807", "017", "08", "3600", "1710000306789",
		"[]", "{}", `""`,
	}
	genTexts = []string{
		"", "a", " b ", "héllo 中文", "\xff\xfe", "12", "-3.5", "0x1F", "007", "true", "ns", "ms", "s", "us", "int", "float", "str", "bool", "string", "md5", "sha256", "gbk", "utf-16le",
		`{"a":{"b":[1,2,{"c":null}]},"x":"\u00e9","n":1e400}`, `[1,"x",{"y":[]}]`, `{"a":`, "<a b=\"c\"><d>1</d><!-- x --></a>", "//d", "/a/@b", "count(//a)", "a.b.#(x==2).y", "a|@reverse",
		"k=v x=1 y", "=", " ", "(?P<k>\\w+)", "(", "[a-z]+", "%{INT:n:int} %{GREEDYDATA:rest}", "%{IPORHOST:ip}", "%{NOSUCH}", "%{DATA:x}|%{WORD:x:float}", "%d %s %v %5.2f %q %!", "$1_x",
		"2024-03-09T16:05:06.789Z", "18/Nov/2026:09:14:07 +0000", "Mar 9, 2024 4:05pm PST-08", "1710000306", "may", "+8", "-3:30", "CST", "UTC", "Europe/Kiev", "%Y-%m-%d %H:%M:%S.%f %z", "RFC3339", "2006-01-02",
		"1h2m3.5s", "SELECT a, 'x' FROM t WHERE id = 42 AND n IN (1,2) -- c", "http://u:p@h.example:80/p?q=1&q=2#f", "%41+b%zz", "aGVsbG8=", "10.1.2.3", "fe80::1", "10.0.0.0/8",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36", "7f0c1a92b3d44e5f7f0c1a92b3d44e5f",
		"M", "logging", "avg", "max", "60s", "bucket", "other.p", "POST", "refer",
	}
	genBinary = []string{"+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"}
	genAssign = []string{"=", "=", "=", "+=", "-=", "*=", "/=", "%="}
)

func (g *scriptGen) text() string {
	if g.pick(8) == 7 {
		n := min(g.pick(24), len(g.data))
		own := g.data[:n]
		g.data = g.data[n:]
		return literal(string(own))
	}
	return literal(g.one(genTexts))
}

// literal writes any bytes as a text of the language.
func literal(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c < 127 && c != '"' && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (g *scriptGen) expr() {
	g.depth++
	defer func() { g.depth-- }()
	kind := g.pick(14)
	if g.depth > 4 {
		kind %= 3
	}
	switch kind {
	case 0:
		g.print(g.one(genLiterals))
	case 1, 3:
		g.print(g.one(genNames))
	case 2:
		g.print(g.text())
	case 4, 5:
		g.expr()
		g.print(" ", g.one(genBinary), " ")
		g.expr()
	case 6:
		g.print("(")
		g.expr()
		g.print(")")
	case 7:
		g.print(g.one([]string{"!", "-", "+"}), "(")
		g.expr()
		g.print(")")
	case 8:
		g.list("[", "]", g.expr)
	case 9:
		g.list("{", "}", func() { g.print(g.text(), ": "); g.expr() })
	case 10:
		g.index()
	case 11:
		g.print(g.one(genNames), "[")
		for i := range 2 + g.pick(2) {
			if i > 0 {
				g.print(":")
			}
			if g.pick(3) > 0 {
				g.expr()
			}
		}
		g.print("]")
	default:
		g.call()
	}
}

func (g *scriptGen) list(open, end string, item func()) {
	g.print(open)
	for range g.pick(4) {
		item()
		g.print(", ")
	}
	g.print(end)
}

func (g *scriptGen) index() {
	g.print(g.one(genNames))
	for range 1 + g.pick(3) {
		g.print("[")
		if g.pick(2) == 0 {
			g.print(literal(g.one([]string{"a", "b", "x", "y", "c"})))
		} else {
			g.expr()
		}
		g.print("]")
	}
}

// call writes a call of any function. One in sixteen arguments is of any form.
func (g *scriptGen) call() {
	all := funcs.All()
	d := all[g.pick(len(all)*3)%len(all)]
	g.print(d.Name, "(")
	named := false
	for i, p := range d.Params {
		if p.Optional && g.pick(3) == 0 {
			named = d.Named // what follows needs its name
			continue
		}
		if i > 0 && !strings.HasSuffix(g.b.String(), "(") {
			g.print(", ")
		}
		if named || d.Named && g.pick(8) == 7 {
			named = true
			g.print(p.Name, "=")
		}
		g.argument(p.Name, p.Kind)
	}
	g.print(")")
}

// genParams are the types of parameters that take any expression, by their name.
var genParams = map[string]genType{
	"name": genText, "text": genText, "val": genText, "method": genText, "url": genText, "key": genText, "precision": genText, "category": genText,
	"start": genNum, "end": genNum, "base": genNum, "exp": genNum, "before": genNum, "after": genNum, "ts": genNum, "tags": genMap, "fields": genMap, "headers": genMap, "const_tags": genMap,
	"yy": genText, "MM": genText, "dd": genText, "hh": genText, "mm": genText, "ss": genText, "ms": genText, "us": genText, "ns": genText, "zone": genText,
}

func (g *scriptGen) argument(name string, k funcs.Kind) {
	if g.pick(16) == 15 {
		g.expr()
		return
	}
	switch k {
	case funcs.Key, funcs.Name, funcs.Operand:
		g.print(g.one([]string{"_", "a", "b", "n", "host", "a.b", "doc", "new", "t", "raw", "time"}))
	case funcs.Ident:
		g.print(g.one(genNames))
	case funcs.Text:
		g.print(g.text())
	case funcs.Flag:
		g.print(g.one([]string{"true", "false"}))
	case funcs.Path:
		g.print(g.one([]string{"a", "a.b", "a.b[0]", "a.b[-1].c", ".[0].y[1]", "`x`", "n"}))
	default:
		if t, ok := genParams[name]; ok {
			g.typed(t)
		} else if g.pick(3) == 0 {
			g.list("[", "]", func() { g.print(g.one([]string{`"a"`, "1", "-3", "2.5", `"host"`, "a", "nil"})) })
		} else {
			g.typed(genAny)
		}
	}
}
