package hostile

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"dataflow/dsl/graph"
	"dataflow/engine"
	"dataflow/engine/deadletter"
	"dataflow/engine/runtime"
	_ "dataflow/sinks"
	_ "dataflow/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	healthy     = 10 * time.Second // before the server falls ill
	perSecond   = 2                // points of a lane
	concurrency = 4
	backoff     = 8 * time.Second // retry.max
	noticed     = time.Second     // that a dripping server takes to see that its client has gone
)

var lanes = []string{"logging", "metric"}

// graphOf is two sources with a lane each and one DataWay. A point is larger than a socket's buffer.
func graphOf(scheme string, count int) string {
	text := "version: 1\nname: hostile\nsources:\n"
	for _, lane := range lanes {
		text += fmt.Sprintf("  %s: {type: generate, rate: %d/s, count: %d, category: %s, template: \"$${n} %s\"}\n", lane, perSecond, count, lane, strings.Repeat("padding ", 5*1024/8))
	}
	return text + fmt.Sprintf(`sinks:
  out:
    type: dataway
    from: [%s]
    url: "%s://dataway.example?token=tkn_00000000000000000000000000000000"
    encoding: line
    gzip: 0
    concurrency: %d
    tls: {insecure_skip_verify: true}
    retry: {initial: 1s, max: %s}
`, strings.Join(lanes, ", "), scheme, concurrency, backoff)
}

// start runs a graph against the server.
func start(t *testing.T, text string, s *Server) (e *runtime.Engine, dir string, ended chan runtime.Result) {
	t.Helper()
	dir = t.TempDir()
	g, err := graph.Parse(filepath.Join(dir, "graph.yaml"), []byte(text), graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err = runtime.New(g, runtime.Options{Log: slog.New(slog.DiscardHandler), Env: engine.Env{Dial: s.Dial}, DrainTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ended = make(chan runtime.Result, 1)
	go func() { ended <- e.Run(context.Background(), nil) }()
	return e, dir, ended
}

// outcome is what came of a case.
type outcome struct {
	ill, healed, over time.Time
	requests          []Request
	letters           map[string]int // points in the dead letters by lane and number
	count             int            // points of a lane
}

// play runs a graph against a server that is healthy, ill for a time, and healthy again.
func play(t *testing.T, c hostility) (out outcome) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		scheme := "http"
		if c.tls {
			scheme, s.TLS = "https", &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
		}
		length := c.lasts
		if length == 0 {
			length = 6*time.Minute + 7*time.Second
		}
		out.count = int((healthy + length + time.Minute).Seconds()) * perSecond
		_, dir, ended := start(t, graphOf(scheme, out.count), s)
		time.Sleep(healthy) // in the bubble: the clock moves
		out.ill = time.Now()
		s.Behave(c.serve, c.dial, c.stall)
		time.Sleep(length)
		out.healed = time.Now()
		s.Behave(c.then, nil, false)
		if r := <-ended; r.Err != nil {
			t.Errorf("exit %d: %v", r.Code, r.Err)
		}
		out.over = time.Now()
		s.Wait()
		out.requests = s.Requests()
		out.letters = letters(t, filepath.Join(dir, "data", "hostile", "dead_letters"))
	})
	return out
}

func letters(t *testing.T, dir string) map[string]int {
	t.Helper()
	out := map[string]int{}
	if _, err := os.Stat(dir); err != nil {
		return out
	}
	damage, err := deadletter.Read(engine.OS{}, dir, func(e deadletter.Entry) error {
		v, _ := e.Point.Get("message")
		n, _, _ := strings.Cut(v.Str(), " ")
		out[e.Point.Category.String()+" "+n]++
		return nil
	})
	if err != nil || damage.Places > 0 {
		t.Errorf("reading the dead letters: %v %v", damage, err)
	}
	return out
}

// ledger is the account of a case.
type ledger struct {
	lost, twice, ambiguous int // points; ambiguous is how many a server has taken without saying so
	again                  int // points that a receiver which knows package ids has twice
	strayed                int // requests to elsewhere
	attempts, most         int // while the server was ill; most of one lane
	overlap                int // attempts of one lane that began while another of it was on its way, but for the bodies on their way at first
	offered, early         int // points until the server was healed, and those of them that it has stored by then
	recovery               time.Duration
}

func (o outcome) ledger() (l ledger) {
	type stored struct{ times, ids int }
	points := map[string]*stored{}
	ids := map[string]bool{}
	l.offered = len(lanes) * perSecond * int((healthy + o.healed.Sub(o.ill)).Seconds())
	byLane := map[string][]Request{}
	for _, r := range o.requests {
		if r.Lane != "" && !slices.Contains(lanes, r.Lane) {
			l.strayed++
		}
		if r.At.After(o.ill) && r.At.Before(o.healed) {
			byLane[r.Lane] = append(byLane[r.Lane], r)
			l.attempts++
		}
		if !r.Stored {
			continue
		}
		if r.Status/100 != 2 {
			l.ambiguous += len(r.Points)
		}
		if r.At.Before(o.healed) {
			l.early += len(r.Points)
		}
		for _, n := range r.Points {
			key := r.Lane + " " + strconv.FormatInt(n, 10)
			if points[key] == nil {
				points[key] = &stored{}
			}
			points[key].times++
			if !ids[r.ID] {
				points[key].ids++
			}
		}
		ids[r.ID] = true
	}
	for _, lane := range lanes {
		for n := range o.count {
			key := lane + " " + strconv.Itoa(n)
			p := points[key]
			if p == nil {
				if o.letters[key] == 0 {
					l.lost++
				}
				continue
			}
			l.twice += p.times - 1 + o.letters[key]
			l.again += p.ids - 1
		}
		if first := slices.IndexFunc(o.requests, func(r Request) bool { return r.Lane == lane && r.End.After(o.healed) && r.Status/100 == 2 }); first >= 0 {
			l.recovery = max(l.recovery, o.requests[first].End.Sub(o.healed))
		} else {
			l.recovery = o.over.Sub(o.healed)
		}
	}
	for lane, rs := range byLane {
		n := len(rs)
		if lane == "" {
			n = (n + 1) / len(lanes) // nobody knows whose they were
		}
		l.most = max(l.most, n)
		if lane == "" {
			continue
		}
		for i := concurrency + 1; i < len(rs); i++ {
			if rs[i-1].End.IsZero() || rs[i].At.Before(rs[i-1].End.Add(-noticed)) {
				l.overlap++
			}
		}
	}
	return l
}

// certificate makes a certificate for a server.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"dataway.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
