package deadletter

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"path"
	"slices"

	"dataflow/engine"
)

// Which entries of a segment were dropped says a list beside it, until all of them were and the segment is removed:
//
//	| "edrp" | version 1 | 0 0 0 | mark of the segment, 8 bytes | count, 4 | offset, 8 bytes | ... | CRC32C of all before |
//
// Numbers are little-endian. The offsets are those where the entries begin, ascending. The mark ties the list to its
// segment: a list that was left behind says nothing about a later segment of the same number.
const (
	listMagic   = "edrp"
	listVersion = 1
	listHeader  = 20
	listSuffix  = ".dropped"
	// unfinished is behind the name of a list that is being written.
	unfinished = ".tmp"
)

var errList = errors.New("malformed list of dropped entries")

func appendList(dst, mark []byte, offsets []int64) []byte {
	start := len(dst)
	dst = append(dst, listMagic...)
	dst = append(dst, listVersion, 0, 0, 0)
	dst = append(dst, mark...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(offsets)))
	for _, at := range offsets {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// readList reads what appendList has written. The mark shares the memory of data.
func readList(data []byte) (mark []byte, offsets []int64, err error) {
	if len(data) < listHeader+4 || string(data[:len(listMagic)]) != listMagic || data[len(listMagic)] != listVersion {
		return nil, nil, errList
	}
	rest, sum := data[:len(data)-4], binary.LittleEndian.Uint32(data[len(data)-4:])
	n := int64(binary.LittleEndian.Uint32(rest[listHeader-4:]))
	if crc32.Checksum(rest, castagnoli) != sum || int64(len(rest)) != listHeader+8*n {
		return nil, nil, errList
	}
	offsets = make([]int64, 0, n)
	for at := listHeader; at < len(rest); at += 8 {
		offset := int64(binary.LittleEndian.Uint64(rest[at:]))
		if offset < 0 || len(offsets) > 0 && offset <= offsets[len(offsets)-1] {
			return nil, nil, errList
		}
		offsets = append(offsets, offset)
	}
	return rest[listHeader-4-markBytes : listHeader-4], offsets, nil
}

// content is what stands in a segment, and what of it was dropped.
type content struct {
	data    []byte
	dropped []int64 // where these entries begin, ascending
	// unlisted is the size of a list that cannot be read. The entries on it come again: better twice than never.
	unlisted int
}

// load reads a segment and its list. The list comes first: Drop removes it after its segment.
func load(fsys engine.FS, dir string, number uint64) (content, error) {
	var c content
	list, err := readFile(fsys, path.Join(dir, listName(number)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	listed := err == nil
	if c.data, err = readFile(fsys, path.Join(dir, segmentName(number))); err != nil || !listed {
		return c, err
	}
	mark, offsets, err := readList(list)
	switch {
	case err != nil:
		c.unlisted = len(list)
	case string(mark) == string(markOf(c.data)):
		c.dropped = offsets
	}
	return c, nil
}

// each is scan without the entries that were dropped.
func (c *content) each(f func(at int, payload []byte) error) (end int, d Damage, err error) {
	return scan(c.data, func(at int, payload []byte) error {
		if _, dropped := slices.BinarySearch(c.dropped, int64(at)); dropped {
			return nil
		}
		return f(at, payload)
	})
}
