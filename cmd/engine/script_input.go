package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dataflow/engine/point"
)

// scriptInput says which points a script runs on.
type scriptInput struct {
	text, file, point     string
	category, name, topic string
	hasText               func() bool
	messages              int64 // of the topic that were made so far
}

func (f *scriptInput) add(c *cobra.Command) {
	c.Flags().StringVarP(&f.text, "text", "T", "", "the `text` of the message")
	c.Flags().StringVarP(&f.file, "file", "F", "", "a `file` with a text a line, - is standard input")
	c.Flags().StringVar(&f.point, "point", "", "a `file` with a JSON point a line, - is standard input")
	c.Flags().StringVar(&f.category, "category", "logging", "category of the points, a name or an alias such as M or L")
	c.Flags().StringVar(&f.name, "name", "default", "name of the points")
	c.Flags().StringVar(&f.topic, "topic", "", "make points as of messages of this Kafka `topic`")
	f.hasText = func() bool { return c.Flags().Changed("text") }
}

// each calls f with the points that the flags name.
func (f *scriptInput) each(s streams, each func(*point.Point) error) error {
	category, ok := point.CategoryOf(f.category)
	if !ok {
		return &exitError{exitUsage, fmt.Errorf("%q is no category", f.category)}
	}
	given := 0
	for _, x := range []bool{f.hasText(), f.file != "", f.point != ""} {
		if x {
			given++
		}
	}
	if given != 1 {
		return &exitError{exitUsage, errors.New("give exactly one of --text, --file and --point")}
	}
	text := func(line string) error { return each(f.message(category, line)) }
	switch {
	case f.hasText():
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

// message returns the point that a text becomes: as of a message of a topic, if there is one; a line of line
// protocol where that is what the text is; else with the text as its message.
func (f *scriptInput) message(category point.Category, text string) *point.Point {
	now := time.Now().UnixNano()
	isLog := category == point.Logging || category == point.DialTesting
	if f.topic == "" && !isLog {
		if read, err := point.ParseLines(nil, new(point.Arena), []byte(text), point.ReadOptions{Category: category, Now: now}); err == nil && len(read) > 0 {
			return &read[0]
		}
	}
	p := &point.Point{Name: f.name, Category: category, Time: now, Record: -1}
	if f.topic != "" {
		p.Name = f.topic
		p.SetTag("type", "kafka")
		if category == point.RUM {
			p.SetTag("app_id", f.topic)
		}
		text = strings.ReplaceAll(text, "\n", " ")
	}
	if category == point.Metric { // a metric holds no texts but in its tags
		p.SetTag("message", text)
	} else {
		p.Set("message", point.String(text))
	}
	if f.topic != "" {
		p.Set("message_len", point.Int(int64(len(text))))
		p.Set("offset", point.Int(f.messages))
		p.Set("partition", point.Int(0))
		f.messages++
	}
	if isLog || f.topic != "" && category != point.Metric {
		p.Set("status", point.String("info"))
	}
	return p
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
