package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite expected.txt of the examples and the generated reference")

// asCommand makes this test program behave like the command engine: some of what it does belongs to a process, like
// standard output, signals and the processes that it starts itself.
const asCommand = "ENGINE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
	}
	os.Exit(m.Run())
}

// result is how a command line ended.
type result struct {
	code        int
	out, stderr string
}

// inProcess runs a command line that needs no process of its own.
func inProcess(stdin string, args ...string) result {
	var out, stderr bytes.Buffer
	code := run(args, streams{strings.NewReader(stdin), &out, &stderr})
	return result{code, out.String(), stderr.String()}
}

// command returns a command line as a process in dir. Env is NAME=value; the rest of the environment has none of
// the names that examples read.
func command(ctx context.Context, t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second // processes that it started may outlive it, with its standard error open
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool {
		return strings.HasPrefix(s, "KAFKA_") || strings.HasPrefix(s, "DATAWAY_")
	}), append(env, asCommand+"=1")...)
	return cmd
}

// process runs a command line as a process and waits for it.
func process(t *testing.T, dir string, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, stderr bytes.Buffer
	cmd := command(ctx, t, dir, env, args...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("engine %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), stderr.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// root is the repository.
const root = "../.."

// workspace returns a folder with a copy of the examples, where commands can be run as in the repository.
func workspace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root, "examples"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// words splits a command line as a shell does, quotes only.
func words(line string) []string {
	var out []string
	var word strings.Builder
	quote, open := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, open = r, true
		case quote == 0 && r == ' ':
			if open {
				out = append(out, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if open {
		out = append(out, word.String())
	}
	return out
}

var (
	nanoseconds = regexp.MustCompile(`\b[0-9]{19}\b`)
	position    = regexp.MustCompile(`offset=\d+i,partition=\d+i`)
)

// steady takes out of a text what differs from run to run: times near now, and where in a topic a message stood.
// The lines are sorted, because partitions have no order among them.
func steady(text string) string {
	now := time.Now()
	text = nanoseconds.ReplaceAllStringFunc(text, func(s string) string {
		ns, err := strconv.ParseInt(s, 10, 64)
		if err != nil || now.Sub(time.Unix(0, ns)).Abs() > time.Hour {
			return s
		}
		return "<now>"
	})
	text = position.ReplaceAllString(text, "offset=<n>i,partition=<n>i")
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}
