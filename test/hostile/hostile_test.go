package hostile

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A hostility is a way in which a DataWay misbehaves for six minutes.
type hostility struct {
	name  string
	serve Behaviour
	dial  func(context.Context) error
	stall bool // of the TLS handshake
	tls   bool
	lasts time.Duration // if not six minutes
	then  Behaviour     // afterwards, nil is Accept

	attempt time.Duration // that one takes until the client gives up
	wish    time.Duration // the destination's for the next attempt; 0 is a back-off with full jitter
	works   bool          // requests succeed, one way or another: there is nothing to slow down for
	buries  bool          // points go to the dead letters
}

func fails(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

const (
	header = 30 * time.Second // what the client waits for an answer's header, or for the whole exchange
	dialed = 5 * time.Second  // and for a connection, or a handshake
)

// taken is how much of an endless answer a client has taken.
var taken atomic.Int64

func note(n int64) { taken.Store(max(taken.Load(), n)) }

func someGuilty(n int64) bool { return n%50 == 7 }

func hostilities() []hostility {
	return []hostility{
		{name: "500", serve: Status(500, "oh")},
		{name: "502", serve: Status(502, "<html>Bad Gateway</html>")},
		{name: "503", serve: Status(503, "", "Connection: close")},
		{name: "503 Retry-After 20", serve: Status(503, "", "Retry-After: 20"), wish: 20 * time.Second},
		{name: "429", serve: Status(429, "")},
		{name: "429 Retry-After 20", serve: Status(429, "", "Retry-After: 20"), wish: 20 * time.Second},
		{name: "429 Retry-After date", serve: UntilDate(40 * time.Second), wish: 40 * time.Second},
		{name: "429 Retry-After absurd", serve: Status(429, "", "Retry-After: 99999999999"), wish: 5 * time.Minute},
		{name: "429 Retry-After nonsense", serve: Status(429, "", "Retry-After: soon")},
		{name: "413 above 20 kB", serve: Above(20_000), works: true},
		{name: "503, then 413 above 20 kB unread", serve: Then(Status(503, ""), 3*time.Minute, AboveUnread(20_000)), works: true},
		{name: "413 always", serve: Status(413, ""), works: true, buries: true, lasts: 30 * time.Second},
		{name: "400 always", serve: Status(400, `{"error_code":"bad"}`), works: true, buries: true, lasts: 30 * time.Second},
		{name: "503, then 400 for some points", serve: Then(Status(503, ""), 3*time.Minute, Refusing(someGuilty)), works: true, buries: true},
		{name: "401", serve: Status(401, "who?"), wish: 30 * time.Second},
		{name: "403 beyond usage", serve: Status(403, `{"error_code":"ft.beyondDataUsage"}`), wish: 30 * time.Second},
		{name: "400 beyond usage", serve: Status(400, `{"error_code":"ft.beyondDataUsage"}`), wish: 30 * time.Second},
		{name: "404", serve: Status(404, ""), wish: 30 * time.Second},
		{name: "301", serve: Status(301, "", "Location: http://dataway.example/v1/elsewhere"), wish: 30 * time.Second},
		{name: "100 and nothing more", serve: ContinueOnly, attempt: header},
		{name: "102 for ever", serve: ContinueForEver, attempt: header},
		{name: "accepts, never reads", serve: NeverRead, attempt: header + time.Second},
		{name: "reads, never answers", serve: NeverAnswer, attempt: header},
		{name: "header, then a drip", serve: DripBody, works: true},
		{name: "header that drips", serve: DripHeader, attempt: header},
		{name: "half-close after the body", serve: HalfClose},
		{name: "reset in the body", serve: ResetInBody},
		{name: "reset after the body", serve: ResetAfterBody},
		{name: "200 of 1 GB", serve: Huge(200, note), works: true},
		{name: "503 of 1 GB", serve: Huge(503, note)},
		{name: "garbage", serve: Raw(Garbage)},
		{name: "GOAWAY", serve: Raw(GoAway)},
		{name: "GOAWAY within TLS", serve: Raw(GoAway), tls: true},
		{name: "reset within TLS", serve: ResetInBody, tls: true},
		{name: "handshake stalls", stall: true, tls: true, attempt: dialed},
		{name: "reset in place of a connection", tls: true, dial: fails(syscall.ECONNRESET)},
		{name: "no such host", dial: fails(&net.DNSError{Err: "no such host", Name: "dataway.example", IsNotFound: true})},
		{name: "refused connection", dial: fails(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})},
		{name: "packets vanish", dial: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, attempt: dialed},
	}
}

// TestHostile is D18: whatever DataWay does, nothing is lost, only what it may have taken comes twice and then with the same package id,
// a lane that fails has one attempt for each back-off, and all is well soon after DataWay is.
func TestHostile(t *testing.T) {
	for _, c := range hostilities() {
		t.Run(c.name, func(t *testing.T) {
			taken.Store(0)
			o := play(t, c)
			l := o.ledger()
			t.Logf("figure: %-28s %5d requests while ill, %5d of a lane; lost %d, twice %d of %d ambiguous, dead letters %d, recovered after %v",
				c.name, l.attempts, l.most, l.lost, l.twice, l.ambiguous, len(o.letters), l.recovery.Round(time.Millisecond))
			if l.lost != 0 || l.again != 0 || l.twice > l.ambiguous || l.strayed != 0 {
				t.Errorf("%+v", l)
			}
			if (len(o.letters) > 0) != c.buries {
				t.Errorf("%d dead letters", len(o.letters))
			}
			period := max(backoff, c.wish) + c.attempt
			if l.recovery > 2*period {
				t.Errorf("recovered %v after the server has, at most 2 periods of %v are right", l.recovery, period)
			}
			if n := taken.Load(); n > 64<<10+socketBuffer+4<<10 {
				t.Errorf("%d bytes of an answer were taken", n)
			}
			if c.works {
				if l.early < l.offered*8/10 && !c.buries {
					t.Errorf("%d points of %d arrived while the server was ill", l.early, l.offered)
				}
				return
			}
			mean := backoff / 2 // of full jitter
			if c.wish > 0 {
				mean = c.wish
			}
			// The bodies on their way when it begins, the shorter waits at first, and then one for each wait.
			ill := o.healed.Sub(o.ill)
			if most := concurrency + 5 + int(1.5*float64(ill)/float64(mean+c.attempt)); l.most > most || l.overlap > 0 {
				t.Errorf("%d attempts of a lane within %v, %d side by side; at most %d one by one are right", l.most, ill, l.overlap, most)
			}
			if l.attempts == 0 {
				t.Error("the server was not even asked")
			}
		})
	}
}

// Points that are refused are the only ones in the dead letters, though they stood in bodies of hundreds.
func TestOnlyTheGuiltyAreBuried(t *testing.T) {
	o := play(t, hostility{serve: Then(Status(503, ""), 3*time.Minute, Refusing(someGuilty))})
	guilty, probes := 0, 0
	for key := range o.letters {
		_, text, _ := strings.Cut(key, " ")
		if n, err := strconv.ParseInt(text, 10, 64); err != nil || !someGuilty(n) {
			t.Errorf("%s is in the dead letters", key)
		}
		guilty++
	}
	for _, r := range o.requests {
		if strings.Count(r.ID, "-") > 0 {
			probes++
		}
	}
	if l := o.ledger(); l.lost != 0 || l.twice != 0 || guilty == 0 {
		t.Errorf("%d guilty: %+v", guilty, l)
	}
	// Twelve or so in bodies of some hundred points each, the others alone.
	if most := guilty * 2 * 10; probes == 0 || probes > most {
		t.Errorf("%d requests to find %d, at most %d are right", probes, guilty, most)
	}
}

// What is answered to one category stops no other: neither a refusal nor a request to wait, nor a connection that hangs.
func TestLanesAreIndependent(t *testing.T) {
	for name, ill := range map[string]Behaviour{
		"401": Status(401, ""), "beyond usage": Status(403, "beyondDataUsage"), "429": Status(429, "", "Retry-After: 600"), "never answers": NeverAnswer, "500": Status(500, ""),
	} {
		t.Run(name, func(t *testing.T) {
			o := play(t, hostility{serve: On("logging", ill)})
			arrived := 0
			for _, r := range o.requests {
				if r.Lane == "metric" && r.Stored && r.At.After(o.ill) && r.At.Before(o.healed) {
					arrived += len(r.Points)
				}
			}
			if want := perSecond * int(o.healed.Sub(o.ill).Seconds()); arrived < want-concurrency {
				t.Errorf("%d metrics of %d arrived while logs were refused", arrived, want)
			}
			if l := o.ledger(); l.lost != 0 || l.again != 0 || l.twice > l.ambiguous {
				t.Errorf("%+v", l)
			}
		})
	}
}

// A DataWay that does something else at each request, but never takes a guilty point: these alone are buried.
func TestStorm(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			usual := Refusing(someGuilty)
			o := play(t, hostility{then: usual, serve: AnyOf(seed, usual, usual, usual, Status(500, ""), Status(503, "", "Retry-After: 3"), Status(429, ""), Status(401, ""), NeverRead, NeverAnswer,
				ContinueOnly, DripHeader, HalfClose, ResetInBody, ResetAfterBody, Huge(503, note), Raw(Garbage), Raw(GoAway))})
			l := o.ledger()
			t.Logf("figure: storm %d: %d requests; lost %d, twice %d of %d ambiguous, dead letters %d, recovered after %v", seed, len(o.requests), l.lost, l.twice, l.ambiguous, len(o.letters), l.recovery.Round(time.Millisecond))
			if l.lost != 0 || l.twice > l.ambiguous {
				t.Errorf("%+v", l)
			}
			for key := range o.letters {
				_, text, _ := strings.Cut(key, " ")
				if n, _ := strconv.ParseInt(text, 10, 64); !someGuilty(n) {
					t.Errorf("%s is in the dead letters", key)
				}
			}
		})
	}
}
