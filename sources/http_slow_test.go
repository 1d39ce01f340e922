package sources

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestHTTPSlowClients: connections that do nothing, or too little, are closed within the documented times (guarantees E7).
func TestHTTPSlowClients(t *testing.T) {
	if headerTimeout != 5*time.Second || slowGrace != 5*time.Second || slowBytes != 5<<10 || writeTimeout != 10*time.Second {
		t.Error("the times are not those of the guarantee")
	}
	const grace = 500 * time.Millisecond
	x := serveHTTP(t, nil, nil, func(s *httpSource) { s.graces = graces{header: grace, body: grace, answer: grace} })
	const line = "POST /v1/write/metric HTTP/1.1\r\nHost: x\r\n"
	long := strings.Repeat("m f=1i\n", 1<<15)
	for _, c := range []struct {
		name, text string
		want       string
	}{
		{"a header that does not come", line, ""},
		{"nothing at all", "", ""},
		{"a body that does not come", line + "Content-Length: 1000\r\n\r\nm f", "408"},
		{"a body that stops after a fast beginning", line + "Content-Length: 60000000\r\n\r\n" + long, "408"},
		{"chunks that stop", line + "Transfer-Encoding: chunked\r\n\r\n3\r\nm f\r\n", "408"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", x.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.text); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_ = conn.SetReadDeadline(start.Add(30 * time.Second))
			answer, _ := io.ReadAll(conn)
			if took := time.Since(start); took > grace+5*time.Second || !strings.Contains(string(answer), c.want) {
				t.Errorf("after %v: %q", took, answer)
			}
		})
	}
	t.Run("an answer that is not read", func(t *testing.T) {
		t.Parallel()
		conn, err := net.Dial("tcp", x.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		body := strings.Repeat("m f=1i,g=\"x\" 1700000000000000000\n", 90_000)
		r, err := http.NewRequest(http.MethodPost, "http://x/v1/write/network?dry=1&echo=json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriter(conn)
		if err := r.Write(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		// The source gives the memory back when the client's time is over; nobody reads.
		look, late, begun := time.NewTicker(10*time.Millisecond), time.After(20*time.Second), false
		defer look.Stop()
		for {
			select {
			case <-look.C:
				busy := x.counts.get("http_requests//v1/write 200") == 0
				if begun = begun || busy; begun && !busy {
					return
				}
			case <-late:
				t.Fatal("it still waits for its client")
			}
		}
	})
}
