package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"dataflow/engine"
	"dataflow/engine/deadletter"
	"dataflow/engine/runtime"
)

func dlqExportCommand(s streams) *cobra.Command {
	var (
		f  letterFlags
		to string
	)
	c := &cobra.Command{
		Use: "export graph.yaml", Short: "Print dead letters, a JSON object a line", Args: cobra.ExactArgs(1),
		Example: "  engine dlq export graph.yaml --node out --to out.jsonl",
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := f.find(s, args[0])
			if err != nil {
				return err
			}
			if to == "" {
				_, err := f.export(s, l, s.out)
				return err
			}
			n, err := f.exportTo(s, l, to)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.err, "exported %s to %s\n", counted(n, "dead letter"), to)
			return nil
		},
	}
	f.add(c)
	f.addSince(c)
	c.Flags().StringVar(&to, "to", "", "write to a new `file` instead of standard output")
	return c
}

func (f *letterFlags) export(s streams, l letters, w io.Writer) (int, error) {
	out := newLineWriter(w)
	n, err := f.each(s, l, func(e *deadletter.Entry) error { return out.json(exported(e)) })
	return n, out.end(err)
}

// exportTo writes to a file that is not there yet: another export is never written over. The file is on the disk when
// exportTo returns, so that the letters may be dropped then.
func (f *letterFlags) exportTo(s streams, l letters, to string) (int, error) {
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, &exitError{exitUsage, fmt.Errorf("--to %s: there is such a file already", to)}
	}
	if err != nil {
		return 0, &exitError{runtime.ExitFailed, err}
	}
	n, err := f.export(s, l, file)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	var exit *exitError
	if err != nil && !errors.As(err, &exit) {
		err = &exitError{runtime.ExitFailed, err}
	}
	return n, err
}

// textOrBase64 is how bytes stand in JSON.
func textOrBase64(b []byte) any {
	if b == nil {
		return nil
	}
	if utf8.Valid(b) {
		return string(b)
	}
	return map[string]string{"base64": base64.StdEncoding.EncodeToString(b)}
}

// exportedLetter is an entry as export writes it.
type exportedLetter struct {
	ID       string           `json:"id"`
	Kind     string           `json:"kind"`
	Time     string           `json:"time"`
	Node     string           `json:"node"`
	Error    string           `json:"error"`
	Attempts int              `json:"attempts"`
	Version  string           `json:"version"`
	Origin   *exportedOrigin  `json:"origin,omitempty"`
	Read     string           `json:"read,omitempty"`
	Headers  []exportedHeader `json:"headers,omitempty"`
	Key      any              `json:"key,omitempty"`
	Value    any              `json:"value,omitempty"`
	Point    json.RawMessage  `json:"point,omitempty"`
	Index    string           `json:"storage_index,omitempty"`
}

type exportedOrigin struct {
	Node      string `json:"node"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Epoch     int32  `json:"epoch"`
	Offset    int64  `json:"offset"`
}

type exportedHeader struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

func exported(e *deadletter.Entry) exportedLetter {
	x := exportedLetter{
		ID: e.ID.String(), Kind: kindOf(e), Time: instant(e.Time), Node: e.Node, Error: e.Error, Attempts: e.Attempts, Version: e.Version,
		Key: textOrBase64(e.Key), Value: textOrBase64(e.Value),
	}
	if e.Origin != (engine.Origin{}) {
		x.Origin = &exportedOrigin{e.Origin.Node, e.Origin.Topic, e.Origin.Partition, e.Origin.Epoch, e.Offset}
	}
	if e.Read != 0 {
		x.Read = instant(e.Read)
	}
	for _, h := range e.Headers {
		x.Headers = append(x.Headers, exportedHeader{h.Key, textOrBase64(h.Value)})
	}
	if e.Kind == deadletter.Point {
		x.Point = appendPoint(nil, &e.Point)
		if e.Point.Extra != nil {
			x.Index = e.Point.Extra.StorageIndex
		}
	}
	return x
}

// lineWriter writes many lines.
type lineWriter struct {
	w   *bufio.Writer
	enc *json.Encoder
}

func newLineWriter(w io.Writer) *lineWriter {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	return &lineWriter{b, enc}
}

func (l *lineWriter) json(v any) error { return l.enc.Encode(v) }

func (l *lineWriter) text(line string) error {
	_, err := l.w.WriteString(line + "\n")
	return err
}

// end writes what is left, unless writing has failed with err.
func (l *lineWriter) end(err error) error {
	if err != nil {
		return err
	}
	return l.w.Flush()
}
