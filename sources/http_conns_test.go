package sources

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"dataflow/engine"
)

// connRoom is a limited listener with a clock of its own.
type connRoom struct {
	*limitedListener
	t     *testing.T
	clock time.Time
}

func newConnRoom(t *testing.T, most int) *connRoom {
	r := &connRoom{t: t, clock: time.Unix(1, 0)}
	r.limitedListener = newLimitedListener(nil, most, nil, func() time.Time {
		r.clock = r.clock.Add(time.Second)
		return r.clock
	})
	return r
}

func (r *connRoom) conn(addr string) *limitedConn {
	a, b := net.Pipe()
	r.t.Cleanup(func() { a.Close(); b.Close() })
	return &limitedConn{Conn: a, from: r.limitedListener, addr: netip.MustParseAddr(addr)}
}

// in lets a connection in and returns it.
func (r *connRoom) in(addr string) *limitedConn {
	r.t.Helper()
	c := r.conn(addr)
	if entered, _ := r.enter(c); !entered {
		r.t.Fatalf("%s is kept out", addr)
	}
	return c
}

// displaces checks which connection a new one of addr displaces; nil for none that is let in.
func (r *connRoom) displaces(addr string, want *limitedConn) {
	r.t.Helper()
	entered, victim := r.enter(r.conn(addr))
	if entered != (want != nil) || victim != want {
		r.t.Errorf("a connection of %s: entered %v, displaced %p, want %p", addr, entered, victim, want)
	}
}

// TestHTTPConnections holds connections of one address to their share, and keeps room for others.
func TestHTTPConnections(t *testing.T) {
	r := newConnRoom(t, 16)
	hog := r.in("10.0.0.1")
	r.in("10.0.0.1")
	r.displaces("10.0.0.1", hog) // an eighth of them: its own make room
	local := r.in("127.0.0.1")
	for range 13 {
		r.in("127.0.0.1")
	}
	other := r.conn("10.0.0.3")
	if got, victim := r.enter(other); !got || victim != local {
		t.Errorf("all are taken: %v, %p goes, want %p of the address with the most", got, victim, local)
	}
	for range 2 {
		other.Close() // twice counts once
	}
	if r.open != 15 || len(r.by) != 2 {
		t.Errorf("%d open of %d addresses", r.open, len(r.by))
	}
	if got, victim := r.enter(r.conn("127.0.0.1")); !got || victim != nil {
		t.Error("a closed connection makes no room")
	}
	if keyOf(netip.MustParseAddr("2001:db8::1")) != keyOf(netip.MustParseAddr("2001:db8::2")) {
		t.Error("a host of IPv6 is many clients")
	}
}

// TestHTTPDisplaces: whoever waits longest for an answer goes first, whatever the number of addresses; whoever waits for the engine stays.
func TestHTTPDisplaces(t *testing.T) {
	r := newConnRoom(t, 4)
	a, b, c, d := r.in("10.0.0.1"), r.in("10.0.0.2"), r.in("10.0.0.3"), r.in("10.0.0.4")
	a.work(1)
	a.answered(httptest.NewRequest("GET", "/", nil)) // it is the newest now
	b.work(1)                                        // it waits for the engine
	r.displaces("10.0.0.5", c)                       // as many connections as the others have
	r.displaces("10.0.0.4", d)                       // one of an address that has no fewer than the others only takes from itself
	r.displaces("10.0.0.6", a)                       // displaced ones count no more: a is older than the two that came since
	b.answered(httptest.NewRequest("GET", "/", nil))
	two := r.in("10.0.0.7") // displaces that of 10.0.0.5
	for _, x := range r.by {
		x.Front().Value.(*limitedConn).work(1)
	}
	r.displaces("10.0.0.8", nil)                     // all wait for the engine
	c.answered(httptest.NewRequest("GET", "/", nil)) // one that was displaced has an answer nevertheless
	two.Close()
	r.in("10.0.0.8")
}

// TestHTTPAnswerBegins: a connection whose request the engine had for long is not the first to go while its answer is written.
func TestHTTPAnswerBegins(t *testing.T) {
	r := newConnRoom(t, 2)
	long := r.in("10.0.0.1")
	long.work(1)
	slow := r.in("10.0.0.2")
	w := &answerWriter{ResponseRecorder: httptest.NewRecorder(), written: func() { r.displaces("10.0.0.3", slow) }}
	if _, err := newAnswer(w, time.Second, long).Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	long.answered(httptest.NewRequest("GET", "/", nil))
	if long.working != 0 {
		t.Errorf("%d requests are with the engine, all are answered", long.working)
	}
}

// answerWriter is an answer that something happens beside.
type answerWriter struct {
	*httptest.ResponseRecorder
	written func()
}

// Write calls written.
func (w *answerWriter) Write(b []byte) (int, error) {
	w.written()
	return len(b), nil
}

// TestHTTPSlowDisplaced: with every place taken by slow clients of as many addresses, a request is answered; one that the graph has keeps its place.
func TestHTTPSlowDisplaced(t *testing.T) {
	reached, waiting := make(chan struct{}, 2), make(chan struct{})
	a := newAPI(t, nil)
	room := newConnRoom(t, 3)
	entered := make(chan *limitedConn, 10)
	base := a.source.handler(t.Context(), func(ctx context.Context, b *engine.Batch) error {
		reached <- struct{}{}
		<-waiting
		return a.emit(ctx, b)
	})
	server := httptest.NewUnstartedServer(base)
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return withConn(ctx, c)
	}
	number := byte(0)
	server.Listener = acceptAs{server.Listener, func(c net.Conn) net.Conn {
		number++ // each from an address of its own
		conn := &limitedConn{Conn: c, from: room.limitedListener, addr: netip.AddrFrom4([4]byte{10, 0, 0, number})}
		got, victim := room.enter(conn)
		if victim != nil {
			victim.Close()
		}
		if !got {
			t.Error("kept out")
		}
		entered <- conn
		return &strictConn{Conn: conn}
	}}
	server.Start()
	t.Cleanup(server.Close)
	slow := func() net.Conn {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := fmt.Fprint(c, "POST /v1/write/metric HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nm "); err != nil {
			t.Fatal(err)
		}
		<-entered
		return c
	}
	done := make(chan int, 1)
	post := func() {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Post(server.URL+"/v1/write/metric", "", strings.NewReader("m f=1i 1700000000000000000"))
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		resp.Body.Close()
		done <- resp.StatusCode
	}
	go post()
	<-entered
	<-reached
	for range 6 {
		slow()
	}
	close(waiting)
	if got := <-done; got != 200 {
		t.Errorf("the request that the graph has: %d", got)
	}
	post()
	<-entered
	if got := <-done; got != 200 {
		t.Errorf("a request beside slow ones: %d", got)
	}
}

// acceptAs is a listener whose connections are what as makes of them.
type acceptAs struct {
	net.Listener
	as func(net.Conn) net.Conn
}

// Accept returns the next connection.
func (l acceptAs) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.as(c), nil
}

// TestHTTPIdleBytes: a connection that sends what is no request is read slowly, until requests of it are answered.
func TestHTTPIdleBytes(t *testing.T) {
	r := newConnRoom(t, 4)
	a, b := net.Pipe()
	c := &limitedConn{Conn: a, from: r.limitedListener}
	t.Cleanup(func() { a.Close(); b.Close() })
	read := func(n int) (took time.Duration) {
		go func() { _, _ = b.Write(make([]byte, n)) }()
		start := time.Now()
		for buffer := make([]byte, 16<<10); n > 0; {
			k, err := c.Read(buffer[:min(n, len(buffer))])
			if err != nil {
				t.Fatal(err)
			}
			n -= k
		}
		return time.Since(start)
	}
	read(maxIdleBytes + 1)
	if took := read(64 << 10); took < 4*idlePause {
		t.Errorf("64 KiB are read within %v", took)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	before := c.idle.Load()
	c.answered(httptest.NewRequest("GET", "/", nil).WithContext(gone))
	if c.idle.Load() != before {
		t.Error("a request that was taken back pays")
	}
	for c.idle.Load() > 0 {
		c.answered(httptest.NewRequest("GET", "/", nil))
	}
	if c.idle.Load() != 0 {
		t.Errorf("%d idle bytes", c.idle.Load())
	}
	for range 100 { // a long body in many pieces costs nothing
		read(1 << 20)
		c.took(1 << 20)
	}
	if c.idle.Load() > 0 {
		t.Errorf("%d idle bytes of a body", c.idle.Load())
	}
}

// TestHTTPDisplacementModel compares the order of addresses with a look at all of them, through connections that come, work, are answered and go.
func TestHTTPDisplacementModel(t *testing.T) {
	r := newConnRoom(t, 24)
	random := rand.New(rand.NewPCG(7, 11))
	var open []*limitedConn
	// victim is the rule: of the address with the most connections the one that is the longest without an answer, and at nothing.
	victim := func(addr netip.Addr) (out *limitedConn) {
		count := map[netip.Addr]int{}
		most := 0
		for _, c := range open {
			count[c.addr]++
			most = max(most, count[c.addr])
		}
		for _, c := range open {
			fits := count[c.addr] == most
			if count[addr] == most {
				fits = c.addr == addr
			}
			if fits && c.working == 0 && (out == nil || c.since.Before(out.since)) {
				out = c
			}
		}
		return out
	}
	displaced := 0
	for range 20_000 {
		switch k := random.IntN(8); {
		case k < 3 || len(open) == 0:
			c := &limitedConn{from: r.limitedListener, addr: netip.AddrFrom4([4]byte{127, 0, 0, byte(random.IntN(12))})}
			var want *limitedConn
			full := len(open) == r.most
			if full {
				want = victim(c.addr)
			}
			entered, got := r.enter(c)
			if got != want || entered != (!full || want != nil) {
				t.Fatalf("%v of %d connections: entered %v, displaced %p, want %p", c.addr, len(open), entered, got, want)
			}
			if got != nil {
				displaced++
				open = slices.DeleteFunc(open, func(o *limitedConn) bool { return o == got })
			}
			if entered {
				open = append(open, c)
			}
		case k < 5:
			open[random.IntN(len(open))].work(1)
		case k < 7:
			if c := open[random.IntN(len(open))]; c.working > 0 {
				c.answered(httptest.NewRequest("GET", "/", nil))
			} else {
				c.answers()
			}
		default:
			i := random.IntN(len(open))
			r.remove(open[i])
			open = slices.Delete(open, i, i+1)
		}
		if len(open) != r.open {
			t.Fatalf("%d connections are open, counted %d", len(open), r.open)
		}
	}
	if displaced < 1000 {
		t.Errorf("only %d displaced", displaced)
	}
}
