package sources

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"dataflow/engine"
)

const (
	// A body that comes more slowly than slowRate after slowGrace is cut.
	slowRate  = 1 << 10 // bytes a second
	slowGrace = 5 * time.Second
	// maxRatio is how much longer than itself a compressed body may become, beyond what is small anyway.
	maxRatio   = 100
	ratioFloor = 1 << 20
)

func tooLarge(limit engine.Size) *apiError {
	return &apiError{status: http.StatusRequestEntityTooLarge, code: "invalidRequest", message: "the body is larger than " + limit.String(), reason: "too_large"}
}

// readBody returns the body, decompressed.
func (s *httpSource) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *apiError) {
	encoding := r.URL.Query().Get("encoding")
	if encoding == "" {
		encoding = r.Header.Get("Content-Encoding")
	}
	limit := s.config.MaxBody
	if encoding != "" {
		limit = s.config.MaxCompressed
	}
	data, err := readPlain(w, r, limit)
	if err != nil || encoding == "" {
		return data, err
	}
	most := int64(s.config.MaxBody)
	if byRatio := max(int64(len(data))*maxRatio, ratioFloor); byRatio < most {
		most = byRatio
	}
	plain, bad := decompress(encoding, data, most)
	switch {
	case errors.Is(bad, errBomb):
		return nil, tooLarge(engine.Size(most))
	case bad != nil:
		return nil, errDecode
	}
	return plain, nil
}

// readPlain reads what is sent, at most limit bytes, and not for ever.
func readPlain(w http.ResponseWriter, r *http.Request, limit engine.Size) ([]byte, *apiError) {
	if r.ContentLength > int64(limit) {
		return nil, tooLarge(limit)
	}
	control := http.NewResponseController(w)
	start := time.Now()
	const chunk = 64 << 10
	size := int64(chunk)
	if r.ContentLength >= 0 {
		size = min(r.ContentLength+1, 4*chunk) // what a header promises is not reserved at once
	}
	data := make([]byte, 0, size)
	for {
		if len(data) == cap(data) {
			bigger := make([]byte, len(data), max(2*cap(data), chunk))
			if want := r.ContentLength + 1; want > int64(len(data)) && want <= int64(2*cap(data)) {
				bigger = make([]byte, len(data), want)
			}
			copy(bigger, data)
			data = bigger
		}
		// Connections without deadlines, of tests, are read without.
		_ = control.SetReadDeadline(start.Add(slowGrace + time.Duration(len(data)/slowRate+1)*time.Second))
		n, err := r.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
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
	return &apiError{status: http.StatusBadRequest, code: "HTTPReadError", message: err.Error(), reason: "read"}
}

var errBomb = errors.New("decompresses to too much")

// decompress returns the content of data, at most limit bytes of it.
func decompress(encoding string, data []byte, limit int64) ([]byte, error) {
	in := bytes.NewReader(data)
	var from io.Reader
	switch encoding {
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		from = z
	case "deflate":
		if isZlib(data) {
			z, err := zlib.NewReader(in)
			if err != nil {
				return nil, err
			}
			from = z
		} else {
			from = flate.NewReader(in)
		}
	case "br":
		from = brotli.NewReader(in)
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(max(limit, 8<<20))), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		from = z
	default:
		return nil, errors.New("unknown encoding")
	}
	const typical = 4 // times the size of the data
	var out bytes.Buffer
	out.Grow(int(min(limit, int64(len(data))*typical+bytes.MinRead)))
	n, err := out.ReadFrom(io.LimitReader(from, limit+1))
	if n > limit {
		return nil, errBomb
	}
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, errBomb
	}
	return out.Bytes(), err
}

// isZlib reports whether data begins with a header of zlib; raw deflate has none.
func isZlib(data []byte) bool {
	return len(data) >= 2 && data[0]&0x0f == 8 && (uint(data[0])<<8|uint(data[1]))%31 == 0
}
