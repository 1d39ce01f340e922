package embedded

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dataflow/engine/point"
)

// DataWayOptions say how a [DataWay] is started. The zero value gives one on a free port that prints nothing.
type DataWayOptions struct {
	// Listen is the address; "" is a free port of loopback.
	Listen string
	// Print gets every accepted point as a line of line protocol, one write per body.
	Print io.Writer
	// OnPoint is called for every point of every accepted body, also of repeated ones. It may come from several
	// goroutines; the point is good until it returns.
	OnPoint func(p *point.Point)
	// MaxBody refuses larger bodies, after decompression, with 413; 0 is 64 MiB.
	MaxBody int64
}

// Fault is how a [DataWay] misbehaves.
type Fault struct {
	Status     int           // answered instead of 200; the points are not accepted. 0 is 200
	RetryAfter time.Duration // the header, with a Status
	Delay      time.Duration // before the answer
	Hang       bool          // no answer at all, until the client or the DataWay goes away
	Reset      bool          // the connection is cut after the points were accepted: the client cannot know
	Category   string        // only requests of this category
	Times      int           // after so many requests the fault is over; 0 is until [DataWay.SetFault]
}

// DataWay answers the write API like DataWay and counts what it was sent.
type DataWay struct {
	o      DataWayOptions
	url    string
	server *http.Server
	closed chan struct{}
	served chan error

	waiting atomic.Int64 // requests that hang

	mu    sync.Mutex
	fault *Fault
	stats DataWayStats
}

// DataWayStats is what a [DataWay] has seen.
type DataWayStats struct {
	Points   map[string]int64 // accepted, by category
	Bodies   int64            // accepted
	Refused  int64            // answered with a fault's status, or wrong
	Packages map[string]int   // accepted bodies, by X-Pkg-Id: above 1 they were sent again
	Index    map[string]int64 // accepted points, by X-Storage-Index-Name
}

// StartDataWay starts a DataWay. The caller closes it.
func StartDataWay(o DataWayOptions) (*DataWay, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded DataWay: %w", err)
	}
	d := &DataWay{o: o, url: "http://" + listener.Addr().String(), closed: make(chan struct{}), served: make(chan error, 1)}
	d.Reset()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/write/{category}", d.write)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	d.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { d.served <- d.server.Serve(listener) }()
	return d, nil
}

// URL returns the base URL with a token, as the option url of a dataway sink wants it.
func (d *DataWay) URL() string { return d.url + "?token=tkn_" + strings.Repeat("0", 32) }

// Close cuts every connection and waits for the server.
func (d *DataWay) Close() error {
	close(d.closed)
	err := d.server.Close()
	if served := <-d.served; err == nil && !errors.Is(served, http.ErrServerClosed) {
		err = served
	}
	return err
}

// SetFault changes the behaviour; nil is good behaviour. Requests that hang stay.
func (d *DataWay) SetFault(f *Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f != nil {
		own := *f
		f = &own
	}
	d.fault = f
}

// Reset forgets what was counted.
func (d *DataWay) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats = DataWayStats{Points: map[string]int64{}, Packages: map[string]int{}, Index: map[string]int64{}}
}

// Stats returns a copy of what was counted.
func (d *DataWay) Stats() DataWayStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.stats
	out.Points, out.Packages, out.Index = map[string]int64{}, map[string]int{}, map[string]int64{}
	for k, v := range d.stats.Points {
		out.Points[k] = v
	}
	for k, v := range d.stats.Packages {
		out.Packages[k] = v
	}
	for k, v := range d.stats.Index {
		out.Index[k] = v
	}
	return out
}

// take returns the fault that a request of the category meets.
func (d *DataWay) take(category string) Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fault
	if f == nil || f.Category != "" && f.Category != category {
		return Fault{}
	}
	if f.Times > 0 {
		if f.Times--; f.Times == 0 {
			d.fault = nil
		}
	}
	return *f
}

func (d *DataWay) write(w http.ResponseWriter, r *http.Request) {
	category := r.PathValue("category")
	fault := d.take(category)
	body, err := d.body(w, r)
	if err != nil {
		d.refuse(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	if !d.wait(r.Context(), fault) {
		panic(http.ErrAbortHandler) // a handler that returns is an answer: 200
	}
	if fault.Status != 0 && fault.Status/100 != 2 {
		if fault.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((fault.RetryAfter+time.Second-1)/time.Second)))
		}
		d.refuse(w, fault.Status, nil)
		return
	}
	if err := d.accept(category, r.Header, body); err != nil {
		d.refuse(w, http.StatusBadRequest, err)
		return
	}
	if fault.Reset {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
			return
		}
	}
	if fault.Status != 0 {
		w.WriteHeader(fault.Status)
	}
}

// wait reports whether there is an answer to give.
func (d *DataWay) wait(ctx context.Context, f Fault) bool {
	if f.Hang {
		d.waiting.Add(1)
		defer d.waiting.Add(-1)
		select {
		case <-ctx.Done():
		case <-d.closed:
		}
		return false
	}
	if f.Delay <= 0 {
		return true
	}
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-d.closed:
	}
	return false
}

func (d *DataWay) refuse(w http.ResponseWriter, status int, err error) {
	d.mu.Lock()
	d.stats.Refused++
	d.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	w.WriteHeader(status)
}

// body returns what was sent, unpacked.
func (d *DataWay) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	in := io.Reader(http.MaxBytesReader(w, r.Body, d.o.MaxBody))
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzip, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("unpacking the body: %w", err)
		}
		in = unzip
	}
	data, err := io.ReadAll(io.LimitReader(in, d.o.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if int64(len(data)) > d.o.MaxBody {
		return nil, errors.New("the body is too large")
	}
	return data, nil
}

const protobufType = "application/protobuf; proto=com.guance.Point"

// accept decodes a body, prints and counts its points.
func (d *DataWay) accept(category string, header http.Header, body []byte) error {
	c, ok := point.CategoryOf(category)
	if !ok || c.String() != category {
		return fmt.Errorf("%q is no category", category)
	}
	var (
		arena  point.Arena
		points []point.Point
		err    error
		o      = point.ReadOptions{Category: c, Precision: point.Nanoseconds}
	)
	if header.Get("Content-Type") == protobufType {
		points, err = point.ParseProtobuf(nil, &arena, body, o)
	} else {
		points, err = point.ParseLines(nil, &arena, body, o)
	}
	if err != nil {
		return err
	}
	if n := header.Get("X-Points"); n != "" && n != strconv.Itoa(len(points)) {
		return fmt.Errorf("X-Points says %s, the body holds %d", n, len(points))
	}
	if d.o.Print != nil {
		var text bytes.Buffer
		for i := range points {
			text.Write(point.AppendLine(nil, &points[i]))
			text.WriteByte('\n')
		}
		d.mu.Lock()
		_, err = d.o.Print.Write(text.Bytes())
		d.mu.Unlock()
		if err != nil {
			return fmt.Errorf("printing points: %w", err)
		}
	}
	if d.o.OnPoint != nil {
		for i := range points {
			d.o.OnPoint(&points[i])
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats.Bodies++
	d.stats.Points[category] += int64(len(points))
	if id := header.Get("X-Pkg-Id"); id != "" {
		d.stats.Packages[id]++
	}
	if index := header.Get("X-Storage-Index-Name"); index != "" {
		d.stats.Index[index] += int64(len(points))
	}
	return nil
}
