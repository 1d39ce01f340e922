package sources

import (
	"errors"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"dataflow/engine"
	"dataflow/engine/enginetest"
)

func TestTailGrowth(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.append("a.log", "one\ntwo\r\n")
		r.start()
		r.expect("one", "two")
		r.append("a.log", "thr")
		r.expect()
		r.append("a.log", "ee\nh\xc3")
		r.expect("three")
		r.append("a.log", "\xa4lf\r")
		r.expect()
		r.append("a.log", "\n\nlast\n")
		r.expect("hälf", "", "last")
		r.append("b.log", "other\n")
		r.append("b.txt", "not wanted\n")
		r.append("c.log", "")
		r.expect("other")
		if r.tags["filename"] != "b.log" || r.tags["filepath"] != r.dir+"/b.log" || r.tags["name"] != "b.log" {
			t.Errorf("tags %v", r.tags)
		}
		many := numbered(30_000, "a line of a burst ")
		r.append("c.log", strings.Join(many, "\n")+"\n")
		r.expect(many...)
	})
}

func TestTailRotation(t *testing.T) {
	for _, pattern := range []string{"*.log", "*.log*"} {
		t.Run(pattern, func(t *testing.T) {
			inTail(t, func(r *tailRig) {
				r.config.Paths = []string{r.dir + "/" + pattern}
				r.append("a.log", "one\n")
				r.start()
				r.expect("one")
				r.append("a.log", "two\n")
				r.rename("a.log", "a.log.1")
				r.append("a.log.1", "three\nfo")
				r.append("a.log", "new\n")
				r.expect("two", "three", "new")
				r.append("a.log.1", "ur\n") // a writer that has not noticed yet
				r.append("a.log", "newer\n")
				r.pass(3 * time.Second)
				r.append("a.log.1", "five\nsix")
				r.expect("four", "newer", "five")
				r.pass(6 * time.Second)
				if pattern == "*.log" {
					r.expect("six") // nobody follows it any more
				} else {
					r.expect()
				}
				r.append("a.log.1", "late\n")
				r.append("a.log", "end\n")
				if pattern == "*.log" {
					r.expect("end")
				} else {
					r.expect("sixlate", "end") // in the order in which they were found
				}
			})
		})
	}
}

// TestTailOrder: a rotated file is read to its end before its successor is begun, also when it is long.
func TestTailOrder(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.append("a.log", "first\n")
		r.start()
		r.expect("first")
		want := numbered(60_000, "of the old file ")
		r.append("a.log", strings.Join(want, "\n")+"\n")
		r.rename("a.log", "old")
		r.append("a.log", "of the new file\n")
		r.pass(time.Second)
		r.expect(append(want, "of the new file")...)
	})
}

func TestTailTruncation(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.append("a.log", "one\ntwo\n")
		r.start()
		r.expect("one", "two")
		r.must(os.Truncate(r.path("a.log"), 0))
		r.append("a.log", "new\n")
		r.expect("new")
		if n := r.count("file_truncations"); n != 1 {
			t.Errorf("%d truncations", n)
		}
		// Between two looks it grows beyond where it was.
		r.must(os.Truncate(r.path("a.log"), 0))
		r.append("a.log", "longer than what was there before\nand more\n")
		r.expect("longer than what was there before", "and more")
		if n := r.count("file_truncations"); n != 2 {
			t.Errorf("%d truncations", n)
		}
		r.stop()
		r.start()
		r.expect()
	})
}

func TestTailDeletion(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.start()
		r.append("a.log", "one\n")
		r.expect("one")
		r.append("a.log", "two\nthree")
		r.remove("a.log")
		r.expect("two")
		r.append("a.log", "again\n")
		r.expect("again")
		r.pass(6 * time.Second)
		r.expect("three") // there will be no end of the line
		if known, open := r.files(); known != 1 || open != 1 {
			t.Errorf("%d files are known, %d open", known, open)
		}
	})
}

func TestTailFolderDisappears(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.config.Paths = []string{r.dir + "/*/*.log", r.dir + "/never/there.log"}
		r.must(os.Mkdir(r.path("sub"), 0o755))
		r.append("sub/a.log", "one\n")
		r.start()
		r.expect("one")
		r.rename("sub", "away")
		r.rename("away", "sub")
		r.expect()
		elsewhere := t.TempDir() + "/sub"
		r.must(os.Rename(r.path("sub"), elsewhere))
		r.pass(10 * time.Second)
		r.must(os.Rename(elsewhere, r.path("sub"))) // as a mount comes back
		r.append("sub/a.log", "two\n")
		r.expect("two")
		r.must(os.RemoveAll(r.path("sub")))
		r.pass(10 * time.Second)
		r.must(os.Mkdir(r.path("sub"), 0o755))
		r.append("sub/a.log", "three\n")
		r.expect("three")
		if err := r.state(); err != nil {
			t.Errorf("health %v", err)
		}
	})
}

func TestTailFlushAfter(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.config.FlushAfter = 2 * time.Second
		r.append("a.log", "prompt> ")
		r.start()
		r.expect()
		r.pass(2 * time.Second)
		r.expect("prompt> ")
		r.append("a.log", "\nnext")
		r.expect()
		r.append("a.log", " line\n")
		r.expect("next line")
		r.append("a.log", "x")
		r.pass(3 * time.Second)
		r.append("a.log", "y\n")
		r.expect("x", "y")
	})
}

func TestTailStartEnd(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.config.Start = startEnd
		r.append("a.log", "old\nhalf")
		r.append("full.log", "old\n")
		r.start()
		r.append("a.log", " a line\n")
		r.append("b.log", "new\n")
		r.append("full.log", "more\n")
		r.expect("half a line", "more", "new")
		r.kill() // nothing was done for longer than the start was stored
		r.append("a.log", "while it was down\n")
		r.append("c.log", "from its beginning\n")
		r.start()
		r.expect("while it was down", "from its beginning")
	})
	inTail(t, func(r *tailRig) { // killed before anything was done
		r.config.Start = startEnd
		r.append("a.log", "old\n")
		r.start()
		r.holding(true)
		r.append("a.log", "new\n")
		r.expect("new")
		r.kill()
		r.start()
		r.expect("new")
	})
}

func TestTailRestart(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.append("a.log", "one\ntwo")
		r.start()
		r.expect("one")
		r.stop()
		r.append("a.log", "\nthree\n")
		r.start()
		r.expect("two", "three")
		r.stop()
		// Renamed while nobody looked: it is found by its inode.
		r.append("a.log", "four\n")
		r.rename("a.log", "a.old")
		r.append("a.log", "five\n")
		r.start()
		r.expect("four", "five")
		r.pass(10 * time.Second)
		r.stop()
		r.append("a.old", "nobody follows it\n")
		r.start()
		r.expect()
		// A file whose name is not wanted any more is not read any more.
		r.stop()
		r.append("a.log", "six\n")
		r.config.Paths = []string{r.dir + "/b.log"}
		r.start()
		r.expect()
		r.stop()
		r.config.Paths = []string{r.dir + "/a.log"}
		r.start()
		r.expect("six")
	})
}

// TestTailDone: a position moves only over what is done, however late and in whatever order that happens.
func TestTailDone(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.append("a.log", "one\n")
		r.start()
		r.expect("one")
		r.pass(time.Second)
		r.holding(true)
		r.append("a.log", "two\n")
		r.expect("two")
		r.append("a.log", "three\n")
		r.expect("three")
		r.mu.Lock()
		second := r.held[1]
		r.held = r.held[:1]
		r.mu.Unlock()
		done(second) // before the first
		r.pass(2 * time.Second)
		r.kill()
		r.start()
		r.holding(true)
		r.expect("two", "three")
		r.append("a.log", "four\n")
		r.expect("four")
		r.release()
		r.pass(time.Second)
		r.kill()
		r.start()
		r.expect()
	})
}

// TestTailDoneAfterRotation: what is in flight of a file that is not followed any more is read again all the same.
func TestTailDoneAfterRotation(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.holding(true)
		r.append("a.log", "one\n")
		r.start()
		r.holding(true)
		r.expect("one")
		r.rename("a.log", "a.old")
		r.append("a.log", "two\n")
		r.pass(20 * time.Second)
		r.expect("two")
		r.kill()
		r.start()
		r.expect("one", "two")
		r.stop()
		r.start()
		r.expect()
	})
}

func TestTailCorruptPositions(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.config.Start = startEnd // which holds for the first start only
		r.append("a.log", "one\n")
		r.start()
		r.append("a.log", "two\n")
		r.expect("two")
		r.stop()
		name := r.data + "/cursors"
		text, err := os.ReadFile(name)
		r.must(err)
		for _, damage := range []string{string(text[:len(text)-3]), "", "x", strings.Replace(string(text), `"offset":8`, `"offset":9`, 1)} {
			if damage == string(text) {
				t.Fatalf("nothing is damaged: %s", text)
			}
			r.must(os.WriteFile(name, []byte(damage), 0o600))
			before := r.count("file_positions_corrupt")
			r.start()
			r.expect("one", "two")
			if n := r.count("file_positions_corrupt"); n != before+1 {
				t.Errorf("%q: counted %d times", damage, n-before)
			}
			r.stop()
		}
		r.start()
		r.expect()
		r.stop()
		r.must(os.WriteFile(name, []byte("engine file cursors 2 00000000\n"), 0o600))
		r.start()
		if err := <-r.ended; !engine.IsPermanent(err) || !strings.Contains(err.Error(), "newer engine") {
			t.Errorf("error %v", err)
		}
		r.source = nil
	})
}

// TestTailOtherContent: a position does not hold for another content in the same file.
func TestTailOtherContent(t *testing.T) {
	inTail(t, func(r *tailRig) {
		banner := strings.Repeat("the same beginning in every file ", 10)
		r.append("a.log", banner+"\none\n")
		r.append("b.log", banner+"\ntwo\n")
		r.start()
		r.expect(banner, "one", banner, "two")
		r.append("b.log", "three\n")
		r.append("a.log", "four\n")
		r.expect("four", "three")
		r.stop()
		// Rewritten while nobody looked, with the same beginning and longer than before.
		r.must(os.Truncate(r.path("a.log"), 0))
		r.append("a.log", banner+"\nsix\nseven\neight\n")
		r.append("b.log", "five\n")
		r.start()
		r.expect(banner, "six", "seven", "eight", "five")
		if n := r.count("file_positions_invalid"); n != 1 {
			t.Errorf("%d positions did not hold", n)
		}
	})
}

// TestTailSymlink: a link that leads to another file, as Kubernetes rotates.
func TestTailSymlink(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.must(os.Mkdir(r.path("pods"), 0o755))
		r.append("pods/0", "one\n")
		r.must(os.Symlink("pods/0", r.path("current.log")))
		r.start()
		r.expect("one")
		r.append("pods/0", "two\n")
		r.append("pods/1", "three\n")
		r.must(os.Symlink("pods/1", r.path("next")))
		r.rename("next", "current.log")
		r.expect("two", "three")
		r.append("pods/0", "four\n")
		r.append("pods/1", "five\n")
		r.expect("four", "five")
		r.remove("current.log")
		r.append("pods/1", "six\n")
		r.expect("six")
	})
}

func TestTailErrors(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.append("a.log", "one\n")
		r.append("b.log", "uno\n")
		r.start()
		r.expect("one", "uno")
		fault := func(match func(op, name string) bool) {
			f := func(op, name string) error {
				if match(op, name) {
					return &os.PathError{Op: op, Path: name, Err: syscall.EIO}
				}
				return nil
			}
			r.disk.fail.Store(&f)
		}
		for _, op := range []string{"read", "readdir", "sync", "rename"} {
			fault(func(o, name string) bool { return o == op && path.Base(name) != "b.log" })
			r.append("a.log", "two\n")
			r.append("b.log", "dos\n")
			r.pass(10 * time.Second)
			if r.state() == nil {
				t.Errorf("%s: healthy", op)
			}
			if op == "read" {
				r.expect("dos")
			} else {
				r.expect("two", "dos")
			}
			r.disk.fail.Store(nil)
			if op == "read" {
				r.expect("two")
			}
			r.pass(time.Second)
			if r.state() != nil {
				t.Errorf("%s: health %v", op, r.state())
			}
		}
		if r.count("file_errors") == 0 {
			t.Error("no error was counted")
		}
		fault(func(op, name string) bool { return op == "open" && path.Base(name) == "c.log" })
		r.append("c.log", "new\n")
		r.expect()
		r.disk.fail.Store(nil)
		r.expect("new")
		r.stop()
		r.start()
		r.expect()
		// What cannot be stored at the start is no start.
		r.stop()
		fault(func(op, name string) bool { return op == "rename" })
		r.start()
		if err := <-r.ended; !engine.IsPermanent(err) || !errors.Is(err, syscall.EIO) {
			t.Errorf("error %v", err)
		}
		r.source = nil
	})
}

// TestTailBackpressure: files that come and go while the graph takes nothing are read nevertheless.
func TestTailBackpressure(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.append("a.log", "begin\n")
		r.start()
		r.expect("begin")
		blocked := make(chan struct{})
		r.block(blocked)
		want := []string{"blocked"}
		r.append("a.log", "blocked\n")
		r.pass(time.Second)
		for _, line := range numbered(20, "rotated ") {
			r.remove("a.log")
			r.append("a.log", line+"\n")
			want = append(want, line)
			r.pass(time.Second)
		}
		r.expect()
		r.block(nil)
		close(blocked)
		r.pass(30 * time.Second) // a file waits for its predecessor to be at its end
		r.expect(want...)
		if n := r.count("file_unread"); n != 0 {
			t.Errorf("%d files are unread", n)
		}
	})
}

func TestTailMaxOpen(t *testing.T) {
	inTail(t, func(r *tailRig) {
		r.config.MaxOpen = 2
		names := []string{"a", "b", "c", "d", "e"}
		for _, n := range names {
			r.append(n+".log", n+"\n")
		}
		r.start()
		r.pass(5 * time.Second)
		r.expect(names...)
		if _, open := r.files(); open > 2 {
			t.Errorf("%d files are open", open)
		}
		for _, n := range names {
			r.append(n+".log", n+"2\n")
			r.pass(time.Second)
		}
		r.expect("a2", "b2", "c2", "d2", "e2")
		// A closed file is renamed before anybody has seen that it grew, and its successor waits for it.
		r.append("a.log", "a3\n")
		r.rename("a.log", "a.old")
		r.append("a.log", "a4\n")
		r.pass(5 * time.Second)
		r.expect("a3", "a4")
		r.remove("b.log")
		r.pass(10 * time.Second)
		r.expect()
		if n := r.count("file_unread"); n != 0 {
			t.Errorf("%d files are unread", n)
		}
	})
}

// TestTailLongLine: a line above the limit fails once, and one that comes in pieces takes no memory while it waits.
func TestTailLongLine(t *testing.T) {
	inTail(t, func(r *tailRig) {
		piece := strings.Repeat("x", 1<<20)
		r.append("a.log", "short\n"+piece)
		r.start()
		r.expect("short")
		r.append("a.log", piece)
		r.expect()
		r.append("a.log", "\nnext\n")
		r.expect(piece+piece, "next")
		for range 6 {
			r.append("a.log", piece)
			r.pass(time.Second)
		}
		r.append("a.log", "\nend\n")
		r.pass(time.Second)
		r.expect(strings.Repeat(piece, 4), "end")
		r.stop()
		r.start()
		r.expect()
	})
}

func TestTailConforms(t *testing.T) {
	p := write(t, t.TempDir(), "x.log", strings.Join(numbered(20_000, "m"), "\n"))
	data := t.TempDir()
	n := 0
	enginetest.TestSource(t, func(t *testing.T) engine.Source {
		c := *engine.Lookup(engine.SourceNode, "file").NewConfig().(*fileConfig)
		c.Mode, c.Paths = modeTail, []string{p}
		env := enginetest.Env()
		n++
		env.DataDir = path.Join(data, string(rune('a'+n)))
		s, err := newFile(env, c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestTailOptions(t *testing.T) {
	valid := *engine.Lookup(engine.SourceNode, "file").NewConfig().(*fileConfig)
	valid.Paths, valid.Mode = []string{"x"}, modeTail
	for option, change := range map[string]func(c *fileConfig){
		"poll": func(c *fileConfig) { c.Poll = 0 }, "commit_interval": func(c *fileConfig) { c.CommitInterval = -1 },
		"rotate_wait": func(c *fileConfig) { c.RotateWait = -1 }, "flush_after": func(c *fileConfig) { c.FlushAfter = -1 },
		"max_open": func(c *fileConfig) { c.MaxOpen = 0 }, "exclude": func(c *fileConfig) { c.Exclude = []string{"["} },
		"start": func(c *fileConfig) { c.Mode, c.Start = modeOnce, startEnd },
	} {
		c := valid
		change(&c)
		_, err := newFile(enginetest.Env(), c)
		var bad *engine.OptionError
		if !errors.As(err, &bad) || bad.Path != option {
			t.Errorf("%s: error %v", option, err)
		}
	}
	if _, err := newFile(enginetest.Env(), valid); err != nil {
		t.Error(err)
	}
}
