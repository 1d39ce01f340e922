package sources

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/enginetest"
)

// tailRig runs a file source in tail mode on a real folder, in a bubble whose clock it moves.
type tailRig struct {
	t      *testing.T
	dir    string // of the logs
	data   string // of the positions
	config fileConfig
	disk   *testDisk

	mu      sync.Mutex
	counts  map[string]int64
	health  error
	got     []string
	tags    map[string]string // of the last point
	hold    bool              // batches are not done by themselves
	held    []*engine.Batch
	blocked chan struct{} // emit waits for its end

	source *tail
	cancel context.CancelFunc
	ended  chan error
}

// testDisk is the file system of the machine without its waits for the disk, and with faults.
type testDisk struct {
	engine.OS
	fail  atomic.Pointer[func(op, name string) error]
	syncs atomic.Int64
}

func (d *testDisk) failing(op, name string) error {
	if f := d.fail.Load(); f != nil {
		return (*f)(op, name)
	}
	return nil
}

func (d *testDisk) OpenFile(name string, flag int, perm fs.FileMode) (engine.FSFile, error) {
	if err := d.failing("open", name); err != nil {
		return nil, err
	}
	f, err := d.OS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &testDiskFile{FSFile: f, disk: d, name: name}, nil
}

func (d *testDisk) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.failing("readdir", name); err != nil {
		return nil, err
	}
	return d.OS.ReadDir(name)
}

func (d *testDisk) Rename(from, to string) error {
	if err := d.failing("rename", to); err != nil {
		return err
	}
	return d.OS.Rename(from, to)
}

type testDiskFile struct {
	engine.FSFile
	disk *testDisk
	name string
}

func (f *testDiskFile) Read(p []byte) (int, error) {
	if err := f.disk.failing("read", f.name); err != nil {
		return 0, err
	}
	return f.FSFile.Read(p)
}

func (f *testDiskFile) Sync() error {
	f.disk.syncs.Add(1)
	return f.disk.failing("sync", f.name)
}

// testCounter counts under a name.
type testCounter struct {
	r    *tailRig
	name string
}

func (c testCounter) Add(n int64) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.counts[c.name] += n
}

// inTail runs a test in a bubble with a rig that follows dir/*.log.
func inTail(t *testing.T, body func(r *tailRig)) {
	t.Helper()
	dir, data := filepath.ToSlash(t.TempDir()), filepath.ToSlash(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		c := *engine.Lookup(engine.SourceNode, "file").NewConfig().(*fileConfig)
		c.Mode, c.Paths = modeTail, []string{dir + "/*.log"}
		r := &tailRig{t: t, dir: dir, data: data + "/node", config: c, disk: &testDisk{}, counts: map[string]int64{}}
		body(r)
		if r.source != nil {
			r.kill()
		}
	})
}

// start runs a source, as the engine does after the last one has ended.
func (r *tailRig) start() {
	r.t.Helper()
	env := enginetest.Env()
	env.FS, env.DataDir = r.disk, r.data
	env.Counter = func(name, _ string) engine.Counter { return testCounter{r, name} }
	env.Health = func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.health = err
	}
	s, err := newFile(env, r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.source = s.(*tail)
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.ended = cancel, make(chan error, 1)
	go func() { r.ended <- r.source.Run(ctx, r.emit) }()
	synctest.Wait()
}

func (r *tailRig) emit(ctx context.Context, b *engine.Batch) error {
	r.mu.Lock()
	blocked := r.blocked
	r.mu.Unlock()
	if blocked != nil {
		select {
		case <-blocked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range b.Points {
		v, _ := b.Points[i].Get("message")
		r.got = append(r.got, strings.Clone(v.Str()))
		r.tags = map[string]string{"name": b.Points[i].Name}
		for _, f := range b.Points[i].Fields {
			if f.Tag {
				r.tags[f.Key] = f.Value.Str()
			}
		}
	}
	if r.hold {
		r.held = append(r.held, b)
		return nil
	}
	done(b)
	return nil
}

// holding says whether batches are done by themselves.
func (r *tailRig) holding(hold bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold = hold
}

// block makes emit wait for the end of a channel from now on, nil for nothing.
func (r *tailRig) block(until chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked = until
}

// release does what is held, from the newest on.
func (r *tailRig) release() {
	r.mu.Lock()
	held := r.held
	r.held, r.hold = nil, false
	r.mu.Unlock()
	slices.Reverse(held)
	for _, b := range held {
		done(b)
	}
}

// kill ends the source as SIGKILL does: nothing more is stored.
func (r *tailRig) kill() {
	r.t.Helper()
	r.cancel()
	if err := <-r.ended; !errors.Is(err, context.Canceled) {
		r.t.Errorf("it ended with %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.source, r.held, r.hold = nil, nil, false
}

// stop ends the source as the engine does when all is done.
func (r *tailRig) stop() {
	r.t.Helper()
	s := r.source
	r.kill()
	if err := s.Close(r.t.Context()); err != nil {
		r.t.Errorf("closing: %v", err)
	}
}

// pass lets time pass.
func (r *tailRig) pass(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}

// expect lets a source look twice and compares what it has emitted since the last call.
func (r *tailRig) expect(want ...string) {
	r.t.Helper()
	r.pass(2*r.config.Poll + time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.got, want) {
		r.t.Errorf("got %.500q, want %.500q", r.got, want)
	}
	r.got = nil
}

func (r *tailRig) count(name string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[name]
}

// state returns what the source says about its health.
func (r *tailRig) state() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health
}

// files returns how many files the source has to do with, and how many it has open.
func (r *tailRig) files() (known, open int) {
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	return len(r.source.files) + len(r.source.ended) + len(r.source.past), r.source.open
}

func (r *tailRig) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

// append adds a text to a file, which is made if need be.
func (r *tailRig) append(name, text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
	r.must(f.Close())
}

func (r *tailRig) rename(from, to string) {
	r.t.Helper()
	r.must(os.Rename(r.path(from), r.path(to)))
}

func (r *tailRig) remove(name string) {
	r.t.Helper()
	r.must(os.Remove(r.path(name)))
}

func (r *tailRig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}
