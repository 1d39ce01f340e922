package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dataflow/engine/embedded"
	"dataflow/engine/point"
)

// Run runs a graph with nothing led to stand-ins: its addresses are those that it says.
func Run(binary, graph string, args ...string) (*Engine, error) {
	return start(exec.Command(binary, append([]string{"run", graph}, args...)...))
}

// Memory returns the resident memory of the process in bytes, 0 where the system does not tell.
func (e *Engine) Memory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", e.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// FreeAddress returns an address of loopback whose port nobody uses on any address just now. It is below the ports that systems hand out to clients:
// one of those could be taken before the caller listens on it.
func FreeAddress() (string, error) {
	const lowest, highest, tries = 10_000, 15_000, 100
	var err error
	for range tries {
		port := strconv.Itoa(lowest + rand.IntN(highest-lowest))
		var l net.Listener
		if l, err = net.Listen("tcp", ":"+port); err == nil {
			return net.JoinHostPort("127.0.0.1", port), l.Close()
		}
	}
	return "", err
}

// HTTPGraph is the graph http -> dataway. Options are further lines of the source.
func HTTPGraph(listen, dataway string, options ...string) string {
	return `version: 1
name: intake
limits: {memory: 160MiB, in_flight: 32MiB}
sources:
  in:
    type: http
    listen: ` + listen + `
    ` + strings.Join(options, "\n    ") + `
sinks:
  out: {type: dataway, from: in, url: "` + dataway + `"}
`
}

// Serving waits until the source of [HTTPGraph] answers.
func (e *Engine) Serving(address string) error {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	return Until(30*time.Second, func() (bool, error) {
		if e.Ended() {
			return false, fmt.Errorf("the engine ended by itself:\n%s", e.Log())
		}
		answer, err := client.Get("http://" + address + "/v1/ping")
		if err != nil {
			return false, nil
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK, nil
	})
}

// A Ledger tells points apart by their field id and counts, for each, what became of it. Ids begin at 0.
type Ledger struct {
	mu     sync.Mutex
	points []record
	next   int64
	ghosts int64
}

// record is what became of one point.
type record struct {
	seen  uint32
	acked bool
}

// Take gives out n ids that follow each other and returns the first.
func (l *Ledger) Take(n int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.next
	l.next += int64(n)
	l.points = append(l.points, make([]record, n)...)
	return first
}

// See counts a point that has reached the DataWay; it fits [embedded.DataWayOptions].
func (l *Ledger) See(p *point.Point) {
	v, ok := p.Get("id")
	l.mu.Lock()
	defer l.mu.Unlock()
	if id := v.Int(); ok && v.Kind() == point.KindInt && id >= 0 && id < l.next {
		l.points[id].seen++
		return
	}
	l.ghosts++
}

// Acknowledge notes that a client got 2xx for n points and returns how many of them the DataWay has not got at this moment.
func (l *Ledger) Acknowledge(first int64, n int) (missing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.points[first : first+int64(n)] {
		p := &l.points[first+int64(i)]
		p.acked = true
		if p.seen == 0 {
			missing++
		}
	}
	return missing
}

// Sum is what a [Ledger] holds.
type Sum struct {
	Given        int64 // ids
	Acknowledged int64
	Seen         int64 // different points at the DataWay
	Duplicates   int64 // points that came again
	Lost         int64 // acknowledged, never seen
	Ghosts       int64 // seen, never given
}

// Sum adds up.
func (l *Ledger) Sum() Sum {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Sum{Given: l.next, Ghosts: l.ghosts}
	for _, p := range l.points {
		if p.acked {
			s.Acknowledged++
		}
		if p.seen > 0 {
			s.Seen++
			s.Duplicates += int64(p.seen) - 1
		} else if p.acked {
			s.Lost++
		}
	}
	return s
}

// Intake are clients that write points of a [Ledger] and send each body again until it is answered with 2xx.
type Intake struct {
	Address string // of the http source
	Ledger  *Ledger
	Clients int
	Points  int // of the largest body; the sizes differ
	// Pause is how long a client waits before it sends a body again. With none given it waits as long as Retry-After says,
	// and half a second where nothing was answered.
	Pause func(client int) time.Duration
	Rest  time.Duration // of a client, behind each body that was taken

	stopping atomic.Bool
	wg       sync.WaitGroup

	mu       sync.Mutex
	answers  map[int]int64 // requests by status, 0 is no answer
	attempts int64         // points of requests without 2xx
	early    int64         // points with 2xx that the DataWay did not have
	unsaid   int64         // 429 and 503 without Retry-After
	odd      string        // the first answer that is neither 2xx, 429 nor 503
	last     time.Time     // the last 2xx
}

// Answers is what the clients of an [Intake] have met.
type Answers struct {
	ByStatus  map[int]int64 // requests, 0 is no answer
	Repeated  int64         // points of requests without 2xx: so many may arrive twice
	Early     int64         // points acknowledged before the DataWay had them
	NoRetry   int64         // 429 and 503 without Retry-After
	Odd       string        // the first answer that says neither yes nor later
	LastTaken time.Time     // the last 2xx
}

// Start starts the clients.
func (i *Intake) Start() {
	i.answers = map[int]int64{}
	for c := range i.Clients {
		i.wg.Go(func() { i.client(c) })
	}
}

// Stop lets every client finish the body that it is at, and waits for them until ctx ends.
func (i *Intake) Stop(ctx context.Context) error {
	i.stopping.Store(true)
	done := make(chan struct{})
	go func() {
		i.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("clients are left with bodies that nobody takes")
	}
}

// Answers returns what the clients have met so far.
func (i *Intake) Answers() Answers {
	i.mu.Lock()
	defer i.mu.Unlock()
	a := Answers{ByStatus: map[int]int64{}, Repeated: i.attempts, Early: i.early, NoRetry: i.unsaid, Odd: i.odd, LastTaken: i.last}
	for status, n := range i.answers {
		a.ByStatus[status] = n
	}
	return a
}

// Plus returns the sum of what two groups of clients have met.
func (a Answers) Plus(b Answers) Answers {
	sum := Answers{ByStatus: map[int]int64{}, Repeated: a.Repeated + b.Repeated, Early: a.Early + b.Early, NoRetry: a.NoRetry + b.NoRetry, Odd: a.Odd, LastTaken: a.LastTaken}
	for _, by := range []map[int]int64{a.ByStatus, b.ByStatus} {
		for status, n := range by {
			sum.ByStatus[status] += n
		}
	}
	if sum.Odd == "" {
		sum.Odd = b.Odd
	}
	if b.LastTaken.After(sum.LastTaken) {
		sum.LastTaken = b.LastTaken
	}
	return sum
}

// client writes bodies, one after the other.
func (i *Intake) client(number int) {
	// Less than this and a body that is late is sent a second time while the first is still waited for.
	const patience = 20 * time.Second
	dialer := net.Dialer{LocalAddr: ownAddress(number)}
	h := http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dialer.DialContext}}
	defer h.CloseIdleConnections()
	var body []byte
	for round := 0; !i.stopping.Load(); round++ {
		n := 1 + (round*7919+number*104729)%i.Points
		first := i.Ledger.Take(n)
		body = body[:0]
		for id := first; id < first+int64(n); id++ {
			body = fmt.Appendf(body, "request,host=web-%d,path=/v1/orders id=%di,took=%d.5,ok=true,bytes=%di %d\n", id%32, id, id%997, id%65536, 1700000000000000000+id)
		}
		for {
			wait, ok := i.send(&h, number, body, first, n)
			if ok {
				break
			}
			timer := time.NewTimer(wait)
			<-timer.C
		}
		if i.Rest > 0 {
			timer := time.NewTimer(i.Rest)
			<-timer.C
		}
	}
}

// ownAddress is where a client comes from: one of eight machines, as far as the server can see. Only Linux has all of 127.0.0.0/8.
func ownAddress(number int) net.Addr {
	if runtime.GOOS != "linux" {
		return nil
	}
	const machines = 8
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+number%machines))}
}

// send sends a body once. It reports whether it was taken, else how long to wait.
func (i *Intake) send(h *http.Client, number int, body []byte, first int64, n int) (wait time.Duration, ok bool) {
	const unanswered = 500 * time.Millisecond
	wait = unanswered
	status, said := 0, ""
	answer, err := h.Post("http://"+i.Address+"/v1/write/metric?input=intake", "text/plain", bytes.NewReader(body))
	if err == nil {
		status = answer.StatusCode
		text, _ := io.ReadAll(answer.Body) // what was cut does not change the status
		answer.Body.Close()
		said = string(text)
		if s, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
			wait = time.Duration(s) * time.Second
		} else if status != 0 {
			wait = 0
		}
	}
	early := 0
	if ok = status/100 == 2; ok {
		early = i.Ledger.Acknowledge(first, n)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers[status]++
	switch later := status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable; {
	case ok:
		i.early += int64(early)
		i.last = time.Now()
		return 0, true
	case later && wait == 0:
		i.unsaid++
	case status != 0 && !later && i.odd == "":
		i.odd = fmt.Sprintf("%d %s", status, said)
	}
	i.attempts += int64(n)
	if i.Pause != nil {
		wait = i.Pause(number)
	}
	return max(wait, time.Millisecond), false
}

// DataWay starts the stand-in for DataWay in this process, with a ledger that sees its points.
func DataWay(listen string, l *Ledger) (*embedded.DataWay, error) {
	return embedded.StartDataWay(embedded.DataWayOptions{Listen: listen, OnPoint: l.See})
}
