package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

// referDoc is what both look-ups have in common.
const referDoc = "The first row whose columns are equal to the values **in type and value** counts: a float column does not match an int, and numbers " +
	"of JSON are floats. All its columns are written as fields; a key that is a tag stays one. Without a table of the name, and without " +
	"such a row, the call does nothing. A name that is no str is a run error.\n\n" +
	"Tables come from the URL or file that is configured for the script's operator and are read again at an interval; a look-up sees the table as " +
	"it is at present and waits for nothing. Until the first tables are there it finds nothing."

var _ = declare(Decl{
	Name:    "query_refer_table",
	Group:   OnOutside,
	Summary: "Finds the row of a reference table by the value of one column and writes all its columns to the point.",
	Doc:     referDoc + " If the value is a name that is not known the call does nothing.",
	Params: []Param{
		{Name: "table_name", Kind: Operand, Summary: "a str"},
		{Name: "key", Kind: Operand, Summary: "the column, a str"},
		{Name: "value", Kind: Value, Summary: "a text, number or bool literal, or a name"},
	},
	Named: true,
	Examples: []Example{
		{Script: "query_refer_table(\"hosts\", \"ip\", _)", Message: "192.0.2.7",
			Want: "ip=\"192.0.2.7\"\nport=443\nload=0.5\nup=true\nowner=\"shop\""},
		{Script: "col = \"port\"\nquery_refer_table(table_name=\"hosts\", key=col, value=80)",
			Want: "ip=\"192.0.2.8\"\nport=80\nload=1.0\nup=false\nowner=nil"},
		{Script: "query_refer_table(\"hosts\", \"port\", 80.0)\nquery_refer_table(\"nosuch\", \"ip\", 1)\nquery_refer_table(\"hosts\", \"ip\", nosuch)",
			Want: ""},
		{Script: "query_refer_table(\"hosts\", nosuch, 1)",
			Want: "error 1:1: query_refer_table: the argument key is not str but nil"},
	},
	Bind: func(c *Call) eval.Expr {
		table, key := c.Operand(0), c.Operand(1)
		value, ok := cell(c, c.Arg(2))
		if l, isLiteral := c.Literal(2); !ok || isLiteral && l.IsNil() {
			c.Fault(2, "the argument value must be a text, number or bool literal, or a name")
			return nil
		}
		return func(f *eval.Frame) (point.Value, bool) {
			name, ok := nameOf(f, table, "query_refer_table", "table_name")
			if !ok {
				return failed()
			}
			column, ok := nameOf(f, key, "query_refer_table", "key")
			if !ok {
				return failed()
			}
			v, known := value(f)
			if !known {
				return done()
			}
			columns, values := [1]string{column}, [1]point.Value{v}
			return wrote(writeRow(f, name, columns[:], values[:]))
		}
	},
})

var _ = declare(Decl{
	Name:    "mquery_refer_table",
	Group:   OnOutside,
	Summary: "Finds the row of a reference table by the values of several columns and writes all its columns to the point.",
	Doc: referDoc + "\n\n`keys` and `values` are list literals of literals or names, as many of both, where a name that is not known is a run " +
		"error; or a name. The value of a name for `keys` is a str, the only column, that of a name for `values` a list.",
	Params: []Param{
		{Name: "table_name", Kind: Operand, Summary: "a str"},
		{Name: "keys", Kind: Value, Summary: "the columns: a list of text literals and names, or a name"},
		{Name: "values", Kind: Value, Summary: "a list of text, number and bool literals and names, or a name"},
	},
	Named: true,
	Examples: []Example{
		{Script: "mquery_refer_table(\"hosts\", [\"ip\", \"port\"], [_, 8080])", Message: "192.0.2.7",
			Want: "ip=\"192.0.2.7\"\nport=8080\nload=2.5\nup=true\nowner=\"pay\""},
		{Script: "col = \"up\"\nv = [false]\nmquery_refer_table(\"hosts\", keys=col, values=v)",
			Want: "ip=\"192.0.2.8\"\nport=80\nload=1.0\nup=false\nowner=nil"},
		{Script: "mquery_refer_table(\"hosts\", [\"ip\", \"port\"], [_, 1])\nmquery_refer_table(\"hosts\", [\"ip\", \"port\"], [_])",
			Message: "192.0.2.7", Want: ""},
		{Script: "mquery_refer_table(\"hosts\", [\"ip\"], [nosuch])", Want: "error 1:1: mquery_refer_table: the name nosuch is not known"},
	},
	Bind: bindMultiQuery,
})

func bindMultiQuery(c *Call) eval.Expr {
	table := c.Operand(0)
	keys, ok := columnNames(c)
	if !ok {
		c.Fault(1, "the argument keys must be a list of text literals and names, or a name")
	}
	values, ok := cellList(c)
	if !ok {
		c.Fault(2, "the argument values must be a list of literals and names, or a name")
	}
	if c.bad {
		return nil
	}
	return func(f *eval.Frame) (point.Value, bool) {
		name, ok := nameOf(f, table, "mquery_refer_table", "table_name")
		if !ok {
			return failed()
		}
		columns, ok := keys(f)
		if !ok {
			return failed()
		}
		wanted, ok := values(f)
		return wrote(ok && writeRow(f, name, columns, wanted))
	}
}

// columnNames returns how the argument keys is evaluated.
func columnNames(c *Call) (names func(*eval.Frame) ([]string, bool), ok bool) {
	if constant, ok := textList(c.Arg(1)); ok {
		return func(*eval.Frame) ([]string, bool) { return constant, true }, true
	}
	list, isList := c.Arg(1).(*syntax.List)
	items := []syntax.Expr{c.Arg(1)}
	if isList {
		items = list.Items
	}
	reads := make([]eval.Lookup, len(items))
	for i, x := range items {
		l, isLiteral := x.(*syntax.Literal)
		if isLiteral && (!isList || l.Val.Kind() != point.KindString) {
			return nil, false
		}
		if reads[i], ok = cell(c, x); !ok {
			return nil, false
		}
	}
	return func(f *eval.Frame) ([]string, bool) {
		columns := make([]string, len(reads))
		for i, read := range reads {
			name, ok := nameOf(f, read, "mquery_refer_table", "keys")
			if !ok {
				return nil, false
			}
			columns[i] = name
		}
		return columns, true
	}, true
}

// cellList returns how the argument values is evaluated.
func cellList(c *Call) (values func(*eval.Frame) ([]point.Value, bool), ok bool) {
	list, isList := c.Arg(2).(*syntax.List)
	if !isList {
		text, isPath := syntax.PathText(c.Arg(2))
		if !isPath {
			return nil, false
		}
		read := c.Lookup(KeyName(text))
		return func(f *eval.Frame) ([]point.Value, bool) {
			v, _ := read(f)
			if eval.KindOf(v) != point.KindList {
				_, ok := f.Failf("mquery_refer_table: the argument values is not list but %s", eval.TypeName(v))
				return nil, ok
			}
			return eval.Tree(v).Items(), true
		}, true
	}
	reads, names := make([]eval.Lookup, len(list.Items)), make([]string, len(list.Items))
	for i, x := range list.Items {
		names[i], _ = syntax.PathText(x)
		if reads[i], ok = cell(c, x); !ok {
			return nil, false
		}
	}
	return func(f *eval.Frame) ([]point.Value, bool) {
		room := f.Groups()
		for i, read := range reads {
			v, known := read(f)
			if !known {
				_, ok := f.Failf("mquery_refer_table: the name %s is not known", names[i])
				return nil, ok
			}
			room = append(room, v)
		}
		f.KeepGroups(room)
		return room, true
	}, true
}

// cell returns how a literal or name is evaluated. ok is false for other expressions.
func cell(c *Call, x syntax.Expr) (read eval.Lookup, ok bool) {
	if l, isLiteral := x.(*syntax.Literal); isLiteral {
		return func(*eval.Frame) (point.Value, bool) { return l.Val, true }, true
	}
	text, ok := syntax.PathText(x)
	if !ok {
		return nil, false
	}
	return c.Lookup(KeyName(text)), true
}

// nameOf reads an argument that must be a str.
func nameOf(f *eval.Frame, read eval.Lookup, function, param string) (text string, ok bool) {
	v, known := read(f)
	if known && v.Kind() == point.KindString {
		return v.Str(), true
	}
	_, ok = f.Failf("%s: the argument %s is not str but %s", function, param, eval.TypeName(v))
	return "", ok
}

// writeRow writes the columns of the row that is found.
func writeRow(f *eval.Frame, table string, columns []string, values []point.Value) (ok bool) {
	t := f.Host.Table(table)
	if t == nil {
		return true
	}
	row, found := t.Find(columns, values)
	if !found {
		return true
	}
	for i, v := range row.Values {
		if !f.Write(row.Columns[i], v) {
			return false
		}
	}
	return true
}
