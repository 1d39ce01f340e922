package sources

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"dataflow/engine"
)

const (
	// Of a body so much must come in each slowGrace: 1 KiB a second.
	slowBytes = 5 << 10
	slowGrace = 5 * time.Second
	// maxRatio is how much longer than itself a compressed body may become, beyond what is small anyway.
	maxRatio   = 100
	ratioFloor = 1 << 20
)

func tooLarge(limit engine.Size) *apiError {
	return &apiError{status: http.StatusRequestEntityTooLarge, code: "invalidRequest", message: "the body is larger than " + limit.String(), reason: "too_large"}
}

// readBody returns the body, decompressed. It takes the memory from h.
func (s *httpSource) readBody(w http.ResponseWriter, r *http.Request, q url.Values, h *hold) ([]byte, *apiError) {
	encoding := q.Get("encoding")
	if encoding == "" {
		if len(r.Header["Content-Encoding"]) > 1 {
			return nil, errDecode
		}
		encoding = r.Header.Get("Content-Encoding")
	}
	limit := s.config.MaxBody
	if encoding != "" {
		limit = min(limit, s.config.MaxCompressed)
	}
	data, e := readPlain(w, r, limit, s.graces.body, h)
	if e != nil || encoding == "" {
		return data, e
	}
	most := int64(s.config.MaxBody)
	if byRatio := max(int64(len(data))*maxRatio, ratioFloor); byRatio < most {
		most = byRatio
	}
	plain, err := s.unfold.decompress(encoding, data, int(most), h.grow)
	switch {
	case errors.Is(err, errBomb):
		return nil, tooLarge(engine.Size(most))
	case errors.Is(err, errNoRoom):
		return nil, errPressure
	case err != nil:
		return nil, errDecode
	}
	return plain, nil
}

// readPlain reads what is sent, at most limit bytes, and not for ever: in each grace slowBytes must come.
func readPlain(w http.ResponseWriter, r *http.Request, limit engine.Size, grace time.Duration, h *hold) ([]byte, *apiError) {
	if r.ContentLength > int64(limit) {
		return nil, tooLarge(limit)
	}
	conn := connOf(r.Context())
	conn.work(-1) // while it waits for the client
	defer conn.work(1)
	const first, least = 256 << 10, 4 << 10
	size := least
	if r.ContentLength >= 0 {
		size = int(min(r.ContentLength+1, first)) // what a header promises is not reserved at once
	}
	if !h.grow(size) {
		return nil, errPressure
	}
	data := make([]byte, 0, size)
	control, conn := http.NewResponseController(w), connOf(r.Context())
	next := 0 // there must be more than so many bytes by the deadline
	for {
		if len(data) >= next {
			next = len(data) + slowBytes
			// Connections without deadlines, of tests, are read without.
			_ = control.SetReadDeadline(time.Now().Add(grace))
		}
		if len(data) == cap(data) {
			size := 2 * cap(data)
			if r.ContentLength >= int64(len(data)) {
				size = min(2*size, int(r.ContentLength)+1) // fewer steps leave less garbage
			}
			size = min(size, int(limit)+1)
			if !h.grow(size) {
				return nil, errPressure
			}
			bigger := make([]byte, len(data), size)
			copy(bigger, data)
			data = bigger
		}
		n, err := r.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		conn.took(n)
		switch {
		case len(data) > int(limit):
			return nil, tooLarge(limit)
		case errors.Is(err, io.EOF):
			_ = control.SetReadDeadline(time.Time{})
			return data, nil
		case err != nil:
			return nil, readError(err)
		}
	}
}

func readError(err error) *apiError {
	var timeout net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return errSlowBody
	}
	return &apiError{status: http.StatusBadRequest, code: "HTTPReadError", message: "the body ends early or is malformed", reason: "read"}
}
