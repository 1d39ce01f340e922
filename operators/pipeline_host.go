package operators

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/refer"
	"dataflow/engine"
	"dataflow/engine/httpclient"
	"dataflow/engine/point"
)

type httpConfig struct {
	Hosts        []string       `yaml:"hosts" doc:"names that may be asked; *.example.com is every name below example.com. They may lead to public addresses"`
	CIDRs        []netip.Prefix `yaml:"cidrs" doc:"addresses that may be asked, by whatever name; the only way to loopback, link-local and other special addresses"`
	AllowPrivate bool           `yaml:"allow_private" doc:"the names may lead to private addresses (10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7), too"`
	Timeout      time.Duration  `yaml:"timeout" doc:"of a request, from the look-up of the name to the end of the reply; 2s unless it is given"`
	MaxBody      engine.Size    `yaml:"max_body" doc:"of a reply; the script gets nil for a longer one; 64KiB unless it is given"`
	Rate         engine.Rate    `yaml:"rate" doc:"requests of the node; the script gets nil for those above it; 10/s unless it is given"`
}

type geoConfig struct {
	Database engine.File `yaml:"database" required:"true" doc:"a database of MaxMind's format with cities"`
	ISP      engine.File `yaml:"isp" doc:"a list of networks by provider"`
}

// outside is what the scripts of a node reach outside of their points.
type outside struct {
	fetch    *httpclient.Fetcher // nil: http_request is off
	timeout  time.Duration
	rate     engine.Rate
	bucket   *bucket
	now      func() time.Time
	requests func(outcome string)

	tables *tables // nil: there are none
	places *geo.DB // nil: there is none
}

var _ pipeline.Host = (*outside)(nil)

// newOutside returns nil if nothing outside is configured.
func newOutside(env engine.Env, c pipelineConfig) (*outside, error) {
	if c.HTTP == nil && c.Tables == nil && c.GeoIP == nil {
		return nil, nil
	}
	o := &outside{now: env.Now, requests: func(outcome string) { env.Counter("script_http_requests", outcome).Add(1) }}
	var errs []error
	if c.HTTP != nil {
		errs = append(errs, o.allow(env, *c.HTTP))
	}
	var err error
	if c.Tables != nil {
		o.tables, err = newTables(env, *c.Tables)
		errs = append(errs, err)
	}
	if c.GeoIP != nil {
		if o.places, err = geo.Open(c.GeoIP.Database.Data, c.GeoIP.ISP.Data); err != nil {
			errs = append(errs, engine.FieldError("geoip", err))
		}
	}
	return o, errors.Join(errs...)
}

// allow lets requests out as the option http says.
func (o *outside) allow(env engine.Env, c httpConfig) error {
	var errs []error
	fail := func(option, text string) { errs = append(errs, engine.FieldError(option, errors.New(text))) }
	o.timeout, o.rate = cmp.Or(c.Timeout, 2*time.Second), cmp.Or(c.Rate, engine.Rate{Amount: 10})
	o.bucket = &bucket{tokens: o.rate.Amount, last: env.Now()} // with room for a second's requests
	if len(c.Hosts) == 0 && len(c.CIDRs) == 0 {
		fail("http", "nothing is allowed: give hosts or cidrs")
	}
	if o.rate.Bytes {
		fail("http.rate", "must be a number of requests in a time, as in 10/s")
	}
	for _, h := range c.Hosts {
		if rest := strings.TrimPrefix(h, "*."); rest == "" || strings.ContainsAny(rest, "*/: ") && !isAddress(rest) {
			fail("http.hosts", `"`+h+`" is no name: write api.example.com or *.example.com`)
		}
	}
	o.fetch = httpclient.NewFetcher(env, httpclient.FetchOptions{
		Guard:   &httpclient.Guard{Hosts: c.Hosts, Networks: c.CIDRs, Private: c.AllowPrivate},
		Timeout: o.timeout, MaxBody: int64(cmp.Or(c.MaxBody, 64<<10)),
	})
	return errors.Join(errs...)
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

var (
	errRequestsOff = errors.New("requests are off: the option http is not given")
	errRate        = errors.New("over the rate of requests")
	errMethod      = errors.New("a method that is not allowed")
)

// Do implements [pipeline.Host]. It blocks the worker, as long as the timeout says.
func (o *outside) Do(r pipeline.Request) (pipeline.Reply, error) {
	if o.fetch == nil {
		return pipeline.Reply{}, errRequestsOff
	}
	reply, err := o.do(r)
	switch {
	case err == nil:
		o.requests("ok")
	case errors.Is(err, errRate):
		o.requests("rate")
	case errors.Is(err, httpclient.ErrRefused), errors.Is(err, errMethod):
		o.requests("refused")
	default:
		o.requests("failed")
	}
	return reply, err
}

func (o *outside) do(r pipeline.Request) (reply pipeline.Reply, err error) {
	req, err := http.NewRequest(r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return reply, err
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return reply, httpclient.ErrRefused
	}
	if req.Method == http.MethodConnect || req.Method == http.MethodTrace {
		return reply, errMethod
	}
	for k, v := range r.Header {
		if http.CanonicalHeaderKey(k) == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	if n, _ := o.bucket.take(o.rate, time.Second, make([]point.Point, 1), o.now()); n == 0 {
		return reply, errRate
	}
	answer, err := o.fetch.Do(context.Background(), req)
	return pipeline.Reply{Status: answer.Status, Body: string(answer.Body)}, err
}

// Table implements [pipeline.Host].
func (o *outside) Table(name string) *refer.Table { return o.tables.table(name) }

// Locate implements [pipeline.Host].
func (o *outside) Locate(ip string) (place geo.Place, ok bool) {
	if o.places == nil {
		return geo.Place{}, false
	}
	return o.places.Locate(ip)
}

// ready waits until what must be loaded before the first point has been tried.
func (o *outside) ready(ctx context.Context) error {
	if o == nil || o.tables == nil {
		return nil
	}
	return o.tables.ready(ctx)
}

func (o *outside) close(ctx context.Context) error {
	if o.fetch != nil {
		o.fetch.Close()
	}
	if o.tables != nil {
		return o.tables.close(ctx)
	}
	return nil
}
