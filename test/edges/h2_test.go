package edges

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var attack = flag.Duration("attack", time.Second, "how long each attack over HTTP/2 lasts; longer ones also hold the processor time to its bound")

// Frames of HTTP/2, written by hand: a client that keeps the rules cannot attack.
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway, frameWindow, frameContinuation = 0, 1, 3, 4, 6, 7, 8, 9
	flagEndStream, flagAck, flagEndHeaders                                                                     = 1, 1, 4
)

// h2 is a connection of an attacker.
type h2 struct {
	*tls.Conn
	w    *bufio.Writer
	next uint32
}

func dialH2(address string, trust *x509.CertPool, settings ...uint32) (*h2, error) {
	c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trust, NextProtos: []string{"h2"}})
	if err != nil {
		return nil, err
	}
	h := &h2{Conn: c, w: bufio.NewWriterSize(c, 64<<10), next: 1}
	_, _ = h.w.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	var s []byte
	for i := 0; i < len(settings); i += 2 {
		s = binary.BigEndian.AppendUint16(s, uint16(settings[i]))
		s = binary.BigEndian.AppendUint32(s, settings[i+1])
	}
	h.frame(frameSettings, 0, 0, s)
	return h, nil
}

// frame writes a frame; an error shows at Flush.
func (h *h2) frame(kind, flags byte, stream uint32, payload []byte) {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[5:], stream)
	_, _ = h.w.Write(head)
	_, _ = h.w.Write(payload)
}

// header appends a header without an index and without Huffman's code.
func header(b []byte, name, value string) []byte {
	text := func(s string) {
		if len(s) < 127 {
			b = append(b, byte(len(s)))
		} else {
			b = append(b, 127)
			n := len(s) - 127
			for ; n >= 128; n /= 128 {
				b = append(b, byte(n%128+128))
			}
			b = append(b, byte(n))
		}
		b = append(b, s...)
	}
	b = append(b, 0)
	text(name)
	text(value)
	return b
}

func requestHeaders(path string) []byte {
	b := header(nil, ":method", "POST")
	b = header(b, ":scheme", "https")
	b = header(b, ":authority", "x")
	return header(b, ":path", path)
}

// open begins a stream.
func (h *h2) open(path string, flags byte) (stream uint32) {
	stream = h.next
	h.next += 2
	h.frame(frameHeaders, flags|flagEndHeaders, stream, requestHeaders(path))
	return stream
}

// drain reads what comes until the connection ends, so that nothing waits for its reader.
func (h *h2) drain() { _, _ = io.Copy(io.Discard, h.Conn) }

// attacks are what an attacker writes to one connection until it is closed or the time is over. Step returns how many blows it was.
var attacks = []struct {
	name     string
	settings []uint32
	deaf     bool // it does not read
	step     func(h *h2) int
}{
	{name: "rapid reset", step: func(h *h2) int {
		for range 100 {
			h.frame(frameReset, 0, h.open("/v1/write/metric", 0), []byte{0, 0, 0, 8})
		}
		return 100
	}},
	{name: "rapid reset of whole requests", step: func(h *h2) int {
		for range 100 {
			s := h.open("/v1/write/metric", 0)
			h.frame(frameData, flagEndStream, s, []byte("m f=1i"))
			h.frame(frameReset, 0, s, []byte{0, 0, 0, 8})
		}
		return 100
	}},
	{name: "more streams than allowed", step: func(h *h2) int {
		for range 200 {
			h.open("/v1/write/metric", 0)
		}
		return 200
	}},
	{name: "headers that do not end", step: func(h *h2) int {
		h.frame(frameHeaders, 0, h.next, requestHeaders("/v1/write/metric"))
		h.next += 2
		more := header(nil, "x", strings.Repeat("y", 16000))
		for range 1000 {
			h.frame(frameContinuation, 0, h.next-2, more)
			if h.w.Flush() != nil {
				break
			}
		}
		return 1000
	}},
	{name: "empty continuations", step: func(h *h2) int {
		h.frame(frameHeaders, 0, h.next, requestHeaders("/v1/write/metric"))
		h.next += 2
		for range 10_000 {
			h.frame(frameContinuation, 0, h.next-2, nil)
		}
		return 10_000
	}},
	{name: "a window of nothing", settings: []uint32{4, 0}, step: func(h *h2) int {
		body := []byte(strings.Repeat("m f=1i\n", 2000))
		for range 50 {
			h.frame(frameData, flagEndStream, h.open("/v1/write/network?dry=1&echo=json", 0), body)
		}
		return 50
	}},
	{name: "a window that grows by one", settings: []uint32{4, 1}, step: func(h *h2) int {
		s := h.open("/v1/write/network?dry=1&echo=json", 0)
		h.frame(frameData, flagEndStream, s, []byte(strings.Repeat("m f=1i\n", 2000)))
		for range 1000 {
			h.frame(frameWindow, 0, s, []byte{0, 0, 0, 1})
		}
		return 1000
	}},
	{name: "a window that overflows", step: func(h *h2) int {
		h.frame(frameWindow, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff})
		return 1
	}},
	{name: "settings that change and change", step: func(h *h2) int {
		for i := range 1000 {
			h.frame(frameSettings, 0, 0, []byte{0, 4, 0, 0, byte(i), 1})
		}
		return 1000
	}},
	{name: "pings whose answers nobody reads", deaf: true, step: func(h *h2) int {
		for range 1000 {
			h.frame(framePing, 0, 0, make([]byte, 8))
		}
		return 1000
	}},
	{name: "pings", step: func(h *h2) int {
		for range 1000 {
			h.frame(framePing, 0, 0, make([]byte, 8))
		}
		return 1000
	}},
	{name: "empty data", step: func(h *h2) int {
		s := h.open("/v1/write/metric", 0)
		for range 1000 {
			h.frame(frameData, 0, s, nil)
		}
		return 1000
	}},
}

// TestHTTP2Attacks: whatever a client does with the frames of HTTP/2, the engine's goroutines and memory come back to what they were,
// it takes less than one processor, and others are served meanwhile (guarantees E10).
func TestHTTP2Attacks(t *testing.T) {
	dir := t.TempDir()
	cert, key, trust := certificate(t, dir)
	address, admin := freeAddress(t), freeAddress(t)
	p := serve(t, graphOf(fmt.Sprintf("listen: %q, tls: {cert: %q, key: %q}", address, cert, key)), "--admin", admin)
	healthy := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: trust}}}
	defer healthy.CloseIdleConnections()
	post := func() (int, error) {
		resp, err := healthy.Post("https://"+address+"/v1/write/metric", "", strings.NewReader("m f=1i"))
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		if resp.ProtoMajor != 2 {
			err = errors.Join(err, fmt.Errorf("it was asked by %s", resp.Proto))
		}
		return resp.StatusCode, err
	}
	if status, err := post(); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	goroutines := func() float64 {
		n, ok := metric(t, admin, "go_goroutines")
		if !ok {
			t.Fatal("no goroutines are counted")
		}
		return n
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			before := goroutines()
			var spent time.Duration
			if hasProc(t) {
				forgetPeak(t, p.Process.Pid)
				spent = cpu(t, p.Process.Pid)
			}
			const attackers = 1 // each costs what it sends: several together take more
			begin := time.Now()
			end := begin.Add(*attack)
			var blows, dials atomic.Int64
			var wg sync.WaitGroup
			for range attackers {
				wg.Go(func() {
					for time.Now().Before(end) {
						h, err := dialH2(address, trust, a.settings...)
						if err != nil {
							t.Errorf("dialling: %v", err)
							return
						}
						dials.Add(1)
						if !a.deaf {
							wg.Go(h.drain)
						}
						_ = h.SetDeadline(end)
						for time.Now().Before(end) {
							blows.Add(int64(a.step(h)))
							if h.w.Flush() != nil {
								break // it was closed for what it did
							}
						}
						h.Close()
					}
				})
			}
			var took []time.Duration
			pace := time.NewTicker(10 * time.Millisecond) // the time of others' requests is not the attack's
			defer pace.Stop()
			for time.Now().Before(end) {
				<-pace.C
				start := time.Now()
				if status, err := post(); status != 200 || err != nil {
					t.Errorf("another client got %d, %v", status, err)
				}
				took = append(took, time.Since(start))
			}
			wg.Wait()
			wall := time.Since(begin)
			slices.Sort(took)
			figure := fmt.Sprintf("%d blows over %d connections; %d other requests, p99 %v", blows.Load(), dials.Load(), len(took), took[len(took)*99/100].Round(time.Millisecond))
			if hasProc(t) {
				used := (cpu(t, p.Process.Pid) - spent).Seconds() / wall.Seconds()
				peak := status(t, p.Process.Pid, "VmHWM")
				figure += fmt.Sprintf("; %.2f processors, %d MiB resident at most", used, peak>>20)
				if *attack >= 5*time.Second && used >= 1 {
					t.Errorf("it takes %.2f processors", used)
				}
				if peak > 160<<20 {
					t.Errorf("%d MiB are resident", peak>>20)
				}
			}
			t.Log("figure: " + figure)
			// A stream whose answer nobody takes is given up after ten seconds.
			var left float64
			for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); {
				if left = goroutines(); left <= before+3 {
					return
				}
				<-time.After(50 * time.Millisecond)
			}
			t.Errorf("%v goroutines are left of %v before", left, before)
		})
	}
}
