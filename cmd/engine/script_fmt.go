package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/format"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/runtime"
)

// fmtFlags are what script fmt does with the formatted text. Without them it is printed.
type fmtFlags struct{ write, list, diff bool }

func scriptFmtCommand(s streams) *cobra.Command {
	var f fmtFlags
	c := &cobra.Command{
		Use: "fmt x.p...", Short: "Bring scripts to their usual form, - is standard input", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var failed, differ error
			for _, path := range args {
				changed, err := f.format(s, path)
				switch {
				case err != nil:
					failed = err
				case changed && !f.write && (f.list || f.diff):
					differ = &exitError{code: runtime.ExitFailed}
				}
			}
			if failed != nil {
				return failed
			}
			return differ
		},
	}
	c.Flags().BoolVarP(&f.write, "write", "w", false, "write the files that change")
	c.Flags().BoolVarP(&f.list, "list", "l", false, "list the files that would change; the exit code is 1 if there are any")
	c.Flags().BoolVarP(&f.diff, "diff", "d", false, "print what would change; the exit code is 1 if something would")
	return c
}

// format formats one file and reports whether that changes it.
func (f *fmtFlags) format(s streams, path string) (changed bool, err error) {
	var text []byte
	if path == "-" {
		if f.write {
			return false, &exitError{exitUsage, errors.New("standard input cannot be written")}
		}
		text, err = io.ReadAll(s.in)
	} else {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return false, &exitError{exitConfig, err}
	}
	was := string(text)
	is, errs := format.Source(&syntax.Source{Name: path, Text: was})
	if len(errs) > 0 {
		file := &scriptFile{path: path, text: was, loaded: map[string]string{path: was}}
		for _, e := range errs {
			e.Place = pipeline.Place{File: filepath.Base(path), Line: e.Line, Col: e.Col}
		}
		return false, file.report(s, errs)
	}
	if f.list && was != is {
		fmt.Fprintln(s.out, path)
	}
	if f.diff && was != is {
		if _, err := io.WriteString(s.out, unifiedDiff(path, was, is)); err != nil {
			return false, err
		}
	}
	switch {
	case f.write && was != is:
		err = rewrite(path, is)
	case !f.write && !f.list && !f.diff:
		_, err = io.WriteString(s.out, is)
	}
	if err != nil {
		return false, &exitError{runtime.ExitFailed, err}
	}
	return was != is, nil
}

// rewrite replaces the text of a file, which keeps its mode.
func rewrite(path, text string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), info.Mode().Perm())
}
