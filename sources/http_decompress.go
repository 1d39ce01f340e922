package sources

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	errBomb     = errors.New("decompresses to too much")
	errNoRoom   = errors.New("no memory for it")
	errEncoding = errors.New("unknown encoding")
)

// piece is what longer content is decompressed in.
const piece = 1 << 20

// decompressor lends out memory, so that bombs in a row do not leave as much garbage each.
type decompressor struct{ pieces sync.Pool } // of *[piece]byte

func (d *decompressor) piece() []byte {
	if p, ok := d.pieces.Get().(*[piece]byte); ok {
		return p[:0]
	}
	return new([piece]byte)[:0]
}

// decompress returns the content of data, at most limit bytes of it. It asks take for the memory before it uses it.
func (d *decompressor) decompress(encoding string, data []byte, limit int, take func(int) bool) ([]byte, error) {
	from, closing, err := decoder(encoding, data)
	if err != nil {
		return nil, err
	}
	defer closing()
	// Up to a piece the buffer doubles. Longer content comes in pieces that are joined at the end: a bomb holds
	// no more than the limit and a piece.
	const typical, least = 4, 1 << 10
	var pieces [][]byte
	defer func() {
		for _, p := range pieces {
			d.pieces.Put((*[piece]byte)(p[:piece]))
		}
	}()
	total := 0
	buffer := make([]byte, 0, min(limit+1, piece, max(least, typical*len(data))))
	if !take(cap(buffer)) {
		return nil, errNoRoom
	}
	for {
		n, err := from.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case total+len(buffer) > limit, errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
			return nil, errBomb
		case errors.Is(err, io.EOF):
			return join(pieces, buffer, total, take)
		case err != nil:
			return nil, err
		case len(buffer) < cap(buffer):
			continue
		}
		if cap(buffer) < piece {
			size := min(2*cap(buffer), piece)
			if !take(size) {
				return nil, errNoRoom
			}
			buffer = append(make([]byte, 0, size), buffer...)
			continue
		}
		if !take(piece) {
			return nil, errNoRoom
		}
		pieces = append(pieces, buffer)
		total += len(buffer)
		buffer = d.piece()
	}
}

// join returns what was decompressed as one.
func join(pieces [][]byte, last []byte, total int, take func(int) bool) ([]byte, error) {
	if len(pieces) == 0 {
		return last, nil
	}
	if !take(total + len(last)) {
		return nil, errNoRoom
	}
	out := make([]byte, 0, total+len(last))
	for _, p := range pieces {
		out = append(out, p...)
	}
	return append(out, last...), nil
}

func decoder(encoding string, data []byte) (from io.Reader, closing func(), err error) {
	in, closing := bytes.NewReader(data), func() {}
	switch encoding {
	case "gzip":
		from, err = gzip.NewReader(in)
	case "deflate":
		if isZlib(data) {
			from, err = zlib.NewReader(in)
		} else {
			from = flate.NewReader(in)
		}
	case "br":
		from = brotli.NewReader(in)
	case "zstd":
		const window = 8 << 20 // what every decoder is asked to support; longer ones only serve to take memory
		var z *zstd.Decoder
		if z, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderLowmem(true)); err == nil {
			from, closing = z, z.Close
		}
	default:
		err = errEncoding
	}
	return from, closing, err
}

// isZlib reports whether data begins with a header of zlib; raw deflate has none.
func isZlib(data []byte) bool {
	return len(data) >= 2 && data[0]&0x0f == 8 && (uint(data[0])<<8|uint(data[1]))%31 == 0
}
