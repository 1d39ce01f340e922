package deadletter

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"strings"
)

// A segment is a file of entries:
//
//	| "edlq" | version 1 | 0 0 0 | mark, 8 bytes | CRC32C of these 16 bytes |   entry   |   entry   | ...
//
//	entry:   | mark, 8 bytes | length, 4 | CRC32C of length and payload, 4 | payload |
//
// Numbers are little-endian. The mark is drawn for each segment. It shows where the next entry begins behind
// a damaged one, and no data that is stored can contain it on purpose. The header is the same in all versions.
const (
	magic         = "edlq"
	formatVersion = 1
	markBytes     = 8
	headerBytes   = 20
	frameBytes    = markBytes + 8
	suffix        = ".dlq"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendHeader(dst []byte, mark uint64) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, formatVersion, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, mark)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// headerOf reports whether a segment begins with an intact header, and that of which version.
func headerOf(data []byte) (version byte, intact bool) {
	if len(data) < headerBytes || string(data[:len(magic)]) != magic ||
		crc32.Checksum(data[:headerBytes-4], castagnoli) != binary.LittleEndian.Uint32(data[headerBytes-4:]) {
		return 0, false
	}
	return data[len(magic)], true
}

// appendFrame appends an entry with an empty mark: the segment that it will stand in is not known yet.
func appendFrame(dst []byte, e *Entry) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, frameBytes)...)
	dst = appendEntry(dst, e)
	frame := dst[start:]
	binary.LittleEndian.PutUint32(frame[markBytes:], uint32(len(frame)-frameBytes))
	binary.LittleEndian.PutUint32(frame[markBytes+4:], checksum(frame))
	return dst
}

// checksum covers the length too: a payload must not pass for a shorter one.
func checksum(frame []byte) uint32 {
	crc := crc32.Update(0, castagnoli, frame[markBytes:markBytes+4])
	return crc32.Update(crc, castagnoli, frame[frameBytes:])
}

// setMarks writes the segment's mark into frames made by appendFrame.
func setMarks(frames []byte, mark uint64) {
	for len(frames) > 0 {
		binary.LittleEndian.PutUint64(frames, mark)
		frames = frames[frameBytes+int(binary.LittleEndian.Uint32(frames[markBytes:])):]
	}
}

// frameAt returns the length of the intact entry at the start of data, 0 if there is none.
func frameAt(data, mark []byte) int {
	if len(data) < frameBytes || !bytes.Equal(data[:markBytes], mark) {
		return 0
	}
	n := frameBytes + int64(binary.LittleEndian.Uint32(data[markBytes:]))
	if n > int64(len(data)) || checksum(data[:n]) != binary.LittleEndian.Uint32(data[markBytes+4:]) {
		return 0
	}
	return int(n)
}

// Damage is what could not be read.
type Damage struct {
	Places int   // runs of damaged bytes
	Bytes  int64 // in them
}

func (d *Damage) add(n int) {
	if n > 0 {
		d.Places++
		d.Bytes += int64(n)
	}
}

// markOf returns the mark of a segment, nil if there is no segment of our version.
func markOf(data []byte) []byte {
	switch version, intact := headerOf(data); {
	case intact && version == formatVersion:
		return data[headerBytes-4-markBytes : headerBytes-4]
	case !intact && len(data) >= headerBytes+frameBytes:
		mark := data[headerBytes : headerBytes+markBytes] // the first entry's tells what the header does not
		if frameAt(data[headerBytes:], mark) > 0 {
			return mark
		}
	}
	return nil
}

// foreign reports whether another version wrote a segment.
func foreign(data []byte) bool {
	version, intact := headerOf(data)
	return intact && version != formatVersion
}

// scan calls f with the payload of each intact entry of a segment, and where the entry begins. It returns the damage
// before the last intact one, and where that ends: what follows is a torn tail, or damage too. End is 0 if there is no
// segment of our version.
func scan(data []byte, f func(at int, payload []byte) error) (end int, d Damage, err error) {
	mark := markOf(data)
	if mark == nil {
		return 0, d, nil
	}
	end = headerBytes
	for at := headerBytes; at < len(data); {
		n := frameAt(data[at:], mark)
		if n == 0 {
			next := bytes.Index(data[at+1:], mark)
			if next < 0 {
				break
			}
			at += 1 + next
			continue
		}
		d.add(at - end)
		if err := f(at, data[at+frameBytes:at+n]); err != nil {
			return end, d, err
		}
		at += n
		end = at
	}
	return end, d, nil
}

func segmentName(number uint64) string { return nameOf(number, suffix) }

func listName(number uint64) string { return nameOf(number, listSuffix) }

func nameOf(number uint64, suffix string) string {
	text := strconv.FormatUint(number, 10)
	return strings.Repeat("0", max(0, 12-len(text))) + text + suffix
}

// numberOf returns the number in a name that nameOf has made with the suffix.
func numberOf(name, suffix string) (number uint64, ok bool) {
	text, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(text, 10, 64)
	return number, err == nil && nameOf(number, suffix) == name
}
