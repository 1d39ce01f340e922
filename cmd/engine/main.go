// The command engine runs graphs of sources, operators and sinks, and helps to write them.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"dataflow/engine/diag"
)

// Exit codes beyond those of a run (see engine/runtime).
const (
	exitUsage       = 2
	exitConfig      = 3
	exitUnreachable = 5 // what a graph connects to cannot be used
)

// exitError carries an exit code to main. Its error may be nil: then everything was said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// streams are the process's, replaced in tests.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run executes a command line and returns the exit code.
func run(args []string, s streams) int {
	root := &cobra.Command{
		Use:           "engine",
		Short:         "Run and inspect dataflow graphs for observability data",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetArgs(args)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	root.AddCommand(profiled(runCommand(s)), validateCommand(s), printCommand(s), listCommand(s), scriptCommand(s), explainCommand(s), dlqCommand(s), bufferCommand(s), demoCommand(s), benchCommand(s), versionCommand(s))
	err := root.Execute()
	if err == nil {
		return 0
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{exitUsage, err}
	}
	if exit.err != nil {
		fmt.Fprintf(s.err, "engine: %v\n", exit.err)
	}
	if exit.code == exitUsage {
		fmt.Fprintln(s.err, "Run 'engine --help' for usage.")
	}
	return exit.code
}

// badGraph reports what is wrong with a graph.
func badGraph(s streams, err error, source func(string) []byte) error {
	var list diag.List
	if !errors.As(err, &list) {
		return &exitError{exitConfig, err}
	}
	list.Print(s.err, source)
	return &exitError{code: exitConfig}
}
