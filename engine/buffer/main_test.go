package buffer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"dataflow/engine"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "seed of the random tests, 0 draws one")
	trialsFlag = flag.Int("trials", 300, "power cuts of PowerCut; the full size is 20000")
	casesFlag  = flag.Int("cases", 200, "damages of BitRot; the full size is 5000")
	tornFlag   = flag.Int("torn", 60, "lengths of TornWAL; the full size is 1000")
	faultsFlag = flag.Int("faults", 120, "operations that fail in FaultFS; the full size is 2000")
)

// childEnv is set in processes that a test starts to do its work: stores that have failed leave goroutines behind.
const childEnv = "BUFFER_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

// seeded returns the seed of a test and prints it.
func seeded(t *testing.T) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	return seed
}

func random(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }

// smallOptions make Pebble write files soon, and leave out the floor.
func smallOptions(fs vfs.FS) Options {
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("BUFFER_TEST_LOG") != "" {
		log = slog.Default()
	}
	return Options{Dir: "data", FS: fs, Log: log, MemTableBytes: 64 << 10, FloorBytes: -1, FloorShare: -1, CacheBytes: 32 << 10}
}

func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func openBuffer(t testing.TB, s *Store, name string, o BufferOptions) *Buffer {
	t.Helper()
	b, err := s.Buffer(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// message is a body with a number, bytes that follow from it, and a CRC.
func message(n uint64, lane string, size int) Entry {
	data := make([]byte, 12, 12+size)
	binary.LittleEndian.PutUint64(data, n)
	r := random(n, 7)
	for len(data) < 12+size {
		data = binary.LittleEndian.AppendUint64(data, r.Uint64()>>(n%32))
	}
	binary.LittleEndian.PutUint32(data[8:], crc32.ChecksumIEEE(data[12:])^uint32(n))
	return Entry{
		Body: engine.Body{
			Lane: lane, ContentType: "text/plain", ID: fmt.Sprint("id-", n), Points: 1 + int(n%5), PlainBytes: size,
			Header: []engine.KV{{Key: "X-Number", Value: fmt.Append(nil, n)}}, Data: data,
		},
		Origins: []Range{{Origin: engine.Origin{Node: "in", Topic: "t", Partition: 3, Epoch: 2}, First: int64(n), Last: int64(n)}},
		Read:    int64(n) + 1,
	}
}

// number checks a message and returns its number.
func number(e Entry) (uint64, error) {
	data := e.Body.Data
	if len(data) < 12 {
		return 0, errors.New("short body")
	}
	n := binary.LittleEndian.Uint64(data)
	if binary.LittleEndian.Uint32(data[8:]) != crc32.ChecksumIEEE(data[12:])^uint32(n) {
		return 0, fmt.Errorf("message %d: wrong CRC", n)
	}
	want := message(n, e.Body.Lane, 0)
	if e.Body.ID != want.Body.ID || e.Body.Points != want.Body.Points || e.Body.ContentType != "text/plain" ||
		len(e.Body.Header) != 1 || !bytes.Equal(e.Body.Header[0].Value, want.Body.Header[0].Value) || e.Origins[0] != want.Origins[0] || e.Read != want.Read {
		return 0, fmt.Errorf("message %d: wrong head %+v", n, e)
	}
	return n, nil
}

// points is how many points the message has.
func points(n uint64) int64 { return 1 + int64(n%5) }

// drain takes everything that is there and says done. It returns how often each number came.
func drain(t testing.TB, b *Buffer) map[uint64]int {
	t.Helper()
	seen := map[uint64]int{}
	for _, name := range b.Lanes() {
		l := b.Lane(name)
		for {
			d, err := l.TryNext(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if d == nil {
				break
			}
			n, err := number(d.Entry)
			if err != nil {
				t.Fatal(err)
			}
			seen[n]++
			d.Done()
		}
	}
	return seen
}

// sum adds up counters.
func sum(m map[string]int64) (total int64) {
	for _, n := range m {
		total += n
	}
	return total
}

// copyFS returns a file system in memory with the same files, as they are.
func copyFS(t testing.TB, from vfs.FS, dir string) *vfs.MemFS {
	t.Helper()
	to := vfs.NewMem()
	copyDir(t, from, to, dir)
	return to
}

func copyDir(t testing.TB, from, to vfs.FS, dir string) {
	t.Helper()
	if err := to.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	names, err := from.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := from.PathJoin(dir, name)
		info, err := from.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			copyDir(t, from, to, path)
			continue
		}
		writeBytes(t, to, path, readBytes(t, from, path))
	}
}

func readBytes(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

func writeBytes(t testing.TB, fs vfs.FS, path string, data []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// filesOf lists all files below dir with their sizes.
func filesOf(t testing.TB, fs vfs.FS, dir string) (paths []string, sizes map[string]int64) {
	t.Helper()
	sizes = map[string]int64{}
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			more, moreSizes := filesOf(t, fs, path)
			paths = append(paths, more...)
			for k, v := range moreSizes {
				sizes[k] = v
			}
			continue
		}
		paths = append(paths, path)
		sizes[path] = info.Size()
	}
	return paths, sizes
}
