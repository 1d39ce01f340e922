package sources

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"

	"dataflow/engine"
)

// fileID is what a file is known by, whatever its name is.
type fileID struct{ Device, Inode uint64 }

func identityOfName(name string) fileID { return fileID{Inode: sum([]byte(name))} }

// A cursor is how far a file was read, by which name it was known last, and what its content was: sums of its beginning and
// of what stands in front of the position. An inode is given to another file soon after its own is deleted; the sums tell the two apart.
type cursor struct {
	Device    uint64 `json:"device"`
	Inode     uint64 `json:"inode"`
	Path      string `json:"path"`
	Offset    int64  `json:"offset"`
	HeadBytes int    `json:"head_bytes"`
	Head      uint64 `json:"head"`
	TailBytes int    `json:"tail_bytes"`
	Tail      uint64 `json:"tail"`
	Gone      int64  `json:"gone,omitempty"` // s since 1970: since then nobody follows the file
}

const (
	headBytes = 256 // of a file's beginning that are summed
	tailBytes = 64  // in front of the position
)

// sum is FNV-1a, as it stands in the cursor file.
func sum(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b) // never fails
	return h.Sum64()
}

// fits reports whether a file whose beginning is head and which has tail in front of the position is the one that the cursor
// was made for.
func (c *cursor) fits(head, tail []byte) bool {
	return len(head) >= c.HeadBytes && sum(head[:c.HeadBytes]) == c.Head &&
		len(tail) >= c.TailBytes && sum(tail[len(tail)-c.TailBytes:]) == c.Tail
}

// around reads the first bytes of a file and those in front of a position: none if the file ends before it.
func around(in io.ReadSeeker, offset int64) (head, tail []byte, err error) {
	head = make([]byte, min(headBytes, offset))
	tail = make([]byte, min(tailBytes, offset))
	for _, part := range []struct {
		at int64
		b  []byte
	}{{0, head}, {offset - int64(len(tail)), tail}} {
		if _, err := in.Seek(part.at, io.SeekStart); err != nil {
			return nil, nil, err
		}
		switch _, err := io.ReadFull(in, part.b); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, nil, nil
		case err != nil:
			return nil, nil, err
		}
	}
	return head, tail, nil
}

// The cursor file is text. Its first line is "engine file cursors VERSION CRC32C", the sum being of what follows: a JSON object
// a line, one for each cursor.
const (
	cursorMagic   = "engine file cursors"
	cursorVersion = 1
	cursorLimit   = 256 << 20 // no cursor file is larger
)

var (
	errCursorsCorrupt = errors.New("the file is damaged")
	castagnoli        = crc32.MakeTable(crc32.Castagnoli)
)

// appendCursors appends the content of a cursor file.
func appendCursors(dst []byte, cs []cursor) ([]byte, error) {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	for i := range cs {
		if err := enc.Encode(&cs[i]); err != nil {
			return dst, err
		}
	}
	dst = fmt.Appendf(dst, "%s %d %08x\n", cursorMagic, cursorVersion, crc32.Checksum(lines.Bytes(), castagnoli))
	return append(dst, lines.Bytes()...), nil
}

// parseCursors reads the content of a cursor file. The error is errCursorsCorrupt, or says that a newer engine wrote it.
func parseCursors(text []byte) ([]cursor, error) {
	first, lines, whole := bytes.Cut(text, []byte{'\n'})
	var version int
	var crc uint32
	n, _ := fmt.Sscanf(string(first), cursorMagic+" %d %x", &version, &crc)
	if n > 0 && version > cursorVersion {
		return nil, fmt.Errorf("it has the version %d of a newer engine, this one knows %d", version, cursorVersion)
	}
	if n < 2 || version < 1 || !whole || crc32.Checksum(lines, castagnoli) != crc {
		return nil, errCursorsCorrupt
	}
	var out []cursor
	for len(lines) > 0 {
		var line []byte
		line, lines, _ = bytes.Cut(lines, []byte{'\n'})
		var c cursor
		if err := json.Unmarshal(line, &c); err != nil || c.Offset < 0 || c.HeadBytes < 0 || c.HeadBytes > headBytes || c.TailBytes < 0 || c.TailBytes > tailBytes {
			return nil, errCursorsCorrupt
		}
		out = append(out, c)
	}
	return out, nil
}

// cursorFile is the place of the cursors in the node's data folder. Without a folder nothing is stored.
type cursorFile struct {
	fs  engine.FS
	dir string
}

func (f cursorFile) name() string { return f.dir + "/cursors" }

// read returns the cursors. There is none, and first is true, if none was ever written.
func (f cursorFile) read() (cs []cursor, first bool, err error) {
	if f.dir == "" {
		return nil, true, nil
	}
	in, err := f.fs.OpenFile(f.name(), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	text, err := io.ReadAll(io.LimitReader(in, cursorLimit))
	if err := errors.Join(err, in.Close()); err != nil {
		return nil, false, err
	}
	cs, err = parseCursors(text)
	return cs, false, err
}

// write replaces the cursors. When it returns they are on the disk; a kill leaves the old ones or the new ones.
func (f cursorFile) write(cs []cursor) error {
	if f.dir == "" {
		return nil
	}
	text, err := appendCursors(nil, cs)
	if err != nil {
		return err
	}
	if err := f.fs.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	next := f.name() + ".new"
	out, err := f.fs.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = out.Write(text); err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := f.fs.Rename(next, f.name()); err != nil {
		return err
	}
	return f.syncDir()
}

// syncDir makes the rename as durable as the content.
func (f cursorFile) syncDir() error {
	if runtime.GOOS == "windows" { // which has no sync of folders
		return nil
	}
	dir, err := f.fs.OpenFile(path.Clean(f.dir), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
