package engine

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// OptionNode is an option's value as it stands in the graph file.
type OptionNode interface {
	// Scalar returns the text of a scalar.
	Scalar() (string, bool)
	// Map returns the keys of a mapping, in order, and their values.
	Map() ([]string, []OptionNode, bool)
	// List returns the elements of a sequence.
	List() ([]OptionNode, bool)
	// Errorf returns an error at the node's position.
	Errorf(format string, a ...any) error
}

// OptionUnmarshaler is implemented by option types that decode themselves.
type OptionUnmarshaler interface{ UnmarshalOption(OptionNode) error }

// File is an option that names a file, relative to the graph. It is read when the graph is loaded; its bytes
// are part of the node's hash.
type File struct {
	Path string
	Data []byte
}

// Steps is an option that holds operators run one after the other. What it holds is between dsl/graph, which
// decodes it, and the runtime, which builds it.
type Steps struct{ Specs []any }

// Secret is a text that never shows in logs, errors or dumps.
type Secret struct{ text string }

// NewSecret returns a secret of the given text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text.
func (s Secret) Reveal() string { return s.text }

const redacted = "[redacted]"

// String returns a placeholder, "" for an empty secret.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return redacted
}

// Format prints the placeholder whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// GoString returns the placeholder.
func (s Secret) GoString() string { return s.String() }

// LogValue returns the placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON returns the placeholder.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalText returns the placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalOption reads the text from a scalar.
func (s *Secret) UnmarshalOption(n OptionNode) error {
	text, ok := n.Scalar()
	if !ok {
		return n.Errorf("must be a text")
	}
	s.text = text
	return nil
}

// Size is a number of bytes, written with a unit: 64MiB, 10MB, 512.
type Size int64

var sizeUnits = []struct {
	unit string
	mult float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseSize reads a size.
func ParseSize(s string) (Size, error) {
	mult, num := 1.0, s
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(s, u.unit); ok {
			mult, num = u.mult, strings.TrimSpace(n)
			break
		}
	}
	f, err := strconv.ParseFloat(num, 64)
	if err != nil || f < 0 || f*mult > math.MaxInt64 || math.IsNaN(f) {
		return 0, fmt.Errorf("%q is no size: write a number with a unit, as in 64MiB", s)
	}
	return Size(f * mult), nil
}

// String returns the size with the largest unit that divides it.
func (z Size) String() string {
	for i := 3; i >= 0; i-- {
		if m := int64(sizeUnits[i].mult); int64(z) >= m && int64(z)%m == 0 {
			return strconv.FormatInt(int64(z)/m, 10) + sizeUnits[i].unit
		}
	}
	return strconv.FormatInt(int64(z), 10) + "B"
}

// MarshalText returns [Size.String].
func (z Size) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// UnmarshalOption reads the size from a scalar.
func (z *Size) UnmarshalOption(n OptionNode) error {
	text, _ := n.Scalar()
	v, err := ParseSize(text)
	if err != nil {
		return n.Errorf("%v", err)
	}
	*z = v
	return nil
}

// Rate is an amount of points or bytes in a time, written 100/s, 6000/m or 2MB/s.
type Rate struct {
	Amount float64 // per second
	Bytes  bool
}

// ParseRate reads a rate.
func ParseRate(s string) (Rate, error) {
	amount, per, ok := strings.Cut(s, "/")
	unit, known := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[strings.TrimSpace(per)]
	if ok && known {
		amount = strings.TrimSpace(amount)
		if f, err := strconv.ParseFloat(amount, 64); err == nil && f >= 0 && !math.IsInf(f, 0) {
			return Rate{Amount: f / unit.Seconds()}, nil
		}
		if z, err := ParseSize(amount); err == nil {
			return Rate{Amount: float64(z) / unit.Seconds(), Bytes: true}, nil
		}
	}
	return Rate{}, fmt.Errorf("%q is no rate: write an amount and a time, as in 100/s or 2MB/s", s)
}

// String returns the rate per second.
func (r Rate) String() string {
	if r.Bytes {
		return Size(r.Amount).String() + "/s"
	}
	return strconv.FormatFloat(r.Amount, 'g', -1, 64) + "/s"
}

// MarshalText returns [Rate.String].
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalOption reads the rate from a scalar.
func (r *Rate) UnmarshalOption(n OptionNode) error {
	text, _ := n.Scalar()
	v, err := ParseRate(text)
	if err != nil {
		return n.Errorf("%v", err)
	}
	*r = v
	return nil
}
