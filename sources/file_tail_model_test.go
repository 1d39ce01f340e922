package sources

import (
	flags "flag" // the package has a function flag
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rotations = flags.Int("rotations", 4000, "rotations of the model of a log's writer")

// A logWriter is a model of what programs and logrotate do to a log: it writes lines, whole or in two pieces, renames the log and keeps
// the last files, or truncates it, with random pauses in between; the engine is killed and started again, and takes its time to be done.
type logWriter struct {
	*tailRig
	rand *rand.Rand
	next int
	open string    // the rest of a line of which the first piece is written
	born time.Time // of the log as it is called now
}

const keepRotated = 4

func (w *logWriter) write() {
	if _, err := os.Stat(w.path("app.log")); err != nil {
		w.born = time.Now()
	}
	if w.open != "" {
		w.append("app.log", w.open)
		w.open = ""
	}
	var text strings.Builder
	for range w.rand.IntN(4) {
		fmt.Fprintf(&text, "%d %s\n", w.next, strings.Repeat("=", w.rand.IntN(100)))
		w.next++
	}
	if w.rand.IntN(4) == 0 {
		line := fmt.Sprintf("%d in two pieces\n", w.next)
		w.next++
		cut := 1 + w.rand.IntN(len(line)-1)
		text.WriteString(line[:cut])
		w.open = line[cut:]
	}
	w.append("app.log", text.String())
}

// seen reports whether there is a log, and the engine must know: it may be rotated then.
func (w *logWriter) seen() bool {
	_, err := os.Stat(w.path("app.log"))
	return err == nil && time.Since(w.born) > w.config.Poll
}

func (w *logWriter) rotate() {
	for i := keepRotated; i > 0; i-- {
		from := "app.log"
		if i > 1 {
			from += "." + strconv.Itoa(i-1)
		}
		if _, err := os.Stat(w.path(from)); err == nil {
			w.rename(from, "app.log."+strconv.Itoa(i))
		}
	}
	if w.open != "" {
		w.append("app.log.1", w.open) // the writer finishes its line before it opens the new file
		w.open = ""
	}
}

// truncate does what copytruncate does, once everything was read: what was not is lost by its nature.
func (w *logWriter) truncate() {
	if w.open != "" {
		w.append("app.log", w.open)
		w.open = ""
	}
	w.release()
	w.pass(time.Second)
	if err := os.Truncate(w.path("app.log"), 0); err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
}

// TestTailModel: of all that the model writes nothing is lost, and without kills nothing comes twice.
func TestTailModel(t *testing.T) {
	turns := *rotations / 4
	if testing.Short() {
		turns /= 20
	}
	for seed, c := range []struct {
		pattern string
		kills   bool
	}{{"app.log", false}, {"app.log*", false}, {"app.log", true}, {"app.log*", true}} {
		t.Run(fmt.Sprintf("%s, kills %v", c.pattern, c.kills), func(t *testing.T) {
			t.Parallel()
			inTail(t, func(r *tailRig) {
				r.config.Paths = []string{r.dir + "/" + c.pattern}
				r.config.RotateWait = time.Second
				w := &logWriter{tailRig: r, rand: rand.New(rand.NewPCG(uint64(seed), 5))}
				r.start()
				kills, truncations := 0, 0
				for n := 0; n < turns; {
					for range w.rand.IntN(3) {
						w.write()
						w.pass(time.Duration(w.rand.IntN(300)) * time.Millisecond)
					}
					switch {
					case c.pattern == "app.log" && !c.kills && w.rand.IntN(20) == 0:
						w.truncate()
						truncations++
					case c.kills && w.rand.IntN(20) == 0:
						seen := w.seen()
						r.kill()
						kills++
						w.write()
						if seen && w.rand.IntN(2) == 0 {
							w.rotate()
							n++
							w.write()
						}
						r.start()
					case w.seen():
						w.rotate()
						n++
					}
					if w.rand.IntN(3) == 0 {
						r.release() // else the next rotations remove what a kill makes it read again
						r.holding(w.rand.IntN(2) == 0)
					}
					w.pass(300 * time.Millisecond) // rotations that nobody sees lose what only they knew
				}
				w.write()
				w.open = ""
				r.release()
				w.append("app.log", "\n")
				r.pass(10 * time.Second)
				seen := map[int]int{}
				for _, line := range r.got {
					if id, err := strconv.Atoi(strings.SplitN(line, " ", 2)[0]); err == nil {
						seen[id]++
					}
				}
				lost, twice := 0, 0
				for id := range w.next - 1 { // the last may have been left in pieces
					if seen[id] == 0 {
						lost++
						if lost < 5 {
							t.Errorf("line %d of %d is lost", id, w.next)
						}
					}
					twice += max(0, seen[id]-1)
				}
				t.Logf("figure: %d lines over %d rotations, %d truncations and %d kills: %d lost, %d twice", w.next, turns, truncations, kills, lost, twice)
				if lost > 0 || !c.kills && twice > 0 {
					t.Errorf("%d lost, %d twice", lost, twice)
				}
				if _, open := r.files(); open > 2*keepRotated {
					t.Errorf("%d files are open", open)
				}
			})
		})
	}
}
