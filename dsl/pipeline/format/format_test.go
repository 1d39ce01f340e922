package format

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/point"
)

func TestSource(t *testing.T) {
	for _, x := range []struct{ title, text, want string }{
		{"nothing", " \n\n", ""},
		{"blanks", "a=1+2*-3\nf ( a,b ,c=d , )\nx = a [ 1 : -2 ] + m [\"k\"] [ 0 ]\nif ! a&&b in [ 1 ,2 ]{}",
			"a = 1 + 2 * -3\nf(a, b, c=d,)\nx = a[1:-2] + m[\"k\"][0]\nif !a && b in [1, 2] {}\n"},
		{"blocks", "if a{b()}elif c {\n\n  d();e() ;\n\n\n\n  f()\n\n} else { ; }\nfor x in y{for ;;{break}}\nfor i=0;i<3;i+=1{}",
			"if a {\n\tb()\n} elif c {\n\td()\n\te()\n\n\tf()\n} else {}\nfor x in y {\n\tfor ; ; {\n\t\tbreak\n\t}\n}\nfor i = 0; i < 3; i += 1 {}\n"},
		{"comments", "#a  \n\n\n# b\na = 1;# c\nif x {# d\n # e\n\n y() } # f\nif x { # g\n}\n\n#end",
			"#a\n\n# b\na = 1 # c\nif x { # d\n\t# e\n\n\ty()\n} # f\nif x { # g\n}\n\n#end\n"},
		{"comments in brackets", "m = { # one\n\"a\":1, # two\n# three\n\n\"b\":[\n1,# four\n2\n# five\n]\n}",
			"m = { # one\n\t\"a\": 1, # two\n\t# three\n\n\t\"b\": [\n\t\t1, # four\n\t\t2\n\t\t# five\n\t]\n}\n"},
		{"breaks of lines", "x = f(\n[\n1,\n2], {\n\"a\": g(\nb\n)})\nif a && # why\n\n b ||\nc {\nd = 1 +\n\n2\n}",
			"x = f(\n\t[\n\t\t1,\n\t\t2], {\n\t\t\"a\": g(\n\t\t\tb\n\t\t)})\nif a && # why\n\tb ||\n\tc {\n\td = 1 +\n\t\t2\n}\n"},
		{"two brackets on a line", "x = f([\n1\n])", "x = f([\n\t1\n])\n"},
		{"texts", "a = '''x\n   y # no comment\n'''\nb = `a\n  b`\nc = 'it''s'[0:1]", ""},
		{"texts that stay", "a='''x\n   y # no comment\n'''\nb=`a\n  b`\n", "a = '''x\n   y # no comment\n'''\nb = `a\n  b`\n"},
		{"paths", "json( _ , . [ 0 ] . a , `x y` . b )\nadd_key(a . b [ 1 ] . c)", "json(_, .[0].a, `x y`.b)\nadd_key(a.b[1].c)\n"},
		{"signs", "a = - - b\nc = a-  -1\nd = ( a ) - ( - b )\ne = f(1) [ : : -1 ]", "a = --b\nc = a - -1\nd = (a) - (-b)\ne = f(1)[::-1]\n"},
		{"carriage returns", "a=1\r\n# c\r\n\r\nb=2\r\n", "a = 1\n# c\n\nb = 2\n"},
	} {
		got, errs := Source(&syntax.Source{Text: x.text})
		if x.want == "" && x.title == "texts" {
			if len(errs) != 1 {
				t.Errorf("%s: errors %v", x.title, errs)
			}
			continue
		}
		if len(errs) > 0 || got != x.want {
			t.Errorf("%s: got\n%s\nwant\n%s\nerrors %v", x.title, got, x.want, errs)
		}
		hold(t, x.text)
	}
}

// hold checks what must be true for every script: its tree and comments stay, and the second time nothing changes.
func hold(t *testing.T, text string) {
	t.Helper()
	first, errs := Source(&syntax.Source{Text: text})
	tree, parseErrs := syntax.Parse(&syntax.Source{Text: text})
	if (len(errs) > 0) != (len(parseErrs) > 0) {
		t.Fatalf("%q: errors %v, of the parser %v", text, errs, parseErrs)
	}
	if len(errs) > 0 {
		return
	}
	again, errs := syntax.Parse(&syntax.Source{Text: first})
	if len(errs) > 0 {
		t.Fatalf("%q becomes %q, which has %v", text, first, errs)
	}
	if was, is := dump(tree.Body), dump(again.Body); was != is {
		t.Fatalf("%q becomes %q: another tree\n%s\n%s", text, first, was, is)
	}
	if was, is := comments(t, text), comments(t, first); !slices.Equal(was, is) {
		t.Fatalf("%q becomes %q: comments %q become %q", text, first, was, is)
	}
	if second, _ := Source(&syntax.Source{Text: first}); second != first {
		t.Fatalf("%q becomes %q, then %q", text, first, second)
	}
	for _, line := range strings.Split(first, "\n") {
		if !strings.ContainsAny(first, "`'\"#") && line != strings.TrimRight(line, " \t") {
			t.Fatalf("%q becomes %q: blanks at the end of a line", text, first)
		}
	}
}

// comments returns the comments of a script, each with whether it stands behind something on its line.
func comments(t *testing.T, text string) (all []string) {
	t.Helper()
	tokens, errs := syntax.Tokens(&syntax.Source{Text: text})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	behind := false
	for _, x := range tokens {
		if x.Role == syntax.Comment {
			all = append(all, fmt.Sprintf("%v %s", behind, strings.TrimRight(text[x.Pos:x.End], " \t\r\v\f")))
		}
		behind = x.Role != syntax.Newline && (behind || x.Role != syntax.Semicolon)
	}
	return all
}

// dump writes a tree without its positions.
func dump(x any) string {
	var b strings.Builder
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch x := v.Interface().(type) {
		case syntax.Pos:
			return
		case point.Value:
			fmt.Fprintf(&b, "%v:%q ", x.Kind(), point.AppendText(nil, x))
			return
		}
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if v.IsNil() {
				b.WriteString("nil ")
				return
			}
			walk(v.Elem())
		case reflect.Slice:
			fmt.Fprintf(&b, "%d[", v.Len())
			for i := range v.Len() {
				walk(v.Index(i))
			}
			b.WriteString("] ")
		case reflect.Struct:
			fmt.Fprintf(&b, "%s{", v.Type().Name())
			for i := range v.NumField() {
				walk(v.Field(i))
			}
			b.WriteString("} ")
		default:
			fmt.Fprintf(&b, "%v ", v.Interface())
		}
	}
	walk(reflect.ValueOf(x))
	return b.String()
}

// scripts are all scripts of the repository.
func scripts(t testing.TB) (all []string) {
	err := filepath.WalkDir("../../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".p" {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range funcs.All() {
		for _, x := range d.Examples {
			all = append(all, x.Script)
		}
	}
	if len(all) < 35 {
		t.Fatalf("only %d scripts were found", len(all))
	}
	return all
}

func TestScripts(t *testing.T) {
	for _, text := range scripts(t) {
		hold(t, text)
	}
}

func TestErrors(t *testing.T) {
	_, errs := Source(&syntax.Source{Name: "x.p", Text: "a = = 1\nb = )\n"})
	if got := errs.Error(); !strings.Contains(got, "x.p:1:5: ") || !strings.Contains(got, "x.p:2:5: ") {
		t.Errorf("got %s", got)
	}
}

func FuzzSource(f *testing.F) {
	for _, text := range scripts(f) {
		f.Add(text)
	}
	for _, text := range []string{
		"a=[1,# c\n2\n\n,3]#d\n;;b", "if a{#c\n}elif b{}else{#d\n#e\n}", "x=a+#c\n#d\n\n(b\n)", "for;{};{}", "for {};;{} {}", "f(\n\n#c\n\n)", "{}\n{1:2,\n}\n[][:]",
		"a in\n\nb", "a,\nb=\n1,\n2", "f(a=\n1)", "m={\"a\":\n#c\n1}", "!a==b;-1", "'''\n''';`\n`#c",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { hold(t, text) })
}
