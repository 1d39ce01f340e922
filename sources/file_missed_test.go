package sources

import (
	"fmt"
	"os"
	"path"
	"syscall"
	"testing"
	"time"
)

// TestTailMissedRotations rotates more than once between two looks, while the engine runs and while it is down: what stood
// under the name in between is read, in order and once, and nothing that was rotated before or is something else.
func TestTailMissedRotations(t *testing.T) {
	for _, down := range []bool{false, true} {
		for _, rotations := range []int{1, 2, 3, 5} {
			for _, dated := range []bool{false, true} {
				t.Run(fmt.Sprintf("down %v, %d, dated %v", down, rotations, dated), func(t *testing.T) {
					inTail(t, func(r *tailRig) {
						r.config.Paths = []string{r.dir + "/app.log"}
						long := time.Now().Add(-time.Hour)
						for _, name := range []string{"app.log.7", "app-2020-01-02.log"} {
							r.append(name, "of long ago\n")
							r.must(os.Chtimes(r.path(name), long, long))
						}
						r.append("app.log", "first\n")
						r.start()
						r.expect("first")
						if down {
							r.stop()
						}
						var want []string
						for i := range rotations {
							line := fmt.Sprintf("of turn %d", i)
							r.append("app.log", line+"\n")
							want = append(want, line)
							if dated {
								r.rename("app.log", fmt.Sprintf("app.log-2026010%d.0%d", i+1, i))
							} else {
								for k := i; k > 0; k-- {
									r.rename(fmt.Sprintf("app.log.%d", k), fmt.Sprintf("app.log.%d", k+1))
								}
								r.rename("app.log", "app.log.1")
							}
						}
						r.append("app.log.audit", "something else\n")
						r.append("app-2.log", "of another process\n")
						r.append("app.log.2.gz", "compressed\n")
						r.append("other.log.1", "of another\n")
						r.append("app.log", "last\n")
						if down {
							r.start()
						}
						r.expect(append(want, "last")...)
						r.pass(20 * time.Second)
						r.append("app.log", "end\n")
						r.expect("end")
						r.stop()
						r.start()
						r.expect()
						if _, open := r.files(); open != 1 {
							t.Errorf("%d files are open", open)
						}
					})
				})
			}
		}
	}
}

func TestRotatedName(t *testing.T) {
	for name, want := range map[string]bool{
		"app.log.1": true, "app.log.12": true, "app.log-20260102": true, "app.log.2026-01-02_10:00": true, "app-2026-01-02.log": true, "app.20260102.log": true,
		"app.log": false, "app.log.": false, "app.log.gz": false, "app.log.1.gz": false, "app.log.audit": false, "app.log1": false, "app1.log": false, "app-error.log": false,
		"app.log.-": false, "app.1.log": false, "app-2.log": false, "other.log.1": false, "app.1.txt": false, "": false,
	} {
		if got := rotatedName("app.log", name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	if !rotatedName("messages", "messages.1") || !rotatedName("messages", "messages-20260102") || rotatedName("messages", "messages") {
		t.Error("names without extension")
	}
}

// TestTailDenied: a file that may not be read is said and counted, but the node is well as long as it may read another one; it is
// read as soon as it may be.
func TestTailDenied(t *testing.T) {
	inTail(t, func(r *tailRig) {
		deny := func(names ...string) {
			f := func(op, name string) error {
				for _, n := range names {
					if op == "open" && path.Base(name) == n {
						return &os.PathError{Op: op, Path: name, Err: syscall.EACCES}
					}
				}
				return nil
			}
			r.disk.fail.Store(&f)
		}
		deny("secret.log")
		r.append("a.log", "one\n")
		r.append("secret.log", "mine\n")
		r.start()
		r.expect("one")
		for range 40 {
			r.pass(r.config.Poll)
			if r.state() != nil {
				t.Fatalf("health %v", r.state())
			}
		}
		if n := r.count("file_errors"); n == 0 || n > 5 {
			t.Errorf("%d errors in 10 s", n)
		}
		r.append("a.log", "two\n")
		deny()
		r.pass(deniedWait)
		r.expect("two", "mine")
		r.remove("a.log")
		r.pass(10 * time.Second)
		r.stop()
		deny("secret.log")
		r.start()
		for range 40 {
			r.pass(r.config.Poll)
			if r.state() == nil {
				t.Fatal("healthy, and reads nothing")
			}
		}
		deny()
		r.append("secret.log", "all\n")
		r.pass(time.Second)
		r.expect("all")
		if r.state() != nil {
			t.Errorf("health %v", r.state())
		}
	})
}
