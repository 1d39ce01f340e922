package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"dataflow/engine/deadletter"
	"dataflow/engine/point"
)

func dlqShowCommand(s streams) *cobra.Command {
	var f graphFlags
	c := &cobra.Command{
		Use: "show graph.yaml ID", Short: "Print all that is known of a dead letter", Args: cobra.ExactArgs(2),
		Example: "  engine dlq show graph.yaml 7-1024",
		RunE: func(_ *cobra.Command, args []string) error {
			ids, err := parseIDs(args[1:])
			if err != nil {
				return err
			}
			l, err := (&letterFlags{graphFlags: f}).find(s, args[0])
			if err != nil {
				return err
			}
			found := errors.New("found")
			err = l.read(s, func(e *deadletter.Entry) error {
				if e.ID != ids[0] {
					return nil
				}
				if err := printLetter(s.out, e); err != nil {
					return err
				}
				return found
			})
			switch {
			case errors.Is(err, found):
				return nil
			case err != nil:
				return err
			}
			return l.unknown(ids[0])
		},
	}
	f.add(c)
	return c
}

// printLetter prints an entry for people. Export is for programs.
func printLetter(w io.Writer, e *deadletter.Entry) error {
	var b strings.Builder
	row := func(name, text string) { fmt.Fprintf(&b, "%-9s %s\n", name, text) }
	row("id", e.ID.String())
	row("kind", kindOf(e))
	row("time", instant(e.Time))
	row("node", e.Node)
	row("error", legible(e.Error))
	row("attempts", fmt.Sprint(e.Attempts))
	row("version", e.Version)
	if e.Origin.Node != "" {
		row("origin", originText(e))
	}
	if e.Read != 0 {
		row("read", instant(e.Read))
	}
	for _, h := range e.Headers {
		row("header", plainText(h.Key)+" = "+bytesText(h.Value))
	}
	if e.Key != nil {
		row("key", bytesText(e.Key))
	}
	if e.Value != nil {
		row("value", bytesText(e.Value))
	}
	if e.Kind == deadletter.Point {
		row("category", e.Point.Category.String())
		if e.Point.Extra != nil && e.Point.Extra.StorageIndex != "" {
			row("index", plainText(e.Point.Extra.StorageIndex))
		}
		row("point", pointText(&e.Point))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func originText(e *deadletter.Entry) string {
	return fmt.Sprintf("source %s, topic %s, partition %d, offset %d", e.Origin.Node, plainText(e.Origin.Topic), e.Origin.Partition, e.Offset)
}

// pointText returns a point as line protocol, or as JSON if it has no field that a line can say.
func pointText(p *point.Point) string {
	line := point.AppendLine(nil, p)
	if len(line) == 0 {
		line = appendPoint(nil, p)
	}
	return legible(string(line))
}

// bytesText returns bytes as text where they are that, else in base64.
func bytesText(b []byte) string {
	switch {
	case b == nil:
		return "(none)"
	case len(b) == 0:
		return "(empty)"
	case !utf8.Valid(b):
		return "(base64) " + base64.StdEncoding.EncodeToString(b)
	}
	return legible(string(b))
}

// legible returns a text with its lines below each other. A text that could play with the terminal is quoted.
func legible(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return plainText(s)
	}
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+strings.Repeat(" ", 10))
}
