package syntax

import "testing"

// TestHints: what other languages have is told in terms of this one.
func TestHints(t *testing.T) {
	for text, want := range map[string]string{
		"if a = 1 { }":              "two values are compared with ==",
		"if (a = 1) { }":            "assign in a statement of its own; two values are compared with ==",
		"a = b = 1":                 "assign in a statement of its own; two values are compared with ==",
		"if a { } else if b { }":    "else if is written elif",
		"if a { }\nelse if b { }":   "else if is written elif",
		"if a { } elseif b { }":     "write elif",
		"if a\n{ }":                 "the { of a block stands on the line of its if, elif, else or for",
		"if a and b { }":            "and is written &&",
		"x = a or b":                "or is written ||",
		"if not a { }":              "not is written !",
		"x = a & b":                 "and is written &&",
		"x = a | b":                 "or is written ||",
		"x = 'it's'":                "a quote ends the text; within one write \\\" or \\', or put the text in the other quotes",
		"i++":                       "write += 1 or -= 1",
		"if a { i-- }":              "",
		"// a comment":              "a comment begins with #",
		"a := 1":                    "an assignment is written =",
		"x = data.get(\"a\")":       "values have no methods: a function takes them as arguments",
		"while a { }":               "a loop is written for ; cond; { }",
		"return":                    "exit() ends the script",
		"x = @timestamp":            "a name with @ in it stands in backquotes",
		"x = a ? b : c":             "a choice is written if cond { } else { }",
		"x = )":                     "",
		"x = (a + 1\nadd_key(x, 1)": "",
	} {
		_, errs := Parse(&Source{Text: text})
		if len(errs) == 0 {
			t.Errorf("%s: no error", text)
			continue
		}
		if got := errs[0].Hint; got != want {
			t.Errorf("%s: %v, want the hint %q", text, errs[0], want)
		}
	}
}

// TestParsePart: with errors the tree has what could be read.
func TestParsePart(t *testing.T) {
	s, errs := Parse(&Source{Text: "a = 1\nb = )\nif c {\n\td = ]\n\te = 2\n}\n"})
	if len(errs) != 2 || len(s.Body) != 2 || len(s.Body[1].(*If).Branches[0].Body) != 1 {
		t.Errorf("errors %v, tree %+v", errs, s)
	}
}

func TestStart(t *testing.T) {
	for text, want := range map[string]Pos{"a + b": 0, "a = 1": 0, "  a + b * c - d": 2, "-a + 1": 0, "(a) + b": 0, "f(x) == 1": 0, "a.b + 1": 0, " a[0][1] in b": 1} {
		s, errs := Parse(&Source{Text: text})
		if len(errs) > 0 || s.Body[0].Pos() != want {
			t.Errorf("%q begins at %d, want %d; %v", text, s.Body[0].Pos(), want, errs)
		}
	}
}

func TestTokens(t *testing.T) {
	const text = "for i = -1; i; { # c\n\tf(a=b[0:1], {\"k\": 1}); x.y\n} # d"
	tokens, errs := Tokens(&Source{Text: text})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := []struct {
		text string
		role Role
	}{
		{"for", Keyword}, {"i", Word}, {"=", Operator}, {"-", Sign}, {"1", Word}, {";", HeaderSemicolon}, {"i", Word}, {";", HeaderSemicolon}, {"{", BlockOpen}, {"# c", Comment}, {"\n", Newline},
		{"f", Word}, {"(", Open}, {"a", Word}, {"=", NamedAssign}, {"b", Word}, {"[", Open}, {"0", Word}, {":", SliceColon}, {"1", Word}, {"]", Close}, {",", Comma}, {"{", Open}, {"\"k\"", Word},
		{":", MapColon}, {"1", Word}, {"}", Close}, {")", Close}, {";", Semicolon}, {"x", Word}, {".", Dot}, {"y", Word}, {"\n", Newline}, {"}", BlockClose}, {"# d", Comment},
	}
	if len(tokens) != len(want) {
		t.Fatalf("got %d tokens, want %d", len(tokens), len(want))
	}
	for i, w := range want {
		if got := text[tokens[i].Pos:tokens[i].End]; got != w.text || tokens[i].Role != w.role {
			t.Errorf("token %d is %q with the role %d, want %q with %d", i, got, tokens[i].Role, w.text, w.role)
		}
	}
}
