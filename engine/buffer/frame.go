package buffer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"github.com/klauspost/compress/s2"

	"dataflow/engine"
)

// Range says which records of a source are in a body.
type Range struct {
	Origin      engine.Origin
	First, Last int64  // offsets
	Request     string // id of the request, of sources without offsets
}

// Entry is a body with what is known of its way.
type Entry struct {
	Body         engine.Body
	Origins      []Range
	Read         int64 // when its oldest point was read, ns since 1970; Append sets it where it is 0
	FirstAttempt int64 // when it was sent for the first time, ns since 1970; 0 is never
}

// A frame is the value of one entry:
//
//	| version 1 | flags 1 | head: varints and texts, in the order of appendHead | data ... | CRC32C, 4, little-endian |
//
// The checksum covers the frame and then the key, so that a value in a wrong place is found, too. Every frame
// names its buffer and its lane: what is left can be read when the name table is lost.
const (
	frameVersion = 1
	crcBytes     = 4

	flagS2   = 1 << 0 // data is compressed
	flagLost = 1 << 1 // a mark of points that were lost and are counted: there is no body

	maxPlain  = 64 << 20 // of one body: limits.message x 16
	maxRanges = 1 << 16
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errMalformed = errors.New("malformed frame")
	errChecksum  = errors.New("wrong checksum")
	errVersion   = errors.New("frame of another version")
)

// frame is what a value says.
type frame struct {
	Entry
	buffer string
	lost   bool
	packed bool // as read: the data is compressed
	plain  int  // as read: bytes of the data when it is not
}

// weight is by how much an entry moves the sequence: its points, and 1 for a body without any.
func weight(points int) uint64 { return uint64(max(points, 1)) }

// appendFrame appends a frame without its checksum: the key is not known yet. See sealFrame.
func appendFrame(dst []byte, f *frame) []byte {
	data, flags := f.Body.Data, byte(0)
	if f.lost {
		flags |= flagLost
	} else if compressible(&f.Body) {
		if small := s2.Encode(nil, data); len(small) < len(data)-len(data)/8 {
			data, flags = small, flags|flagS2
		}
	}
	if dst == nil {
		dst = make([]byte, 0, len(data)+256+64*len(f.Origins))
	}
	dst = append(dst, frameVersion, flags)
	dst = appendHead(dst, f)
	dst = binary.AppendUvarint(dst, uint64(len(f.Body.Data)))
	return append(dst, data...)
}

// compressible reports whether compression may pay: a body that says it is compressed, or looks it, stays.
func compressible(b *engine.Body) bool {
	if len(b.Data) < 64 || len(b.Data) > maxPlain || bytes.HasPrefix(b.Data, []byte{0x1f, 0x8b}) {
		return false
	}
	for _, h := range b.Header {
		if h.Key == "Content-Encoding" && len(h.Value) > 0 && string(h.Value) != "identity" {
			return false
		}
	}
	return true
}

func appendHead(dst []byte, f *frame) []byte {
	dst = appendText(dst, f.buffer)
	dst = appendText(dst, f.Body.Lane)
	dst = binary.AppendUvarint(dst, uint64(max(f.Body.Points, 0)))
	dst = binary.AppendUvarint(dst, uint64(max(f.Body.PlainBytes, 0)))
	dst = appendText(dst, f.Body.ContentType)
	dst = appendText(dst, f.Body.ID)
	dst = binary.AppendUvarint(dst, uint64(len(f.Body.Header)))
	for _, h := range f.Body.Header {
		dst = appendText(dst, h.Key)
		dst = appendText(dst, string(h.Value))
	}
	dst = binary.AppendVarint(dst, f.Read)
	dst = binary.AppendVarint(dst, f.FirstAttempt)
	dst = binary.AppendUvarint(dst, uint64(len(f.Origins)))
	for i := range f.Origins {
		r := &f.Origins[i]
		dst = appendText(dst, r.Origin.Node)
		dst = appendText(dst, r.Origin.Topic)
		dst = binary.AppendVarint(dst, int64(r.Origin.Partition))
		dst = binary.AppendVarint(dst, int64(r.Origin.Epoch))
		dst = binary.AppendVarint(dst, r.First)
		dst = binary.AppendVarint(dst, r.Last)
		dst = appendText(dst, r.Request)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// sealFrame appends the checksum; sum is that of the frame alone.
func sealFrame(dst []byte, sum uint32, key []byte) []byte {
	return binary.LittleEndian.AppendUint32(dst, crc32.Update(sum, castagnoli, key))
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// readHead reads all but the data, which it leaves as it stands, in the value's memory.
func readHead(key, value []byte) (frame, error) {
	if len(value) < 2+crcBytes {
		return frame{}, errMalformed
	}
	if !sealed(key, value) {
		return frame{}, errChecksum
	}
	flags := value[1]
	if value[0] != frameVersion || flags&^(flagS2|flagLost) != 0 {
		return frame{}, errVersion
	}
	r := reader{rest: value[2 : len(value)-crcBytes]}
	f := frame{lost: flags&flagLost != 0, packed: flags&flagS2 != 0}
	r.head(&f)
	f.plain = r.count(maxPlain)
	if r.bad {
		return frame{}, errMalformed
	}
	f.Body.Data = r.rest
	return f, nil
}

// readFrame reads the value of a key. Nothing in the result shares the value's memory.
func readFrame(key, value []byte) (frame, error) {
	f, err := readHead(key, value)
	if err != nil {
		return frame{}, err
	}
	if !f.packed {
		if len(f.Body.Data) != f.plain {
			return frame{}, errMalformed
		}
		f.Body.Data = bytes.Clone(f.Body.Data)
		return f, nil
	}
	if n, err := s2.DecodedLen(f.Body.Data); err != nil || n != f.plain {
		return frame{}, errMalformed
	}
	if f.Body.Data, err = s2.Decode(nil, f.Body.Data); err != nil {
		return frame{}, errMalformed
	}
	return f, nil
}

// reader takes parts from the front of a frame. After the first one that is not there it is bad.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) head(f *frame) {
	f.buffer = r.text()
	f.Body.Lane = r.text()
	f.Body.Points = r.count(math.MaxInt32)
	f.Body.PlainBytes = r.count(math.MaxInt32)
	f.Body.ContentType = r.text()
	f.Body.ID = r.text()
	for range r.count(len(r.rest)) {
		if r.bad {
			return
		}
		f.Body.Header = append(f.Body.Header, engine.KV{Key: r.text(), Value: []byte(r.text())})
	}
	f.Read = r.varint()
	f.FirstAttempt = r.varint()
	for range r.count(min(len(r.rest), maxRanges)) {
		if r.bad {
			return
		}
		f.Origins = append(f.Origins, Range{
			Origin: engine.Origin{Node: r.text(), Topic: r.text(), Partition: int32(r.varint()), Epoch: int32(r.varint())},
			First:  r.varint(), Last: r.varint(), Request: r.text(),
		})
	}
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

// count reads a number that is at most limit.
func (r *reader) count(limit int) int {
	n := r.uvarint()
	if n > uint64(limit) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.bad, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
