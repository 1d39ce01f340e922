package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A block is a fenced piece of a page.
type block struct {
	lang, file string // ```lang file
	text       string
	line       int
}

func blocks(page string) (out []block) {
	var b *block
	for i, line := range strings.SplitAfter(page, "\n") {
		info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && b == nil:
			b = &block{line: i + 1}
			b.lang, b.file, _ = strings.Cut(info, " ")
		case fence:
			out = append(out, *b)
			b = nil
		case b != nil:
			b.text += line
		}
	}
	return out
}

// TestDocs runs what the pages show. A block with a file name behind its language is written to a folder that has the
// examples in it; in a console block a line "$ engine ..." is run there and what it prints must be what stands below it,
// times apart; in a sh block a line "engine ..." must end with 0.
func TestDocs(t *testing.T) {
	pages := []string{"README.md", "CONTRIBUTING.md"}
	guides, err := filepath.Glob(filepath.Join(root, "docs", "guide", "*.md"))
	if err != nil || len(guides) < 2 {
		t.Fatalf("%d guides, %v", len(guides), err)
	}
	for _, g := range guides {
		pages = append(pages, filepath.Join("docs", "guide", filepath.Base(g)))
	}
	for _, page := range pages {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(root, page))
			if err != nil {
				t.Fatal(err)
			}
			dir := workspace(t)
			for _, b := range blocks(string(text)) {
				switch {
				case b.file != "":
					if err := os.WriteFile(filepath.Join(dir, b.file), []byte(b.text), 0o644); err != nil {
						t.Fatal(err)
					}
				case b.lang == "console":
					console(t, dir, page, b)
				case b.lang == "sh":
					for _, line := range strings.Split(b.text, "\n") {
						if args, ok := strings.CutPrefix(line, "engine "); ok {
							if r := process(t, dir, nil, words(args)...); r.code != 0 {
								t.Errorf("%s:%d: engine %s: exit code %d\n%s%s", page, b.line, args, r.code, r.out, r.stderr)
							}
						}
					}
				}
			}
		})
	}
}

// measured are commands whose output is never the same: figures, and messages made by chance.
var measured = regexp.MustCompile(`^(bench|demo|version|script bench)\b`)

// console runs the commands of a block, one after the other.
func console(t *testing.T, dir, page string, b block) {
	t.Helper()
	last := result{}
	for _, part := range strings.Split("\n"+b.text, "\n$ ")[1:] {
		line, want, _ := strings.Cut(part, "\n")
		if line == "echo $?" {
			if strings.TrimSpace(want) != strconv.Itoa(last.code) {
				t.Errorf("%s:%d: exit code %d, not %s", page, b.line, last.code, want)
			}
			continue
		}
		in := dir
		if folder, rest, ok := strings.Cut(line, " && "); ok {
			in, line = filepath.Join(dir, strings.TrimPrefix(folder, "cd ")), rest
		}
		var env []string
		args := words(line)
		for len(args) > 0 && strings.Contains(args[0], "=") {
			env, args = append(env, args[0]), args[1:]
		}
		if len(args) == 0 || args[0] != "engine" {
			t.Errorf("%s:%d: %q is no command that this test can run", page, b.line, line)
			continue
		}
		last = process(t, in, env, args[1:]...)
		got := last.out + last.stderr
		switch {
		case measured.MatchString(strings.Join(args[1:], " ")):
			if last.code != 0 || got == "" {
				t.Errorf("%s:%d: %s: exit code %d\n%s", page, b.line, line, last.code, got)
			}
		case settled(got) != settled(want):
			t.Errorf("%s:%d: $ %s\ngot\n%s\nwant\n%s", page, b.line, line, got, want)
		}
	}
}

var anyTime = regexp.MustCompile(`\b1[0-9]{18}\b`)

// took is how long a script ran.
var took = regexp.MustCompile(`\bin [0-9.]+(ns|µs|ms|s):`)

// settled makes an output comparable with one of another day.
func settled(text string) string {
	text = anyTime.ReplaceAllString(text, "<time>")
	text = took.ReplaceAllString(text, "in <time>:")
	text = position.ReplaceAllString(text, "offset=<n>i,partition=<n>i")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestReadmeOpens: the page opens with two commands, which the show of the evidence runs in a fresh clone.
func TestReadmeOpens(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := blocks(string(text))
	want := "go run ./cmd/engine run --embedded --until-idle 2s examples/kafka-metric/graph.yaml\ngo test ./...\n"
	if len(all) == 0 || all[0].lang != "sh" || all[0].text != want {
		t.Errorf("README.md opens with %+v", all[:min(1, len(all))])
	}
}

// TestLinks: what the pages point at in the repository is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	code := regexp.MustCompile("(?s)```.*?\n```|`[^`\n]*`") // has brackets of its own
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		got, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, got...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// TestDifferencesPage: every test that is named to pin a difference is there.
func TestDifferencesPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "reference", "differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([\\w/]+)` `(Test\\w+)(?:/(\\w+))?`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 30 {
		t.Fatalf("only %d tests are named", len(named))
	}
	for _, m := range named {
		folder := filepath.Join(root, filepath.FromSlash(m[1]))
		tests, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, path := range tests {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(src)
		}
		if !strings.Contains(all.String(), "func "+m[2]+"(") || !strings.Contains(all.String(), `"`+m[3]) {
			t.Errorf("%s has no test %s", m[1], m[2]+"/"+m[3])
		}
	}
}

// TestDependencyTable: the table of ARCHITECTURE.md is that of layout_test.go.
func TestDependencyTable(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(filepath.Join(root, "layout_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(page), "\n"); n >= 300 {
		t.Errorf("ARCHITECTURE.md has %d lines", n)
	}
	quoted := regexp.MustCompile(`"([^"]+)"`)
	cell := func(list string) string {
		var out []string
		for _, m := range quoted.FindAllStringSubmatch(list, -1) {
			out = append(out, "`"+strings.TrimPrefix(m[1], "github.com/")+"`")
		}
		if out == nil {
			return "-"
		}
		return strings.Join(out, ", ")
	}
	rows := regexp.MustCompile(`(?m)^\t\{("[^"]+"), (nil|\[\]string\{[^}]*\}), (nil|\[\]string\{[^}]*\})\},$`).FindAllStringSubmatch(string(src), -1)
	if len(rows) < 20 {
		t.Fatalf("only %d rows found", len(rows))
	}
	for _, m := range rows {
		if row := "| " + cell(m[1]) + " | " + cell(m[2]) + " | " + cell(m[3]) + " |\n"; !strings.Contains(string(page), row) {
			t.Errorf("ARCHITECTURE.md lacks\n%s", row)
		}
	}
}
