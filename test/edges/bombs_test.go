package edges

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const (
	bombSize  = 10_000_000_000
	bombPiece = 1 << 20
)

// flusher is what compresses in pieces that end at a whole byte.
type flusher interface {
	io.Writer
	Flush() error
}

// bombOf returns a stream that unfolds to bombSize zeros. Zeros behind zeros are always the same bytes, so that the second piece is repeated.
func bombOf(out *bytes.Buffer, w flusher) ([]byte, error) {
	zeros := make([]byte, bombPiece)
	var ends []int
	for range 3 {
		if _, err := w.Write(zeros); err != nil {
			return nil, err
		}
		if err := w.Flush(); err != nil {
			return nil, err
		}
		ends = append(ends, out.Len())
	}
	first, again := out.Bytes()[:ends[1]], out.Bytes()[ends[1]:ends[2]]
	return append(bytes.Clone(first), bytes.Repeat(again, bombSize/bombPiece-2)...), nil
}

// bombs are bodies of ten gigabytes by encoding.
func bombs(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for name, open := range map[string]func(io.Writer) (flusher, error){
		"gzip":         func(w io.Writer) (flusher, error) { return gzip.NewWriterLevel(w, gzip.BestCompression) },
		"deflate":      func(w io.Writer) (flusher, error) { return flate.NewWriter(w, flate.BestCompression) },
		"deflate zlib": func(w io.Writer) (flusher, error) { return zlib.NewWriterLevel(w, zlib.BestCompression) },
		"br":           func(w io.Writer) (flusher, error) { return brotli.NewWriterLevel(w, 5), nil },
		"zstd":         func(w io.Writer) (flusher, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) },
		"zstd with a huge window": func(w io.Writer) (flusher, error) {
			return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstd.MaxWindowSize))
		},
	} {
		var b bytes.Buffer
		w, err := open(&b)
		if err != nil {
			t.Fatal(err)
		}
		if out[name], err = bombOf(&b, w); err != nil {
			t.Fatal(name, err)
		}
	}
	return out
}

// unfolds reports whether the first pieces of a bomb are what they are taken for.
func unfolds(name string, bomb []byte) error {
	var r io.Reader
	var err error
	switch in := bytes.NewReader(bomb); strings.Fields(name)[0] {
	case "gzip":
		r, err = gzip.NewReader(in)
	case "br":
		r = brotli.NewReader(in)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(in, zstd.WithDecoderMaxWindow(zstd.MaxWindowSize)); err == nil {
			defer z.Close()
			r = z
		}
	default:
		if r = flate.NewReader(in); strings.HasSuffix(name, "zlib") {
			r, err = zlib.NewReader(in)
		}
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, r, 300*bombPiece)
	}
	return err
}

// TestBombs: bodies that unfold to ten gigabytes are 413 and cost less than 80 MiB of resident memory (guarantees E5); several of them
// in a row stay within what the graph may use.
func TestBombs(t *testing.T) {
	all := bombs(t)
	for name, bomb := range all {
		t.Run(name, func(t *testing.T) {
			if err := unfolds(name, bomb); err != nil {
				t.Fatalf("it is no bomb: %v", err)
			}
			address := freeAddress(t)
			p := serve(t, graphOf(fmt.Sprintf("listen: %q", address))) // one for each: what was garbage before does not count
			if got := send(t, address, "", []byte("m f=1i")); got != 200 {
				t.Fatal(got)
			}
			var before int64
			if hasProc(t) {
				before = status(t, p.Process.Pid, "VmRSS")
				forgetPeak(t, p.Process.Pid)
			}
			for i := range 3 {
				start := time.Now()
				got := send(t, address, strings.Fields(name)[0], bomb)
				took := time.Since(start)
				if got != http.StatusRequestEntityTooLarge {
					t.Errorf("%d bytes: %d", len(bomb), got)
				}
				if !hasProc(t) {
					continue
				}
				more := status(t, p.Process.Pid, "VmHWM") - before
				t.Logf("figure: %d bytes: %d after %v, %d MiB more were resident", len(bomb), got, took.Round(time.Millisecond), more>>20)
				// What later ones leave for the collector is held by limits.memory of the graph.
				if i == 0 && more > 80<<20 || before+more > 150<<20 {
					t.Errorf("%d MiB more are resident", more>>20)
				}
			}
			if got := send(t, address, "", []byte("m f=1i")); got != 200 {
				t.Errorf("afterwards: %d", got)
			}
		})
	}
	// One inside of the other is not unfolded: what is inside is no line.
	address := freeAddress(t)
	serve(t, graphOf(fmt.Sprintf("listen: %q", address)))
	var nested bytes.Buffer
	w := gzip.NewWriter(&nested)
	_, _ = w.Write(all["gzip"])
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, encoding := range []string{"gzip", "gzip, gzip", "gzip,deflate"} {
		if got := send(t, address, encoding, nested.Bytes()); got != 400 && got != 413 {
			t.Errorf("nested, as %s: %d", encoding, got)
		}
	}
}

// send writes a body with a Content-Encoding and returns the status.
func send(t *testing.T, address, encoding string, body []byte) int {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+address+"/v1/write/metric", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
