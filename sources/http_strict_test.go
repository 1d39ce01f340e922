package sources

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestHTTPSmuggling sends requests whose end can be understood in two ways (guarantees E8): 400, and the connection is closed.
func TestHTTPSmuggling(t *testing.T) {
	t.Parallel()
	plain := serveHTTP(t, nil, nil)
	over, _, _, trust := secured(t, nil, nil)
	dials := map[string]func() (net.Conn, error){
		"plain": func() (net.Conn, error) { return net.Dial("tcp", plain.addr) },
		"TLS": func() (net.Conn, error) {
			return tls.Dial("tcp", over.addr, &tls.Config{RootCAs: trust, NextProtos: []string{"http/1.1"}})
		},
	}
	const line = "POST /v1/write/metric HTTP/1.1\r\nHost: x\r\n"
	for _, x := range []struct{ name, text string }{
		{"length and chunked", line + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"},
		{"chunked and length", line + "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG"},
		{"two lengths", line + "Content-Length: 6\r\nContent-Length: 7\r\n\r\nm f=1i\n"},
		{"the same length twice", line + "Content-Length: 6\r\nContent-Length: 6\r\n\r\nm f=1i"},
		{"a list of lengths", line + "Content-Length: 6, 6\r\n\r\nm f=1i"},
		{"a signed length", line + "Content-Length: +6\r\n\r\nm f=1i"},
		{"a length in hexadecimal", line + "Content-Length: 0x6\r\n\r\nm f=1i"},
		{"a huge length", line + "Content-Length: 99999999999999999999\r\n\r\nm f=1i"},
		{"chunked twice", line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"chunked in a list", line + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"},
		{"another coding", line + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		{"a blank behind a name", line + "Content-Length : 6\r\n\r\nm f=1i"},
		{"a tab behind a name", line + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"},
		{"a folded line", line + "X-A: b\r\n Content-Length: 6\r\n\r\nm f=1i"},
		{"a folded line with a tab", line + "Content-Length:\r\n\t6\r\n\r\nm f=1i"},
		{"bare line feeds", "POST /v1/write/metric HTTP/1.1\nHost: x\nContent-Length: 6\n\nm f=1i"},
		{"one bare line feed", line + "X-A: b\nContent-Length: 6\r\n\r\nm f=1i"},
		{"a bare line feed at the end", line + "Content-Length: 6\r\n\nm f=1i"},
		{"a bare carriage return", line + "X-A: b\rContent-Length: 6\r\n\r\nm f=1i"},
		{"a header without a colon", line + "Content-Length\r\n\r\n"},
		{"bare line feeds in chunks", line + "Transfer-Encoding: chunked\r\n\r\n6\nm f=1i\n0\n\n"},
		{"a chunk size with a sign", line + "Transfer-Encoding: chunked\r\n\r\n+6\r\nm f=1i\r\n0\r\n\r\n"},
	} {
		for over, dial := range dials {
			for _, pieces := range []bool{false, true} {
				if got := sendRaw(t, dial, x.text, pieces); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
					t.Errorf("%s over %s, in pieces %v: %q", x.name, over, pieces, got)
				}
			}
		}
	}
}

// sendRaw sends a text, at once or byte by byte, and returns what comes until the other side closes.
func sendRaw(t *testing.T, dial func() (net.Conn, error), text string, pieces bool) string {
	t.Helper()
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	size := len(text)
	if pieces {
		size = 7
	}
	for i := 0; i < len(text); i += size {
		if _, err := io.WriteString(c, text[i:min(len(text), i+size)]); err != nil {
			break // it has closed already
		}
	}
	got, err := io.ReadAll(c)
	if len(got) == 0 {
		t.Errorf("%q: %v", text, err)
	}
	return string(got)
}

// TestHTTPKeepsAlive: what is unambiguous comes through, one request after the other, however it is cut into pieces.
func TestHTTPKeepsAlive(t *testing.T) {
	t.Parallel()
	x := serveHTTP(t, nil, nil)
	c, err := net.Dial("tcp", x.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const line = "POST /v1/write/metric HTTP/1.1\r\nHost: x\r\n"
	const odd = "m f=\"Content-Length: 1\n\nTransfer-Encoding: x\n\",g=1" // a body may say what it likes
	requests := []string{
		line + "Content-Length: 6\r\n\r\nm f=1i",
		"\r\n" + line + "content-length:6 \r\n\r\nm f=1i",
		line + "Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\nm f\r\n3\r\n=1i\r\n0\r\nX-Trailer: t\r\n\r\n",
		"GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n",
		line + "Content-Length: " + strconv.Itoa(len(odd)) + "\r\n\r\n" + odd,
		line + "Content-Length: 6\r\n\r\nm f=1i",
	}
	go func() {
		all := strings.Join(requests, "")
		for len(all) > 0 {
			n := min(len(all), 11)
			if _, err := io.WriteString(c, all[:n]); err != nil {
				return
			}
			all = all[n:]
		}
	}()
	in := bufio.NewReader(c)
	for i := range requests {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if resp.StatusCode != 200 {
			t.Errorf("request %d: %s", i, resp.Status)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// FuzzHTTPStrict: however a stream is cut, the same is found in it, and whatever is refused stays refused.
func FuzzHTTPStrict(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n"), uint8(3))
	f.Add([]byte("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"), uint8(1))
	f.Add([]byte("POST / HTTP/1.1\nX: y\r\n\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		var whole, parts strictConn
		a, b := whole.follow(data), true
		size := int(cut)%17 + 1
		for i := 0; i < len(data) && b; i += size {
			b = parts.follow(data[i:min(len(data), i+size)])
		}
		if a != b {
			t.Fatalf("%v at once, %v in pieces", a, b)
		}
		if a && (whole.state != parts.state || whole.left != parts.left || whole.left < 0) {
			t.Fatalf("%+v at once, %+v in pieces", whole, parts)
		}
	})
}

// TestHTTPOptionsOfAll: OPTIONS * is answered like any other path.
func TestHTTPOptionsOfAll(t *testing.T) {
	t.Parallel()
	x := serveHTTP(t, nil, nil)
	got := sendRaw(t, func() (net.Conn, error) { return net.Dial("tcp", x.addr) }, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false)
	if !strings.HasPrefix(got, "HTTP/1.1 204 ") || !strings.Contains(got, "Access-Control-Allow-Origin: *") {
		t.Errorf("answered %q", got)
	}
}
