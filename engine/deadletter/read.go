package deadletter

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"dataflow/engine"
)

// segment is a file of the store.
type segment struct {
	number uint64
	size   int64
	list   int64 // size of the list of its dropped entries
}

// list returns the segments in dir, oldest first; none if dir does not exist.
func list(fsys engine.FS, dir string) ([]segment, error) {
	files, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", err)
	}
	var out []segment
	lists := map[uint64]int64{}
	for _, file := range files {
		number, isSegment := numberOf(file.Name(), suffix)
		listed, isList := numberOf(file.Name(), listSuffix)
		if !isSegment && !isList {
			continue
		}
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing dead letters: %w", err)
		}
		if isList {
			lists[listed] = info.Size()
		} else {
			out = append(out, segment{number: number, size: info.Size()})
		}
	}
	for i := range out {
		out[i].list = lists[out[i].number]
	}
	slices.SortFunc(out, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	return out, nil
}

// Read calls f with every entry in dir that was not dropped, oldest first, also while a store writes there. An entry is
// good until f returns. Damaged places are left out and counted; bytes that end the last segment are no damage but what
// was being written. An error of f ends the reading and is returned.
func Read(fsys engine.FS, dir string, f func(Entry) error) (Damage, error) {
	var total Damage
	segments, err := list(fsys, dir)
	if err != nil {
		return total, err
	}
	for i, s := range segments {
		c, err := load(fsys, dir, s.number)
		if errors.Is(err, fs.ErrNotExist) {
			continue // dropped meanwhile
		}
		if err != nil {
			return total, fmt.Errorf("reading dead letters: %w", err)
		}
		total.add(c.unlisted)
		end, d, err := c.each(func(at int, payload []byte) error {
			e, err := readEntry(payload)
			if err != nil { // its checksum is right: another version wrote it
				total.add(len(payload))
				return nil
			}
			e.ID = ID{s.number, int64(at)}
			return f(e)
		})
		total.Places += d.Places
		total.Bytes += d.Bytes
		if err != nil {
			return total, err
		}
		if i < len(segments)-1 {
			total.add(len(c.data) - end)
		}
	}
	return total, nil
}

func readFile(fsys engine.FS, name string) ([]byte, error) {
	file, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}
