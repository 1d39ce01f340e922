package sources

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
)

// strictListener gives connections that read HTTP/1 strictly.
type strictListener struct{ net.Listener }

// Accept returns the next connection.
func (l strictListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &strictConn{Conn: c}, nil
}

// strictConn follows the requests of an HTTP/1 connection while the server reads them. Where the length of a body can be
// understood in two ways, another program in front of the engine may have understood the other one, and what we take for a request
// of its own came from somebody else: request smuggling. Package net/http puts up with several of these, as it may. Here they
// are answered with 400 and the connection is closed.
type strictConn struct {
	net.Conn
	state   framing
	head    []byte // of the request, as far as it has come; empty in a body
	left    int64  // of a body with a length, or of a chunk with its line end
	refused bool
}

type framing uint8

const (
	inHead framing = iota
	inBody
	inChunkSize
	inChunk
	inTrailer
)

// NetConn returns the connection below.
func (c *strictConn) NetConn() net.Conn { return c.Conn }

// Read reads from the connection. Of a request that is ambiguous it hands on nothing but its end.
func (c *strictConn) Read(b []byte) (int, error) {
	if c.refused {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b)
	if n > 0 && !c.follow(b[:n]) {
		c.refused = true
		// Wherever the server stands, in a line or between two, it refuses this with 400.
		return copy(b, "\x00\r\n\r\n"), nil
	}
	return n, err
}

// follow reports whether what comes is unambiguous.
func (c *strictConn) follow(b []byte) bool {
	for len(b) > 0 {
		switch c.state {
		case inBody, inChunk:
			n := min(int64(len(b)), c.left)
			b, c.left = b[n:], c.left-n
			if c.left > 0 {
				continue
			}
			if c.state == inChunk {
				c.state = inChunkSize
			} else {
				c.state = inHead
			}
		default:
			i := bytes.IndexByte(b, '\n')
			if i < 0 {
				c.head = append(c.head, b...)
				return len(c.head) <= 2*maxHeader
			}
			c.head = append(c.head, b[:i+1]...)
			b = b[i+1:]
			if !c.line() {
				return false
			}
		}
	}
	return true
}

// line looks at what has come when a line is complete.
func (c *strictConn) line() bool {
	switch c.state {
	case inChunkSize:
		size, _, _ := strings.Cut(strings.TrimRight(string(c.head), "\r\n"), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 62)
		if err != nil || !bytes.HasSuffix(c.head, crlf) {
			return false
		}
		c.head = c.head[:0]
		if n == 0 {
			c.state = inTrailer
			return true
		}
		c.state, c.left = inChunk, int64(n)+int64(len(crlf))
		return true
	case inTrailer:
		if bytes.Equal(c.head, crlf) {
			c.state = inHead
		}
		ok := bytes.HasSuffix(c.head, crlf)
		c.head = c.head[:0]
		return ok
	}
	if !bytes.HasSuffix(c.head, crlf) || len(c.head) > 2*maxHeader {
		return false
	}
	if bytes.Equal(c.head, crlf) { // empty lines in front of a request are allowed
		c.head = c.head[:0]
		return true
	}
	if !bytes.HasSuffix(c.head, []byte("\r\n\r\n")) {
		return true
	}
	ok := c.headers()
	const keep = 4 << 10
	if c.head = c.head[:0]; cap(c.head) > keep {
		c.head = nil
	}
	return ok
}

var crlf = []byte("\r\n")

// headers looks at a complete head and finds out how long the body is.
func (c *strictConn) headers() bool {
	c.state = inHead
	length, lengths, chunked := int64(0), 0, 0
	for i, line := range bytes.Split(bytes.TrimSuffix(c.head, []byte("\r\n\r\n")), crlf) {
		if i == 0 {
			continue
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		switch {
		case !ok, len(name) == 0, name[0] == ' ' || name[0] == '\t', bytes.HasSuffix(name, []byte{' '}), bytes.HasSuffix(name, []byte{'\t'}):
			return false // a folded line, or a name that some read with its blank and some without
		case bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, '\n') >= 0:
			return false
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.ParseUint(string(bytes.Trim(value, " \t")), 10, 62)
			if err != nil {
				return false
			}
			length = int64(n)
			lengths++
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			if !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked")) {
				return false
			}
			chunked++
		}
	}
	switch {
	case lengths+chunked > 1:
		return false
	case chunked > 0:
		c.state = inChunkSize
	case length > 0:
		c.state, c.left = inBody, length
	}
	return true
}
