package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The watermark file stands beside Pebble and says how far each lane was on the disk: a log whose end is lost
// looks to Pebble like one that ends there. Lane n has 64 bytes at 64 n, two slots that are written in turns, so that a
// torn write leaves the other one:
//
//	| next 8 | low 8 | generation 8 | lane 4 | CRC32C of these, 4 |   (little-endian)
//
// It is written after the sync of what it tells of, and not synced itself: it may be behind, never ahead.
const (
	marksName = "watermarks"
	slotBytes = 32
	laneBytes = 2 * slotBytes
	maxLanes  = 1 << 16
)

// mark is how far a lane is: everything below low is done, everything below next was synced.
type mark struct{ next, low uint64 }

// marks is the open watermark file. One goroutine uses it.
type marks struct {
	file        vfs.File
	generations map[uint32]uint64
}

// readMarks returns what the file says, nothing where there is none. Damaged slots are passed over.
func readMarks(fs vfs.FS, name string) (map[uint32]mark, map[uint32]uint64, error) {
	found, generations := map[uint32]mark{}, map[uint32]uint64{}
	data, err := readFile(fs, name, maxLanes*laneBytes)
	if err != nil || data == nil {
		return found, generations, err
	}
	for at := 0; at+slotBytes <= len(data); at += slotBytes {
		lane, m, generation, ok := readSlot(data[at : at+slotBytes])
		if ok && int(lane) == at/laneBytes && generation > generations[lane] {
			found[lane], generations[lane] = m, generation
		}
	}
	return found, generations, nil
}

func appendSlot(dst []byte, lane uint32, m mark, generation uint64) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, m.next)
	dst = binary.LittleEndian.AppendUint64(dst, m.low)
	dst = binary.LittleEndian.AppendUint64(dst, generation)
	dst = binary.LittleEndian.AppendUint32(dst, lane)
	return binary.LittleEndian.AppendUint32(dst, checksum(dst[start:]))
}

func readSlot(slot []byte) (lane uint32, m mark, generation uint64, ok bool) {
	if len(slot) != slotBytes || checksum(slot[:slotBytes-4]) != binary.LittleEndian.Uint32(slot[slotBytes-4:]) {
		return 0, mark{}, 0, false
	}
	m = mark{binary.LittleEndian.Uint64(slot), binary.LittleEndian.Uint64(slot[8:])}
	generation, lane = binary.LittleEndian.Uint64(slot[16:]), binary.LittleEndian.Uint32(slot[24:])
	return lane, m, generation, generation > 0 && m.low <= m.next
}

// openMarks opens the file for writing, and makes its name durable.
func openMarks(fs vfs.FS, dir string, generations map[uint32]uint64) (*marks, error) {
	file, err := fs.OpenReadWrite(fs.PathJoin(dir, marksName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("opening the watermarks: %w", err)
	}
	if err := syncDir(fs, dir); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &marks{file: file, generations: generations}, nil
}

func (m *marks) write(lane uint32, to mark) error {
	generation := m.generations[lane] + 1
	var slot [slotBytes]byte
	at := int64(lane)*laneBytes + int64(generation%2)*slotBytes
	if _, err := m.file.WriteAt(appendSlot(slot[:0], lane, to, generation), at); err != nil {
		return fmt.Errorf("writing a watermark: %w", err)
	}
	m.generations[lane] = generation
	return nil
}

func (m *marks) close() error { return errors.Join(m.file.Sync(), m.file.Close()) }

// readFile returns the content of a file, nil if there is none, at most limit bytes of it.
func readFile(fs vfs.FS, name string, limit int64) ([]byte, error) {
	file, err := fs.Open(name)
	if err != nil {
		if notExist(err) {
			return nil, nil
		}
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit))
	return data, errors.Join(err, file.Close())
}

// writeFile writes a new file and makes it durable, with its name.
func writeFile(fs vfs.FS, dir, name string, data []byte) error {
	file, err := fs.Create(fs.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
