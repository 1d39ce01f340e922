package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/lint"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine"
	"dataflow/engine/diag"
	"dataflow/engine/point"
	"dataflow/engine/runtime"
	"dataflow/operators"
)

func scriptCommand(s streams) *cobra.Command {
	c := &cobra.Command{Use: "script", Short: "Try, format and measure scripts"}
	c.AddCommand(scriptRunCommand(s), scriptFmtCommand(s), scriptBenchCommand(s))
	return c
}

// scriptFlags say what a script runs on and what is around it.
type scriptFlags struct {
	scriptInput
	scriptHost
	zone     string
	patterns string
	raw      bool
}

func (f *scriptFlags) add(c *cobra.Command) {
	f.scriptInput.add(c)
	f.scriptHost.add(c)
	c.Flags().StringVar(&f.zone, "timezone", "", "IANA `zone` of times that name none, by default the machine's")
	c.Flags().StringVar(&f.patterns, "patterns", "", "a `file` or folder of grok patterns; by default the folder pattern beside the script or above it, if there is one")
	c.Flags().BoolVar(&f.raw, "raw", false, "leave out the status mapping and the time that follow a run")
}

// scriptFile is a script with those that it uses.
type scriptFile struct {
	path   string
	text   string
	loaded map[string]string // texts by path
}

// options returns what is around the script, and reads its text.
func (f *scriptFlags) options(s streams, path string) (*scriptFile, pipeline.Options, error) {
	file := &scriptFile{path: path, loaded: map[string]string{}}
	o := pipeline.Options{Name: filepath.Base(path), Bare: f.raw, Loader: func(name string) (string, error) {
		other := filepath.Join(filepath.Dir(path), filepath.FromSlash(name))
		text, err := os.ReadFile(other)
		file.loaded[other] = string(text)
		return string(text), err
	}}
	if f.zone != "" {
		zone, err := time.LoadLocation(f.zone)
		if err != nil {
			return nil, o, &exitError{exitUsage, fmt.Errorf("timezone %q is no IANA zone", f.zone)}
		}
		o.Location = zone
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, o, &exitError{exitConfig, err}
	}
	file.text = string(text)
	file.loaded[path] = file.text
	host, err := f.host()
	if err != nil {
		return nil, o, err
	}
	o.Host = host
	files, err := f.patternFiles(path)
	if err != nil {
		return nil, o, &exitError{exitConfig, err}
	}
	for _, p := range files {
		file.loaded[p.Path] = string(p.Data)
	}
	if o.Patterns, err = operators.Patterns(files); err != nil {
		var faults diag.List
		if !errors.As(err, &faults) {
			return nil, o, &exitError{exitConfig, err}
		}
		return nil, o, badGraph(s, faults.Sort(), file.source)
	}
	return file, o, nil
}

// patternFiles reads the files of grok patterns for the script at path.
func (f *scriptFlags) patternFiles(path string) ([]engine.File, error) {
	from := f.patterns
	if from == "" {
		const folder = "pattern" // of a folder of scripts, where those for logging may lie at the top
		for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
			if info, err := os.Stat(filepath.Join(dir, folder)); err == nil && info.IsDir() {
				from = filepath.Join(dir, folder)
				break
			}
		}
		if from == "" {
			return nil, nil
		}
	}
	paths := []string{from}
	if entries, err := os.ReadDir(from); err == nil {
		paths = nil
		for _, e := range entries {
			if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
				paths = append(paths, filepath.Join(from, e.Name()))
			}
		}
	}
	var files []engine.File
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		files = append(files, engine.File{Path: p, Data: text})
	}
	return files, nil
}

// compile compiles the script. What is wrong with it has been printed when it returns an error, and so has what it is
// warned of.
func (file *scriptFile) compile(s streams, o pipeline.Options) (*pipeline.Script, error) {
	script, err := pipeline.Compile(file.text, o)
	if err != nil {
		return nil, file.report(s, err)
	}
	return script, file.warn(s)
}

// where returns the position of a place for people: the file is a path.
func (file *scriptFile) where(at pipeline.Place) diag.Pos {
	path := file.path
	if at.File != filepath.Base(path) {
		path = filepath.Join(filepath.Dir(path), filepath.FromSlash(at.File))
	}
	return diag.Pos{File: path, Line: at.Line, Col: at.Col}
}

// source returns the text of a file, for carets.
func (file *scriptFile) source(path string) []byte { return []byte(file.loaded[path]) }

// report prints what is wrong with the script.
func (file *scriptFile) report(s streams, err error) error {
	var faults pipeline.Errors
	if !errors.As(err, &faults) {
		return &exitError{exitConfig, err}
	}
	var list diag.List
	for _, e := range faults {
		list = append(list, diag.Diagnostic{Pos: file.where(e.Place), Message: e.Msg, Hint: e.Hint})
	}
	return badGraph(s, list.Sort(), file.source)
}

// warn prints what the script hardly means as it is written.
func (file *scriptFile) warn(s streams) error {
	var list diag.List
	for _, path := range sortedKeys(file.loaded) { // those that it uses as well
		list = append(list, warnings(path, file.loaded[path])...)
	}
	if len(list) == 0 {
		return nil
	}
	if err := list.Print(s.err, file.source); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.err)
	return err
}

// warnings returns what a script that loads is warned of.
func warnings(path, text string) (list diag.List) {
	for _, w := range lint.Check(&syntax.Source{Name: path, Text: text}) {
		list = append(list, diag.Diagnostic{
			Pos: diag.Pos{File: path, Line: w.Line, Col: w.Col}, EndCol: w.EndCol, Message: w.Msg, Hint: w.Hint, Severity: diag.Warning,
		})
	}
	return list.Sort()
}

func scriptRunCommand(s streams) *cobra.Command {
	var f scriptFlags
	var asJSON bool
	c := &cobra.Command{
		Use: "run x.p", Short: "Run a Pipeline script on a text, a file of texts or points", Args: cobra.ExactArgs(1),
		Example: `  engine script run nginx.p -T '10.0.0.1 - - [...]'
  engine script run metric.p --category metric --topic metric_topic -F messages.txt
  engine script run x.p --point points.json --json`,
		RunE: func(_ *cobra.Command, args []string) error { return f.run(s, args[0], asJSON) },
	}
	f.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line for each input")
	return c
}

func (f *scriptFlags) run(s streams, path string, asJSON bool) error {
	file, o, err := f.options(s, path)
	if err != nil {
		return err
	}
	show := &runPrinter{out: s.out, file: file}
	o.Notes = show.note
	o.Host.(*tryHost).tell = show.remark
	script, err := file.compile(s, o)
	if err != nil {
		return err
	}
	runner := script.NewRunner()
	failed := false
	err = f.each(s, func(p *point.Point) error {
		before := p.Clone()
		start := time.Now()
		out := runner.Run(p)
		took := time.Since(start)
		failed = failed || out.Err != nil
		if asJSON {
			return printJSON(s.out, p, out, show.said())
		}
		return show.print(&before, p, out, took)
	})
	if err == nil && failed {
		err = &exitError{code: runtime.ExitFailed}
	}
	return err
}
