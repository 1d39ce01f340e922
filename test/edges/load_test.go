package edges

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	slow    = flag.Int("slow", 300, "slow clients; the guarantee is 2000, with -load 20s")
	sources = flag.Int("sources", 2000, "addresses that slow clients come from, at most 60000")
	load    = flag.Duration("load", 2*time.Second, "how long each stretch of load lasts; from 10s on the ratios are held to the guarantee")
)

// exact is how long a stretch must be for its ratios to mean something.
const exact = 10 * time.Second

// from returns a transport whose connections come from an address of this machine.
func from(address string) *http.Transport {
	var dialer net.Dialer
	if runtime.GOOS == "linux" { // only there are all of 127.0.0.0/8 addresses of the machine
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(address)}
	}
	return &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 100}
}

// pace sends requests from an address at a rate until ctx ends, and returns how many got 200 and how long each took.
func pace(ctx context.Context, address, source string, perSecond int, body string) (ok int, took []time.Duration, odd map[string]int) {
	transport := from(source)
	defer transport.CloseIdleConnections()
	client := http.Client{Timeout: 20 * time.Second, Transport: transport}
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	odd = map[string]int{}
	for {
		select {
		case <-ctx.Done():
			return ok, took, odd
		case <-tick.C:
		}
		start := time.Now()
		resp, err := client.Post("http://"+address+"/v1/write/metric", "", strings.NewReader(body))
		if err != nil {
			odd[err.Error()[strings.LastIndex(err.Error(), ": ")+2:]]++
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode == 200 {
			ok++
			took = append(took, time.Since(start))
		} else {
			odd[resp.Status]++
		}
	}
}

// stretch runs paced clients, each from an address of its own, for the time of -load, and returns how long each answer took.
func stretch(t *testing.T, address string, clients, perSecond int) (all []time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), *load)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			_, took, odd := pace(ctx, address, fmt.Sprintf("127.0.1.%d", 1+i), perSecond, "m f=1i 1700000000000000000")
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			for what, n := range odd {
				t.Logf("client %d: %d times %s", i, n, what)
			}
		})
	}
	wg.Wait()
	if len(all) == 0 {
		t.Fatal("nobody was served")
	}
	return all
}

// percentiles sorts all, of which there must be one.
func percentiles(all []time.Duration) (count int, p50, p99 time.Duration) {
	slices.Sort(all)
	return len(all), all[len(all)/2], all[len(all)*99/100]
}

// slowly holds a connection to the source in one of four ways, again and again, until ctx ends.
func slowly(ctx context.Context, address string, number int) (connections int) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	if runtime.GOOS == "linux" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 1, byte(number%*sources/250), byte(1+number%*sources%250))}
	}
	const post = "POST /v1/write/network?dry=1&echo=json HTTP/1.1\r\nHost: x\r\n"
	pause(ctx, rand.N(time.Second)) // slow clients know nothing of each other
	for ctx.Err() == nil {
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			pause(ctx, time.Second)
			continue
		}
		connections++
		stop := context.AfterFunc(ctx, func() { c.Close() })
		drip := time.NewTicker(500 * time.Millisecond)
		switch number % 4 {
		case 0: // headers, a byte at a time
			for text := post + "X: " + strings.Repeat("y", 1<<10); text != ""; text = text[1:] {
				if _, err = io.WriteString(c, text[:1]); err != nil {
					break
				}
				<-drip.C
			}
		case 1: // a body, a byte at a time
			_, err = io.WriteString(c, post+"Content-Length: 100000\r\n\r\n")
			for err == nil {
				_, err = io.WriteString(c, "m")
				<-drip.C
			}
		case 2: // an answer that is not read
			body := strings.Repeat("m f=1i\n", 1000)
			if _, err = fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", post, len(body), body); err == nil {
				<-ctx.Done()
			}
		case 3: // nothing at all
			_, _ = c.Read(make([]byte, 1))
		}
		drip.Stop()
		stop()
		c.Close()
		pause(ctx, time.Second/2+rand.N(time.Second)) // a slow client is no flood of connections
	}
	return connections
}

// pause waits, until ctx ends at most.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// idler serves nobody: it reads what comes and closes connections after five seconds.
func idler(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// asCrowd is set, to the address that they go to, in the process of the slow clients: in that of the others, which are
// measured, the runtime would let these wait.
const asCrowd = "EDGES_CROWD"

// beCrowd is slow until the input is closed.
func beCrowd(address string) int {
	flag.Parse()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var connections atomic.Int64
	var wg sync.WaitGroup
	for i := range *slow {
		wg.Go(func() { connections.Add(int64(slowly(ctx, address, i))) })
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	wg.Wait()
	fmt.Printf("%d connections\n", connections.Load())
	return 0
}

// startCrowd runs beCrowd. Leave ends it and returns how many connections there were.
func startCrowd(t *testing.T, address string) (leave func() int) {
	t.Helper()
	var said strings.Builder
	cmd := exec.Command(os.Args[0], "-slow", fmt.Sprint(*slow), "-sources", fmt.Sprint(*sources))
	cmd.Env = append(os.Environ(), asCrowd+"="+address)
	cmd.Stdout, cmd.Stderr = &said, &said
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return func() (connections int) {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err, said.String())
		}
		if _, err := fmt.Sscanf(said.String(), "%d", &connections); err != nil || connections == 0 {
			t.Fatalf("the slow clients said %q: %v", said.String(), err)
		}
		return connections
	}
}

// TestSlowClients: however many clients send slowly, read slowly or do nothing, the others are served as without them (guarantees E7).
func TestSlowClients(t *testing.T) {
	address := freeAddress(t)
	serve(t, graphOf(fmt.Sprintf("listen: %q", address)))
	const clients, perSecond = 8, 50
	stretch(t, address, clients, perSecond) // the first one warms up
	connections := 0
	crowd := func(address string) (leave func()) {
		out := startCrowd(t, address)
		return func() { connections = out() }
	}
	// What it is compared with: as many slow clients, which take the same processors, at a server that has nothing to do with the engine.
	turns := 1
	if *load >= exact {
		turns = 5
	}
	idle := idler(t)
	var without, with []time.Duration
	for range turns {
		leave := crowd(idle)
		without = append(without, stretch(t, address, clients, perSecond)...)
		leave()
		leave = crowd(address)
		with = append(with, stretch(t, address, clients, perSecond)...)
		leave()
	}
	ok, half, late := percentiles(without)
	okThen, halfThen, lateThen := percentiles(with)
	t.Logf("figure: %d slow clients with %d connections: p50 %v instead of %v, p99 %v instead of %v, %d requests instead of %d, in %d turns of %v",
		*slow, connections, halfThen, half, lateThen, late, okThen, ok, turns, *load)
	if okThen < ok/2 {
		t.Errorf("%d requests instead of %d", okThen, ok)
	}
	if *load >= exact && (lateThen > 2*late || okThen < ok*9/10) {
		t.Errorf("p99 is %v instead of %v, %d requests instead of %d", lateThen, late, okThen, ok)
	}
}

// TestHog: a client that sends ten times what it may does not take the others' rate (guarantees E9).
func TestHog(t *testing.T) {
	address := freeAddress(t)
	const rate = 100
	serve(t, graphOf(fmt.Sprintf("listen: %q, client_rate: %d/s", address, rate)))
	const clients, perSecond = 4, 80
	ok := len(stretch(t, address, clients, perSecond))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var taken, refused atomic.Int64
	body := bytes.Repeat([]byte("m f=1i 1700000000000000000\n"), 100)
	for range 10 {
		wg.Go(func() {
			n, _, odd := pace(ctx, address, "127.0.0.9", rate, string(body))
			taken.Add(int64(n))
			for _, k := range odd {
				refused.Add(int64(k))
			}
		})
	}
	okThen, _, late := percentiles(stretch(t, address, clients, perSecond))
	cancel()
	wg.Wait()
	t.Logf("figure: a hog at ten times its rate was served %d times and refused %d times in %v; the others had %d requests instead of %d, p99 %v", taken.Load(), refused.Load(), *load, okThen, ok, late)
	least := ok / 2
	if *load >= exact {
		least = ok * 9 / 10
	}
	if okThen < least {
		t.Errorf("the others had %d requests instead of %d", okThen, ok)
	}
	if most := rate*int64(load.Seconds()+2) + rate; taken.Load() > most && runtime.GOOS == "linux" {
		t.Errorf("the hog was served %d times, with %d a second", taken.Load(), rate)
	}
}
