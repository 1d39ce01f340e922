package bench

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"
)

// Usage is what a process cost.
type Usage struct {
	Wall   time.Duration
	CPU    time.Duration // user and system
	MaxRSS int64         // bytes; 0 where the system does not tell
}

// Measure runs a command to its end and returns what it cost.
func Measure(cmd *exec.Cmd) (Usage, error) {
	start := time.Now()
	err := cmd.Run()
	u := UsageOf(cmd.ProcessState)
	u.Wall = time.Since(start)
	if err != nil {
		return u, fmt.Errorf("running %s: %w", cmd.Path, err)
	}
	return u, nil
}

// UsageOf returns what a process that has ended cost, without its wall time.
func UsageOf(s *os.ProcessState) Usage {
	if s == nil {
		return Usage{}
	}
	return Usage{CPU: s.UserTime() + s.SystemTime(), MaxRSS: maxRSS(s)}
}

// A Job is one of several things that are measured in turns.
type Job struct {
	Name  string
	Run   func(turn int) (Usage, error)
	Count int // messages that Run handles; 0 is the count that Compare is given
}

// Compare runs the jobs in turns, so that what else the machine does hits all alike, and writes a table: CPU per
// message as median, minimum and spread over the turns, and the ratio of the medians and of the minima to the
// first job, which is the floor.
func Compare(w io.Writer, jobs []Job, turns, count int) ([]Cost, error) {
	costs := make([]Cost, len(jobs))
	for i, j := range jobs {
		costs[i].Name = j.Name
	}
	for turn := range turns {
		for i, j := range jobs {
			u, err := j.Run(turn)
			if err != nil {
				return nil, fmt.Errorf("%s, turn %d: %w", j.Name, turn+1, err)
			}
			costs[i].add(u, cmp.Or(j.Count, count))
		}
	}
	fmt.Fprintf(w, "%-34s %9s %9s %8s %9s %9s %9s %8s\n", "job", "median", "min", "spread", "x median", "x min", "msgs/s", "RSS")
	for i := range costs {
		c := &costs[i]
		c.finish()
		fmt.Fprintf(w, "%-34s %6.3f us %6.3f us %6.0f %% %9.2f %9.2f %9.0f %5d MiB\n", c.Name,
			c.Median, c.Min, 100*(c.Max-c.Min)/c.Min, c.Median/costs[0].Median, c.Min/costs[0].Min, c.Rate, c.RSS>>20)
	}
	return costs, nil
}

// Cost is CPU per message in µs over several turns.
type Cost struct {
	Name             string
	Median, Min, Max float64
	Rate             float64 // messages per second of wall time, median
	RSS              int64   // bytes, the largest

	cpu, rates []float64
}

func (c *Cost) add(u Usage, count int) {
	c.cpu = append(c.cpu, float64(u.CPU.Nanoseconds())/1e3/float64(count))
	c.rates = append(c.rates, float64(count)/u.Wall.Seconds())
	c.RSS = max(c.RSS, u.MaxRSS)
}

func (c *Cost) finish() {
	slices.Sort(c.cpu)
	slices.Sort(c.rates)
	c.Min, c.Max = c.cpu[0], c.cpu[len(c.cpu)-1]
	c.Median, c.Rate = median(c.cpu), median(c.rates)
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ErrNoCount says that a number of messages could not be read.
var ErrNoCount = errors.New("write numbers of messages as in 100k,1M")
