package buffer

import (
	"encoding/binary"
	"hash/crc32"
)

// A key is
//
//	| kind 1 | buffer 4 | lane 4 | sequence 8 |
//
// with big-endian numbers. The sequence counts points: the next key is this one plus the points of its body.
// So the backlog is a subtraction, and a hole can be seen and measured. Names and cursors have sequence 0.
const (
	kindCursor = 'c' // of a lane: everything below is done
	kindData   = 'd' // a frame
	kindName   = 'n' // of a lane: the names of the buffer and of the lane

	keyBytes = 17
)

// laneID is a lane in keys. Lanes are numbered through the store, so that one number finds a watermark, too.
type laneID struct{ buffer, lane uint32 }

func appendKey(dst []byte, kind byte, id laneID, sequence uint64) []byte {
	dst = append(dst, kind)
	dst = binary.BigEndian.AppendUint32(dst, id.buffer)
	dst = binary.BigEndian.AppendUint32(dst, id.lane)
	return binary.BigEndian.AppendUint64(dst, sequence)
}

func readKey(key []byte) (kind byte, id laneID, sequence uint64, ok bool) {
	if len(key) != keyBytes {
		return 0, laneID{}, 0, false
	}
	return key[0], laneID{binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint32(key[5:])}, binary.BigEndian.Uint64(key[9:]), true
}

// appendCursor appends the value of a cursor: the sequence, and a CRC32C of key and sequence.
func appendCursor(dst, key []byte, low uint64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, low)
	return sealFrame(dst, checksum(dst), key)
}

func readCursor(key, value []byte) (low uint64, ok bool) {
	if !sealed(key, value) || len(value) != 8+crcBytes {
		return 0, false
	}
	return binary.BigEndian.Uint64(value), true
}

// appendNames appends the value of a name: the buffer's and the lane's, and a CRC32C of key and names.
func appendNames(dst, key []byte, buffer, lane string) []byte {
	dst = appendText(appendText(dst, buffer), lane)
	return sealFrame(dst, checksum(dst), key)
}

func readNames(key, value []byte) (buffer, lane string, ok bool) {
	if !sealed(key, value) {
		return "", "", false
	}
	r := reader{rest: value[:len(value)-crcBytes]}
	buffer, lane = r.text(), r.text()
	return buffer, lane, !r.bad && len(r.rest) == 0
}

// sealed reports whether the checksum at the end of a value is that of value and key.
func sealed(key, value []byte) bool {
	n := len(value) - crcBytes
	return n >= 0 && crc32.Update(checksum(value[:n]), castagnoli, key) == binary.LittleEndian.Uint32(value[n:])
}
