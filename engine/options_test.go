package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "512": 512, "1B": 1, "64MiB": 64 << 20, "1.5KiB": 1536, "10MB": 10_000_000, "2 GiB": 2 << 30, "7kB": 7000, "1TiB": 1 << 40,
	} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
		if again, err := ParseSize(got.String()); err != nil || again != got {
			t.Errorf("%s reads back as %d, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1XiB", "MiB", "1e300GiB", "NaN", "64 Mi B"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"100/s": {Amount: 100}, "6000/m": {Amount: 100}, "3600/h": {Amount: 1}, "0.5/s": {Amount: 0.5},
		"2MB/s": {Amount: 2e6, Bytes: true}, "64KiB / s": {Amount: 65536, Bytes: true},
	} {
		got, err := ParseRate(text)
		if err != nil || math.Abs(got.Amount-want.Amount) > 1e-9 || got.Bytes != want.Bytes {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseRate(got.String()); err != nil || again != got {
			t.Errorf("%s reads back as %+v, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "100", "100/x", "/s", "x/s", "-1/s", "Inf/s", "100/s/s"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// TestSecretNeverShows tries every way by which a value gets into a log, an error or a dump.
func TestSecretNeverShows(t *testing.T) {
	const text = "hunter2-canary"
	type config struct {
		Password Secret
		List     []Secret
		Pointer  *Secret
	}
	s := NewSecret(text)
	c := config{s, []Secret{s}, &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb, s, c)
	}
	fmt.Fprint(&out, s, &s, c.List)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", s, "config", c)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", s, "config", c)
	for _, v := range []any{s, c} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	fmt.Fprint(&out, fmt.Errorf("connecting with %v: %w", s, errors.New("refused")))
	if strings.Contains(out.String(), text) || strings.Contains(out.String(), fmt.Sprintf("%x", text)) {
		t.Errorf("the secret shows:\n%s", out.String())
	}
	if s.Reveal() != text || NewSecret("").String() != "" {
		t.Error("the secret is not kept")
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	if !IsPermanent(fmt.Errorf("x: %w", Permanent(cause))) || IsPermanent(cause) || Permanent(nil) != nil {
		t.Error("permanent errors are not told apart")
	}
	if err := FieldError("sasl.mechanism", cause); !errors.Is(err, cause) || err.Error() != "sasl.mechanism: cause" {
		t.Error(err)
	}
	if err := (&SendError{Class: Refused, Err: cause}); !errors.Is(err, cause) || err.Class.String() != "refused" {
		t.Error(err)
	}
}

type both struct {
	Writer
	Encoder
}

// TestExactlyOne: a component that is neither or both of its kind's interfaces is refused when it is built.
func TestExactlyOne(t *testing.T) {
	for _, c := range []any{struct{}{}, both{}} {
		if check(SinkNode, "x", c) == nil {
			t.Errorf("%T is accepted", c)
		}
	}
	if check(OperatorNode, "x", struct{ Processor }{}) != nil {
		t.Error("a processor is refused")
	}
}

// TestDefaultsAreCopied: a node's options do not leak into another's.
func TestDefaultsAreCopied(t *testing.T) {
	type config struct{ N int }
	typ := fmt.Sprintf("test_copied_%d", len(Components(SinkNode))) // the registry outlives a run of the test
	RegisterSink(Info{Type: typ}, config{N: 1}, func(Env, config) (Sink, error) { return nil, nil })
	c := Lookup(SinkNode, typ)
	c.NewConfig().(*config).N = 2
	if n := c.NewConfig().(*config).N; n != 1 {
		t.Errorf("the default is %d", n)
	}
}
