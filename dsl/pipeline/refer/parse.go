package refer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"dataflow/engine/point"
)

// What tables may be at most. A cell takes 24 bytes and its text.
const (
	MaxText    = 64 << 20 // bytes of the JSON
	MaxCells   = 4 << 20  // of all tables together
	MaxColumns = 1024     // of a table
)

// document is a table as it is written.
type document struct {
	Name    string          `json:"table_name"`
	Columns []string        `json:"column_name"`
	Types   []string        `json:"column_type"`
	Rows    json.RawMessage `json:"row_data"`
}

// Parse reads tables: a JSON list of objects with table_name, column_name (a list of names), column_type (as many of
// string, int, float and bool) and row_data (a list of rows, each a list of as many cells). Other keys are skipped. Of several
// tables of one name the last counts.
//
// A cell becomes a value of its column's type if nothing is lost by that: to a string, a number as it is written and a
// bool as true or false; to an int, a number or the text of one without a fraction; to a float, a number or the text of one; to a
// bool, the texts true and false. null stays nil, which equals nil only. Everything else is an error that names table, row and
// column. The tables share no memory with text.
func Parse(text []byte) (map[string]*Table, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("reading reference tables: %d bytes are more than the limit of %d", len(text), MaxText)
	}
	tables := map[string]*Table{}
	if err := readTables(bytes.TrimPrefix(text, []byte("\ufeff")), tables); err != nil {
		return nil, fmt.Errorf("reading reference tables: %w", err)
	}
	return tables, nil
}

func readTables(text []byte, tables map[string]*Table) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	open, err := dec.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('[') {
		return errors.New("the text is no list")
	}
	room := MaxCells
	for n := 1; dec.More(); n++ {
		var d document
		if err := dec.Decode(&d); err != nil {
			return fmt.Errorf("table %d: %w", n, err)
		}
		if d.Name == "" {
			return fmt.Errorf("table %d has no table_name", n)
		}
		t, err := d.table(&room)
		if err != nil {
			return fmt.Errorf("table %q: %w", d.Name, err)
		}
		tables[d.Name] = t
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the list")
	}
	return nil
}

func (d *document) table(room *int) (*Table, error) {
	if len(d.Columns) == 0 {
		return nil, errors.New("column_name is missing or empty")
	}
	if len(d.Columns) != len(d.Types) {
		return nil, fmt.Errorf("column_name has %d entries, column_type has %d", len(d.Columns), len(d.Types))
	}
	if len(d.Columns) > MaxColumns {
		return nil, fmt.Errorf("%d columns are more than the limit of %d", len(d.Columns), MaxColumns)
	}
	kinds := make([]point.Kind, len(d.Types))
	for i, name := range d.Columns {
		if slices.Contains(d.Columns[:i], name) {
			return nil, fmt.Errorf("there are two columns %q", name)
		}
		switch d.Types[i] {
		case "string":
			kinds[i] = point.KindString
		case "int":
			kinds[i] = point.KindInt
		case "float":
			kinds[i] = point.KindFloat
		case "bool":
			kinds[i] = point.KindBool
		default:
			return nil, fmt.Errorf("column %q: there is no type %q, only string, int, float and bool", name, d.Types[i])
		}
	}
	t := &Table{columns: d.Columns}
	return t, d.read(t, kinds, room)
}

// read reads the rows cell by cell, so that no tree of them is made.
func (d *document) read(t *Table, kinds []point.Kind, room *int) error {
	if len(d.Rows) == 0 || string(d.Rows) == "null" {
		return nil
	}
	if d.Rows[0] != '[' {
		return errors.New("row_data is no list")
	}
	dec := json.NewDecoder(bytes.NewReader(d.Rows))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		t.rows++
		open, err := dec.Token()
		if err != nil {
			return err
		}
		if open != json.Delim('[') {
			return fmt.Errorf("row %d is no list", t.rows)
		}
		for n := 0; ; n++ {
			token, err := dec.Token()
			if err != nil && err != io.EOF {
				return err
			}
			if token == json.Delim(']') || err == io.EOF {
				if n < len(kinds) {
					return fmt.Errorf("row %d has %d cells for %d columns", t.rows, n, len(kinds))
				}
				break
			}
			if n == len(kinds) {
				return fmt.Errorf("row %d has more cells than the %d columns", t.rows, n)
			}
			if *room--; *room < 0 {
				return fmt.Errorf("row %d: the tables have more than %d cells", t.rows, MaxCells)
			}
			v, ok := convert(token, kinds[n])
			if !ok {
				return fmt.Errorf("row %d: column %q: the type %v cannot hold %s", t.rows, d.Columns[n], kinds[n], show(token))
			}
			t.cells = append(t.cells, v)
		}
	}
	t.cells = slices.Clip(t.cells)
	return nil
}

// convert makes a cell.
func convert(token json.Token, kind point.Kind) (v point.Value, ok bool) {
	if token == nil {
		return point.Nil(), true
	}
	if _, isDelim := token.(json.Delim); isDelim {
		return point.Nil(), false
	}
	b, isBool := token.(bool)
	text, isText := token.(string)
	if number, isNumber := token.(json.Number); isNumber {
		text = number.String()
	}
	switch kind {
	case point.KindString:
		if isBool {
			text = strconv.FormatBool(b)
		}
		return point.String(text), true
	case point.KindBool:
		if isText && (text == "true" || text == "false") {
			return point.Bool(text == "true"), true
		}
		return point.Bool(b), isBool
	case point.KindInt:
		n, ok := wholeNumber(strings.TrimSpace(text))
		return point.Int(n), ok && !isBool
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return point.Float(f), err == nil && !isBool && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// wholeNumber reads an int, also one that is written as 5.0 or 1e3.
func wholeNumber(text string) (n int64, ok bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	const exact = 1 << 53 // beyond it a float skips ints
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return 0, false
	}
	return int64(f), true
}

const shownBytes = 40 // of a bad cell

func show(token json.Token) string {
	switch x := token.(type) {
	case json.Delim:
		return "a list or object"
	case string:
		if len(x) > shownBytes {
			x = strings.ToValidUTF8(x[:shownBytes], "") + "..."
		}
		return strconv.Quote(x)
	}
	return fmt.Sprint(token)
}
