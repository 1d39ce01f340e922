package operators

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"dataflow/dsl/pipeline"
	"dataflow/engine"
	"dataflow/engine/diag"
)

// patternFiles are files of grok patterns.
type patternFiles struct{ files []engine.File }

// OptionType says what the option takes.
func (p *patternFiles) OptionType() string { return "file or folder" }

// UnmarshalOption reads the file, or the files of the folder.
func (p *patternFiles) UnmarshalOption(n engine.OptionNode) error {
	f, ok := n.(fileNode)
	if !ok {
		return n.Errorf("must be the name of a file or a folder")
	}
	files, found, err := f.Folder("", "")
	if err == nil && !found {
		files = make([]engine.File, 1)
		files[0], err = f.File()
	}
	p.files = files
	return err
}

var patternName = regexp.MustCompile(`^[\w.-]+$`)

// patterns are named expressions with the places where they stand.
type patterns struct {
	names  []string
	defs   map[string]string
	at     map[string]diag.Pos
	faults diag.List
}

// parsePatterns reads files of patterns: a name and an expression a line. Of several patterns of a name the last counts.
func parsePatterns(files []engine.File) *patterns {
	p := &patterns{defs: map[string]string{}, at: map[string]diag.Pos{}}
	for _, f := range files {
		n := 0
		for line := range strings.Lines(strings.TrimPrefix(string(f.Data), "\uFEFF")) {
			n++
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			pos := diag.Pos{File: f.Path, Line: n}
			i := strings.IndexAny(line, " \t")
			if i < 0 {
				p.faults = append(p.faults, diag.Diagnostic{Pos: pos, Message: fmt.Sprintf("pattern %q has no expression", line), Hint: "a line is a name, a blank and an expression"})
				continue
			}
			name := line[:i]
			if !patternName.MatchString(name) {
				p.faults = append(p.faults, diag.Diagnostic{Pos: pos, Message: fmt.Sprintf("%q is no name of a pattern: want letters, digits and _ - .", name)})
				continue
			}
			if _, again := p.defs[name]; !again {
				p.names = append(p.names, name)
			}
			p.defs[name], p.at[name] = strings.TrimSpace(line[i:]), pos
		}
	}
	return p
}

// Patterns returns the grok patterns that files define, for [pipeline.Options], as the option patterns reads them. The error is a
// [diag.List].
func Patterns(files []engine.File) (map[string]string, error) { return parsePatterns(files).check() }

// check returns the patterns for [pipeline.Options], or what is wrong with them.
func (p *patterns) check() (map[string]string, error) {
	// A script that uses each pattern in a line of its own finds out which of them are no expressions.
	var use strings.Builder
	for _, name := range p.names {
		use.WriteString("grok(_, " + strconv.Quote("%{"+name+"}") + ")\n")
	}
	_, err := pipeline.Compile(use.String(), pipeline.Options{Patterns: p.defs})
	list := append(p.faults, diagnose(err, func(e *pipeline.Error) diag.Pos {
		if name, ok := strings.CutPrefix(e.File, "pattern "); ok {
			return p.at[name]
		}
		return p.at[p.names[e.Line-1]]
	})...)
	return p.defs, list.Err()
}
