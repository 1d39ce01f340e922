package refer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"dataflow/engine/point"
)

const hosts = `[{"table_name": "hosts", "column_name": ["ip", "port", "load", "up"], "column_type": ["string", "int", "float", "bool"],
 "row_data": [["a", 80, 0.5, true], ["a", 81, 1, false], ["b", "82", "2.5", "true"], [7, 5.0, 1e2, null], ["c", null, -0.0, true], ["a", 80, 9, true]]},
 {"extra": {"x": [1]}, "table_name": "empty", "column_name": ["k"], "column_type": ["string"]}]`

func parse(t testing.TB, text string) map[string]*Table {
	t.Helper()
	tables, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func show2(r Row, ok bool) string {
	if !ok {
		return "none"
	}
	var out []string
	for i, c := range r.Columns {
		v := r.Values[i]
		out = append(out, fmt.Sprintf("%s=%v:%s%v%v%v", c, v.Kind(), v.Str(), v.Int(), v.Float(), v.Bool()))
	}
	return strings.Join(out, " ")
}

func TestFind(t *testing.T) {
	tables := parse(t, hosts)
	table := tables["hosts"]
	s, i, f, b := point.String, point.Int, point.Float, point.Bool
	for _, x := range []struct {
		columns []string
		values  []point.Value
		port    int64 // of the row, -1: none
		load    float64
	}{
		{[]string{"ip"}, []point.Value{s("a")}, 80, 0.5},
		{[]string{"ip"}, []point.Value{s("b")}, 82, 2.5},
		{[]string{"ip"}, []point.Value{s("7")}, 5, 100},
		{[]string{"ip"}, []point.Value{i(7)}, -1, 0},
		{[]string{"ip"}, []point.Value{s("d")}, -1, 0},
		{[]string{"port"}, []point.Value{i(81)}, 81, 1},
		{[]string{"port"}, []point.Value{f(81)}, -1, 0},
		{[]string{"port"}, []point.Value{point.Uint(81)}, -1, 0},
		{[]string{"load"}, []point.Value{f(1)}, 81, 1},
		{[]string{"load"}, []point.Value{i(1)}, -1, 0},
		{[]string{"load"}, []point.Value{f(0)}, 0, 0},
		{[]string{"load"}, []point.Value{f(math.NaN())}, -1, 0},
		{[]string{"up"}, []point.Value{b(false)}, 81, 1},
		{[]string{"up"}, []point.Value{point.Nil()}, 5, 100},
		{[]string{"ip", "port"}, []point.Value{s("a"), i(81)}, 81, 1},
		{[]string{"port", "ip"}, []point.Value{i(81), s("a")}, 81, 1},
		{[]string{"ip", "up", "load"}, []point.Value{s("a"), b(true), f(9)}, 80, 9},
		{[]string{"ip", "ip"}, []point.Value{s("a"), s("b")}, -1, 0},
		{[]string{"nosuch"}, []point.Value{s("a")}, -1, 0},
		{[]string{"ip", "nosuch"}, []point.Value{s("a"), s("a")}, -1, 0},
		{[]string{"ip"}, []point.Value{s("a"), s("b")}, -1, 0},
		{[]string{"ip"}, []point.Value{point.List(nil)}, -1, 0},
		{nil, nil, -1, 0},
	} {
		row, ok := table.Find(x.columns, x.values)
		if x.port < 0 && !ok {
			continue
		}
		if !ok || x.port < 0 || row.Values[1].Int() != x.port || row.Values[2].Float() != x.load {
			t.Errorf("%v %v: got %s", x.columns, x.values, show2(row, ok))
		}
		if !slices.Equal(row.Columns, []string{"ip", "port", "load", "up"}) || len(row.Values) != 4 {
			t.Errorf("got columns %v and %d values", row.Columns, len(row.Values))
		}
	}
	if _, ok := tables["empty"].Find([]string{"k"}, []point.Value{s("")}); ok {
		t.Error("found a row in an empty table")
	}
}

func TestLastTableOfANameCounts(t *testing.T) {
	one := `{"table_name":"t","column_name":["k"],"column_type":["int"],"row_data":[[%d]]}`
	table := parse(t, fmt.Sprintf("\ufeff["+one+","+one+"]", 1, 2))["t"]
	for n, want := range map[int64]bool{1: false, 2: true} {
		if _, ok := table.Find([]string{"k"}, []point.Value{point.Int(n)}); ok != want {
			t.Errorf("%d: found %v", n, ok)
		}
	}
}

func TestParseErrors(t *testing.T) {
	table := func(columns, types, rows string) string {
		return `[{"table_name":"t","column_name":[` + columns + `],"column_type":[` + types + `],"row_data":` + rows + `}]`
	}
	many := strings.Repeat(`"c",`, MaxColumns) + `"c"`
	for _, x := range []struct{ text, want string }{
		{``, "EOF"},
		{`{}`, "the text is no list"},
		{`null`, "the text is no list"},
		{`[`, "EOF"},
		{`[] []`, "something follows the list"},
		{`[null]`, "table 1 has no table_name"},
		{`[5]`, "table 1: json: cannot unmarshal"},
		{table(``, ``, `[]`), `table "t": column_name is missing or empty`},
		{table(`"a","b"`, `"int"`, `[]`), `table "t": column_name has 2 entries, column_type has 1`},
		{table(`"a","a"`, `"int","int"`, `[]`), `table "t": there are two columns "a"`},
		{table(`"a"`, `"uint"`, `[]`), `table "t": column "a": there is no type "uint", only string, int, float and bool`},
		{table(many, many, `[]`), `table "t": 1025 columns are more than the limit of 1024`},
		{table(`"a"`, `"int"`, `{}`), `table "t": row_data is no list`},
		{table(`"a"`, `"int"`, `[[1], 2]`), `table "t": row 2 is no list`},
		{table(`"a"`, `"int"`, `[[1], []]`), `table "t": row 2 has 0 cells for 1 columns`},
		{table(`"a"`, `"int"`, `[[1, 2]]`), `table "t": row 1 has more cells than the 1 columns`},
		{table(`"a"`, `"int"`, `[[1], ["x"]]`), `table "t": row 2: column "a": the type int cannot hold "x"`},
		{table(`"a"`, `"int"`, `[[1.5]]`), `table "t": row 1: column "a": the type int cannot hold 1.5`},
		{table(`"a"`, `"int"`, `[[true]]`), `the type int cannot hold true`},
		{table(`"a"`, `"int"`, `[[1e300]]`), `the type int cannot hold 1e300`},
		{table(`"a"`, `"float"`, `[["NaN"]]`), `the type float cannot hold "NaN"`},
		{table(`"a"`, `"float"`, `[[1e999]]`), `the type float cannot hold 1e999`},
		{table(`"a"`, `"float"`, `[[false]]`), `the type float cannot hold false`},
		{table(`"a"`, `"bool"`, `[[1]]`), `the type bool cannot hold 1`},
		{table(`"a"`, `"bool"`, `[["yes"]]`), `the type bool cannot hold "yes"`},
		{table(`"a"`, `"string"`, `[[[1]]]`), `the type string cannot hold a list or object`},
		{table(`"a"`, `"int"`, `[["`+strings.Repeat("é", 100)+`"]]`), `cannot hold "` + strings.Repeat("é", 20) + `..."`},
		{strings.Repeat(" ", MaxText+1), "67108865 bytes are more than the limit of 67108864"},
	} {
		tables, err := Parse([]byte(x.text))
		if tables != nil || err == nil || !strings.HasPrefix(err.Error(), "reading reference tables: ") || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%.60s: got %v, want %s", x.text, err, x.want)
		}
	}
}

func TestConversions(t *testing.T) {
	for _, x := range []struct {
		kind, cell string
		want       point.Value
	}{
		{"string", `"x"`, point.String("x")}, {"string", `1.50`, point.String("1.50")}, {"string", `true`, point.String("true")},
		{"int", `9007199254740993`, point.Int(9007199254740993)}, {"int", `"-12"`, point.Int(-12)}, {"int", `1e3`, point.Int(1000)},
		{"float", `3`, point.Float(3)}, {"float", `"0.25"`, point.Float(0.25)},
		{"bool", `false`, point.Bool(false)}, {"bool", `"true"`, point.Bool(true)},
		{"string", `null`, point.Nil()}, {"int", `null`, point.Nil()},
	} {
		text := `[{"row_data":[[` + x.cell + `]],"column_type":["` + x.kind + `"],"column_name":["c"],"table_name":"t"}]`
		row, ok := parse(t, text)["t"].Find([]string{"c"}, []point.Value{x.want})
		if !ok || !row.Values[0].Equal(x.want) {
			t.Errorf("%s %s: not found as %v %q", x.kind, x.cell, x.want.Kind(), x.want.Str())
		}
	}
}

// TestFindIsScan compares the indexes with a walk through the rows, with more lists of columns than there are indexes.
func TestFindIsScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	values := []point.Value{
		point.String(""), point.String("a"), point.String("b"), point.Int(0), point.Int(1), point.Int(-1), point.Float(0),
		point.Float(math.Copysign(0, -1)), point.Float(1), point.Bool(true), point.Bool(false), point.Nil(), point.Float(math.NaN()),
	}
	names := []string{"a", "b", "c", "d"}
	for range 100 {
		table := &Table{columns: names, rows: rng.IntN(60)}
		for range table.rows * len(names) {
			table.cells = append(table.cells, values[rng.IntN(len(values))])
		}
		for range 200 {
			var columns []string
			var wanted []point.Value
			for range 1 + rng.IntN(3) {
				columns = append(columns, names[rng.IntN(len(names))])
				wanted = append(wanted, values[rng.IntN(len(values))])
			}
			n := table.scan(columns, wanted)
			row, ok := table.Find(columns, wanted)
			if ok != (n >= 0) || ok && &row.Values[0] != &table.row(n)[0] {
				t.Fatalf("columns %v: found %v, row %d", columns, ok, n)
			}
		}
		if n := len(*table.indexes.Load()); n != maxIndexes {
			t.Fatalf("%d indexes", n)
		}
	}
}

func TestFindAllocations(t *testing.T) {
	table := parse(t, hosts)["hosts"]
	columns, values := []string{"ip", "port"}, []point.Value{point.String("a"), point.Int(81)}
	missing := []string{"nosuch"}
	table.Find(columns, values)
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := table.Find(columns, values); !ok {
			t.Error("not found")
		}
		table.Find(missing, values[:1])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFindByManyGoroutines(t *testing.T) {
	table := parse(t, hosts)["hosts"]
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 200 {
				columns := []string{[]string{"ip", "load"}[(i+g)%2], "port"}
				values := []point.Value{point.String("a"), point.Int(81)}
				if _, ok := table.Find(columns, values); ok != (columns[0] == "ip") {
					t.Errorf("%v: found %v", columns, ok)
				}
			}
		})
	}
	all.Wait()
}

func FuzzParse(f *testing.F) {
	f.Add(hosts)
	f.Add(`[{"table_name":"t","column_name":["k"],"column_type":["int"],"row_data":[[1],[2]]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		tables, err := Parse([]byte(text))
		if (tables == nil) == (err == nil) {
			t.Fatalf("got %v and %v", tables, err)
		}
		for name, table := range tables {
			if name == "" || len(table.cells) != table.rows*len(table.columns) {
				t.Fatalf("table %q: %d cells in %d rows of %d", name, len(table.cells), table.rows, len(table.columns))
			}
			for n := range table.rows {
				row, ok := table.Find(table.columns, table.row(n))
				if !ok || !slices.EqualFunc(row.Values, table.row(n), point.Value.Equal) {
					t.Fatalf("table %q: row %d was not found", name, n)
				}
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	var text strings.Builder
	text.WriteString(`[{"table_name":"t","column_name":["k","v"],"column_type":["string","int"],"row_data":[["x",0]`)
	for i := range 100_000 {
		fmt.Fprintf(&text, `,["key%d",%d]`, i, i)
	}
	text.WriteString("]}]")
	table := parse(b, text.String())["t"]
	columns, values := []string{"k"}, []point.Value{point.String("key99999")}
	b.ReportAllocs()
	for b.Loop() {
		table.Find(columns, values)
	}
}
