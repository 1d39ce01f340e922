package diag

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrint(t *testing.T) {
	source := func(file string) []byte {
		if file != "g.yaml" {
			return nil
		}
		return []byte("a: 1\n\tbrokrs: [x]\r\n名字: {值: 1}\n" + strings.Repeat("x", 300) + "\nctl:\x1b[31m red\n")
	}
	at := func(line, col int) Pos { return Pos{"g.yaml", line, col} }
	for _, c := range []struct {
		d    Diagnostic
		want string
	}{
		{Diagnostic{Pos: at(1, 1), EndCol: 2, Message: "no"}, "g.yaml:1:1: error: no\n  1 | a: 1\n    | ^\n"},
		{Diagnostic{Pos: at(2, 2), EndCol: 8, Message: "unknown option", Hint: "did you mean \"brokers\"?\nor not"},
			"g.yaml:2:2: error: unknown option\n  2 |     brokrs: [x]\n    |     ^^^^^^\n    = hint: did you mean \"brokers\"?\n    =       or not\n"},
		{Diagnostic{Pos: at(3, 6), EndCol: 7, Message: "wide"}, "g.yaml:3:6: error: wide\n  3 | 名字: {值: 1}\n    |        ^^\n"},
		{Diagnostic{Pos: at(1, 5), Message: "behind", Severity: Warning}, "g.yaml:1:5: warning: behind\n  1 | a: 1\n    |     ^\n"},
		{Diagnostic{Pos: at(4, 200), EndCol: 203, Message: "long"},
			"g.yaml:4:200: error: long\n  4 | ..." + strings.Repeat("x", 120) + "...\n    | " + strings.Repeat(" ", 43) + "^^^\n"},
		{Diagnostic{Pos: at(5, 6), Message: "escape"}, "g.yaml:5:6: error: escape\n  5 | ctl:\uFFFD[31m red\n    |      ^\n"},
		{Diagnostic{Pos: at(99, 1), Message: "no such line"}, "g.yaml:99:1: error: no such line\n"},
		{Diagnostic{Pos: Pos{File: "other"}, Message: "whole file", Hint: "h"}, "other: error: whole file\n   = hint: h\n"},
		{Diagnostic{Pos: at(1, 0), Message: "whole line"}, "g.yaml:1: error: whole line\n  1 | a: 1\n"},
	} {
		var b strings.Builder
		if err := (List{c.d}).Print(&b, source); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Errorf("got\n%s\nwant\n%s", b.String(), c.want)
		}
	}
}

func TestList(t *testing.T) {
	l := List{
		{Pos: Pos{"b", 1, 1}, Message: "3"}, {Pos: Pos{"a", 2, 1}, Message: "2"}, {Pos: Pos{"a", 1, 9}, Message: "1", Hint: "h"},
		{Pos: Pos{"a", 2, 1}, Message: "2b"}, {Pos: Pos{"a", 2, 1}, Message: "2"}, {Pos: Pos{"a", 1, 9}, Message: "w", Severity: Warning},
	}
	want := "a:1:9: 1 (h)\na:1:9: warning: w\na:2:1: 2\na:2:1: 2b\nb:1:1: 3"
	if got := l.Err().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := (List{{Severity: Warning}}).Err(); err != nil {
		t.Errorf("a warning alone is the error %v", err)
	}
	if List(nil).Err() != nil {
		t.Error("an empty list is an error")
	}
}

func TestOf(t *testing.T) {
	at := Pos{"f", 1, 2}
	d := Diagnostic{Pos: Pos{"g", 3, 4}, Message: "m"}
	if got := Of(nil, at); got != nil {
		t.Errorf("Of(nil) = %v", got)
	}
	if got := Of(errors.New("x"), at); got.Error() != "f:1:2: x" {
		t.Errorf("got %v", got)
	}
	if got := Of(fmt.Errorf("reading: %w", d), at); got.Error() != "g:3:4: m" {
		t.Errorf("got %v", got)
	}
	if got := Of(errors.Join(d, errors.New("y"), &TextError{Message: "t", Hint: "h"}), at); got.Error() != "g:3:4: m\nf:1:2: y\nf:1:2: t (h)" {
		t.Errorf("got %v", got)
	}
	if got := Of(List{d, d}, at); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestNearest(t *testing.T) {
	options := []string{"brokers", "group", "topics", "tls", "sasl", "max_body", "concurrency", "url", "id"}
	for name, want := range map[string]string{
		"brokrs": "brokers", "broker": "brokers", "gruop": "group", "TOPIC": "topics", "max-body": "max_body", "concurency": "concurrency",
		"uri": "url", "tsl": "tls", "xyz": "", "ix": "", "": "", "something_else": "", "ids": "id", "brokers": "",
	} {
		if got := Nearest(name, options); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
	if got := DidYouMean("brokrs", options); got != `did you mean "brokers"?` {
		t.Errorf("DidYouMean = %q", got)
	}
}

func FuzzPrint(f *testing.F) {
	f.Add("a\tb", 2, 3)
	f.Add(strings.Repeat("名", 200), 150, 151)
	f.Add("e\u0301\x00\xff", 2, 9)
	f.Fuzz(func(t *testing.T, line string, col, end int) {
		line = strings.Map(func(r rune) rune {
			if r == '\n' {
				return -1
			}
			return r
		}, line)
		d := Diagnostic{Pos: Pos{"f", 1, col}, EndCol: end, Message: "m"}
		text, pad, width := d.excerpt(line)
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\t\n\x1b") {
			t.Errorf("line %q is shown as %q", line, text)
		}
		if pad < 0 || width < 1 || pad > maxWidth+len(ellipsis) || pad+width > maxWidth+2*len(ellipsis) {
			t.Errorf("line %q, columns %d to %d: caret at %d, %d wide", line, col, end, pad, width)
		}
	})
}

func FuzzNearest(f *testing.F) {
	f.Add("brokrs", "brokers")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > 200 || len(b) > 200 {
			return
		}
		d, back := distance([]rune(a), []rune(b)), distance([]rune(b), []rune(a))
		if d != back || (d == 0) != (string([]rune(a)) == string([]rune(b))) {
			t.Errorf("distance of %q and %q: %d, back %d", a, b, d, back)
		}
		if got := Nearest(a, []string{b}); got != "" && got != b {
			t.Errorf("Nearest(%q, %q) = %q", a, b, got)
		}
	})
}
