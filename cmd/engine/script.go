package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dataflow/dsl/pipeline"
	"dataflow/engine/diag"
	"dataflow/engine/point"
	"dataflow/engine/runtime"
)

func scriptCommand(s streams) *cobra.Command {
	c := &cobra.Command{Use: "script", Short: "Try scripts"}
	c.AddCommand(scriptRunCommand(s))
	return c
}

// scriptFlags are the flags of script run.
type scriptFlags struct {
	text, file, point    string
	category, name, zone string
	json, raw            bool
}

func scriptRunCommand(s streams) *cobra.Command {
	var f scriptFlags
	c := &cobra.Command{
		Use: "run x.p", Short: "Run a Pipeline script on a text, a file of texts or points", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.run(s, args[0], c.Flags().Changed("text")) },
	}
	c.Flags().StringVarP(&f.text, "text", "T", "", "the `text` of the message")
	c.Flags().StringVarP(&f.file, "file", "F", "", "a `file` with a text a line, - is standard input")
	c.Flags().StringVar(&f.point, "point", "", "a `file` with a JSON point a line, - is standard input")
	c.Flags().StringVar(&f.category, "category", "logging", "category of the points")
	c.Flags().StringVar(&f.name, "name", "default", "name of the points")
	c.Flags().StringVar(&f.zone, "timezone", "", "IANA zone of times that name none, by default the machine's")
	c.Flags().BoolVar(&f.json, "json", false, "print a JSON object a line for each input")
	c.Flags().BoolVar(&f.raw, "raw", false, "leave out the status mapping and the time that follow a run")
	return c
}

func (f *scriptFlags) run(s streams, path string, hasText bool) error {
	o := pipeline.Options{Name: filepath.Base(path), Bare: f.raw, Loader: func(name string) (string, error) {
		src, err := os.ReadFile(filepath.Join(filepath.Dir(path), filepath.FromSlash(name)))
		return string(src), err
	}}
	if f.zone != "" {
		zone, err := time.LoadLocation(f.zone)
		if err != nil {
			return &exitError{exitUsage, fmt.Errorf("timezone %q is no IANA zone", f.zone)}
		}
		o.Location = zone
	}
	category, ok := point.CategoryOf(f.category)
	if !ok {
		return &exitError{exitUsage, fmt.Errorf("%q is no category", f.category)}
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return &exitError{exitConfig, err}
	}
	script, err := pipeline.Compile(string(src), o)
	if err != nil {
		return scriptErrors(s, err, path, src)
	}
	runner := script.NewRunner()
	failed := false
	each := func(p *point.Point) error {
		out := runner.Run(p)
		failed = failed || out.Err != nil
		if f.json {
			return printJSON(s.out, p, out)
		}
		return printText(s.out, p, out)
	}
	if err := f.inputs(s, category, hasText, each); err != nil {
		return err
	}
	if failed {
		return &exitError{code: runtime.ExitFailed}
	}
	return nil
}

// scriptErrors prints what is wrong with a script.
func scriptErrors(s streams, err error, path string, src []byte) error {
	var faults pipeline.Errors
	if !errors.As(err, &faults) {
		return &exitError{exitConfig, err}
	}
	var list diag.List
	for _, e := range faults {
		file := path
		if e.File != filepath.Base(path) {
			file = filepath.Join(filepath.Dir(path), e.File)
		}
		list = append(list, diag.Diagnostic{Pos: diag.Pos{File: file, Line: e.Line, Col: e.Col}, Message: e.Msg, Hint: e.Hint})
	}
	return badGraph(s, list, func(file string) []byte {
		if file == path {
			return src
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil
		}
		return text
	})
}

// inputs calls each with the points that the flags name.
func (f *scriptFlags) inputs(s streams, category point.Category, hasText bool, each func(*point.Point) error) error {
	text := func(line string) error {
		p := point.Point{Name: f.name, Category: category, Time: time.Now().UnixNano(), Record: -1}
		p.Set("message", point.String(line))
		if category == point.Logging || category == point.DialTesting {
			p.Set("status", point.String("info"))
		}
		return each(&p)
	}
	given := 0
	for _, x := range []bool{hasText, f.file != "", f.point != ""} {
		if x {
			given++
		}
	}
	if given != 1 {
		return &exitError{exitUsage, errors.New("give exactly one of --text, --file and --point")}
	}
	switch {
	case hasText:
		return text(f.text)
	case f.file != "":
		return eachLine(s, f.file, text)
	}
	return eachLine(s, f.point, func(line string) error {
		if strings.TrimSpace(line) == "" {
			return nil
		}
		p, err := readPoint(line, category, f.name)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		return each(p)
	})
}

func eachLine(s streams, path string, f func(string) error) error {
	in := s.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return &exitError{exitConfig, err}
		}
		defer file.Close()
		in = file
	}
	const longest = 64 << 20
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		if err := f(strings.TrimSuffix(lines.Text(), "\r")); err != nil {
			return err
		}
	}
	return lines.Err()
}

// jsonPoint is a point as script run reads and prints it.
type jsonPoint struct {
	Category string                     `json:"category"`
	Name     string                     `json:"name"`
	Time     int64                      `json:"time"`
	Tags     map[string]string          `json:"tags"`
	Fields   map[string]json.RawMessage `json:"fields"`
}

func readPoint(line string, category point.Category, name string) (*point.Point, error) {
	var in jsonPoint
	if err := json.Unmarshal([]byte(line), &in); err != nil {
		return nil, fmt.Errorf("reading a point: %w", err)
	}
	p := &point.Point{Name: in.Name, Time: in.Time, Category: category, Record: -1}
	if p.Name == "" {
		p.Name = name
	}
	if in.Category != "" {
		c, ok := point.CategoryOf(in.Category)
		if !ok {
			return nil, fmt.Errorf("reading a point: %q is no category", in.Category)
		}
		p.Category = c
	}
	if p.Time == 0 {
		p.Time = time.Now().UnixNano()
	}
	for _, k := range sortedKeys(in.Tags) {
		p.SetTag(k, in.Tags[k])
	}
	for _, k := range sortedKeys(in.Fields) {
		v, err := readValue(in.Fields[k])
		if err != nil {
			return nil, fmt.Errorf("reading a point: field %s: %w", k, err)
		}
		p.Set(k, v)
	}
	return p, nil
}

// printText prints the point as people read it: what the script left, in order.
func printText(w io.Writer, p *point.Point, out pipeline.Outcome) error {
	if out.Dropped {
		_, err := fmt.Fprintln(w, "dropped")
		return err
	}
	line, _ := new(point.LineEncoder).Append(nil, p, nil)
	fmt.Fprintf(w, "%s\n", line)
	for _, f := range p.Fields {
		kind := "field"
		if f.Tag {
			kind = "tag"
		}
		fmt.Fprintf(w, "  %-5s %-24s %-6s %s\n", kind, f.Key, f.Value.Kind(), point.AppendText(nil, f.Value))
	}
	for i := range out.Created {
		line, _ := new(point.LineEncoder).Append(nil, &out.Created[i], nil)
		fmt.Fprintf(w, "created %s\n", line)
	}
	if out.Err != nil {
		fmt.Fprintf(w, "error: %v\n", out.Err)
	}
	return nil
}
