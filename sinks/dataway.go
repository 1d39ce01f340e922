package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"dataflow/engine"
	"dataflow/engine/httpclient"
	"dataflow/engine/point"
)

const (
	encodingProtobuf = "protobuf"
	encodingLine     = "line"

	typeProtobuf = "application/protobuf; proto=com.guance.Point"
	typeLine     = "application/line-protocol"

	headerIndex       = "X-Storage-Index-Name"
	headerTags        = "X-Global-Tags"
	headerSubCategory = "X-Sub-Category"
	headerEncoding    = "Content-Encoding"
)

type datawayConfig struct {
	URL          engine.Secret     `yaml:"url" required:"true" doc:"address with its token, as in https://openway.example?token=tkn_...; a path is dropped, the whole query is kept"`
	Encoding     string            `yaml:"encoding" enum:"protobuf,line" doc:"how points are written"`
	Gzip         int               `yaml:"gzip" doc:"compression level from 1 to 9, 0 is none"`
	MaxBody      engine.Size       `yaml:"max_body" doc:"largest body before compression; a point that is larger fails"`
	Concurrency  int               `yaml:"concurrency" doc:"bodies of one category that are sent at once"`
	GlobalTags   map[string]string `yaml:"global_tags" doc:"tags added to every point that does not have them"`
	StorageIndex string            `yaml:"storage_index" doc:"index that logging points go to, if they do not say another one"`
	Sinker       sinkerConfig      `yaml:"sinker" doc:"what DataWay's sinker sends points to different workspaces by"`
	Proxy        engine.Secret     `yaml:"proxy" doc:"address of an HTTP proxy; those of the environment are not used"`
	TLS          httpclient.TLS    `yaml:"tls" doc:"how the server is checked and the client shows who it is"`
}

func init() {
	engine.RegisterSink(engine.Info{
		Type:    "dataway",
		Summary: "sends points to DataWay, or to a DataKit, by its write API",
		Doc: `Points are packed by category and storage index into bodies of at most max_body bytes, compressed and
sent by ` + "`POST /v1/write/<category>`" + `. A body keeps its ` + "`X-Pkg-Id`" + ` over all attempts.

An answer 2xx is done. 400 and 422 narrow the body to the points that are at fault, which go to the dead
letters; 413 halves it and lowers the limit of later bodies; 401, 403, 404, 405 and redirects pause the
category and probe every 30 s, with nothing lost; everything else is tried again, after ` + "`Retry-After`" + ` if the
answer has it. Points without fields are dropped (` + "`no_fields`" + `).

A request may take 30 s, and a second more for each 100 kB. A body that the destination was still taking by then is halved as well: on a slow
line smaller ones get through. A limit that was lowered is tried again, doubled, after a minute; after two if that is refused, up to an hour.

One guilty point among n costs at most log2(n) requests to find, and one more that brings the rest. A point that was refused by
mistake can be sent again from the dead letters.

` + "`engine validate --connect`" + ` looks whether the address answers, its certificate is trusted and the token is known; it writes nothing.

A graph has one sink for each DataWay: what one of them does not take holds up, and repeats, nothing for the others.

With ` + "`sinker: {keys: [...]}`" + ` the points of a body have the same values of these keys and of the global tags, which the header
` + "`X-Global-Tags`" + ` says; every combination of values costs a request of its own.`,
		Examples: []engine.Example{{
			Title: "to DataWay",
			Graph: "type: dataway\nfrom: points\nurl: https://openway.example?token=tkn_0123456789abcdef0123456789abcdef\n",
		}, {
			Title: "to a DataKit, as line protocol",
			Graph: "type: dataway\nfrom: points\nurl: http://127.0.0.1:9529\nencoding: line\nglobal_tags: {cluster: c1}\n",
		}},
		Dials: "dataway", Unordered: true,
		Batch: engine.Batching{MaxPoints: 4096, MaxBytes: 4 << 20, Wait: 200 * time.Millisecond},
	}, datawayConfig{Encoding: encodingProtobuf, Gzip: 1, MaxBody: 4 << 20, Concurrency: 4}, newDataway)
}

// dataway is the sink. It is safe for use by several goroutines.
type dataway struct {
	config   datawayConfig
	env      engine.Env
	client   *httpclient.Client
	base     url.URL // with the query, without a path
	agent    string
	tags     []point.Field // of the node and of global_tags
	nodeTags []point.Field
	sinker   *sinker // nil is off
	limit    *bodyLimit
	packers  sync.Pool // of *datawayPacker
	leftOut  engine.Counter
	// cutOff is set after a large body whose connection broke. Who answers before it has read a body, 413 for one, and closes, breaks
	// the connection, and the answer is lost: the next large one asks first.
	cutOff atomic.Bool
}

func newDataway(env engine.Env, c datawayConfig) (engine.Sink, error) {
	base, err := datawayURL(c.URL.Reveal())
	errs := []error{err}
	if c.Gzip < 0 || c.Gzip > 9 {
		errs = append(errs, engine.FieldError("gzip", fmt.Errorf("is %d, must be 0 to 9", c.Gzip)))
	}
	if c.MaxBody < minBody {
		errs = append(errs, engine.FieldError("max_body", fmt.Errorf("is %s, must be at least %s", c.MaxBody, minBody)))
	}
	if c.Concurrency < 1 {
		errs = append(errs, engine.FieldError("concurrency", fmt.Errorf("is %d, must be at least 1", c.Concurrency)))
	}
	if c.Encoding != encodingProtobuf && c.Encoding != encodingLine {
		errs = append(errs, engine.FieldError("encoding", fmt.Errorf("%q is unknown, it is %s or %s", c.Encoding, encodingProtobuf, encodingLine)))
	}
	if _, ok := c.GlobalTags[""]; ok {
		errs = append(errs, engine.FieldError("global_tags", errors.New("a tag has no name")))
	}
	if !fitsHeader(c.StorageIndex) {
		errs = append(errs, engine.FieldError("storage_index", errIndex))
	}
	client, err := httpclient.New(env, httpclient.Options{Proxy: c.Proxy, TLS: c.TLS})
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	if err := checkToken(base.Query().Get("token")); err != nil {
		env.Log.Warn("the url's token looks wrong", "error", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	d := &dataway{
		config: c, env: env, client: client, base: base,
		agent: fmt.Sprintf("engine-%s-%s/%s/%s", runtime.GOOS, runtime.GOARCH, orDev(env.Version), host),
		tags:  extraTags(env.Tags, c.GlobalTags), nodeTags: env.Tags,
		leftOut: env.Counter("fields_left_out", "nan"),
	}
	d.sinker = newSinker(env, c.Sinker, d.tags)
	d.limit = newBodyLimit(int64(c.MaxBody), env.Now)
	d.packers.New = func() any { return d.newPacker() }
	return d, nil
}

// largeBody is what may not fit into the buffers between us and a destination that does not read.
const largeBody = 16 << 10

// minBody is the smallest limit of a body. It also ends the halving after a 413.
const minBody engine.Size = 16 << 10

func orDev(version string) string {
	if version == "" {
		return "dev"
	}
	return version
}

// datawayURL returns scheme, host and query. Errors do not repeat the text: it holds the token.
func datawayURL(text string) (url.URL, error) {
	if text == "dev_null" {
		return url.URL{}, engine.FieldError("url", errors.New("dev_null is no address: a sink of type discard takes what nobody needs"))
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return url.URL{}, engine.FieldError("url", errors.New("must be an address as in https://openway.example?token=TOKEN"))
	}
	return url.URL{Scheme: u.Scheme, Host: u.Host, User: u.User, RawQuery: u.RawQuery}, nil
}

// tokenLengths are the lengths of tokens behind their prefix (contract 4.1).
var tokenLengths = map[string]int{"token": 32, "tkn": 32, "tokn": 24}

func checkToken(token string) error {
	if token == "" {
		return errors.New("empty token")
	}
	prefix, rest, ok := strings.Cut(token, "_")
	length, known := tokenLengths[prefix]
	if !ok || !known || strings.Contains(rest, "_") {
		return errors.New("invalid token format")
	}
	if len(rest) != length {
		return fmt.Errorf("invalid token format, expect token length %d, but got %d", len(prefix)+1+length, len(token))
	}
	return nil
}

// Concurrency returns the option.
func (d *dataway) Concurrency() int { return d.config.Concurrency }

// Close closes idle connections.
func (d *dataway) Close(context.Context) error {
	d.client.Close()
	return nil
}

// Send posts a body.
func (d *dataway) Send(ctx context.Context, body engine.Body) error {
	u := d.base
	u.Path = "/v1/write/" + body.Lane
	req, err := http.NewRequest(http.MethodPost, u.String(), bytes.NewReader(body.Data))
	if err != nil {
		return &engine.SendError{Class: engine.Refused, Err: fmt.Errorf("making a request for %s", httpclient.Where(&u))}
	}
	h := req.Header
	h.Set("Content-Type", body.ContentType)
	for _, kv := range body.Header {
		h.Set(kv.Key, string(kv.Value))
	}
	h.Set("X-Points", strconv.Itoa(body.Points))
	h.Set("X-Pkg-Id", body.ID)
	h.Set("User-Agent", d.agent)
	h.Set("Referer", "DataKit")
	large := len(body.Data) >= largeBody
	if large && d.cutOff.Load() {
		h.Set("Expect", "100-continue")
	}
	answer, err := d.client.Do(ctx, req)
	d.account(body, answer)
	if large {
		d.cutOff.Store(errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET))
	}
	failure := d.client.Classify(answer, err)
	if failure == nil {
		return nil
	}
	switch {
	case body.Points > 1 && errors.Is(err, httpclient.ErrSlow):
		failure.Class = engine.TooLarge
		d.lower(body)
	case body.Points > 1 && failure.Class == engine.TooLarge:
		d.lower(body)
	case answer.Status/100 == 4 && bytes.Contains(answer.Body, []byte("beyondDataUsage")):
		failure.Class = engine.Refused
		failure.After = max(failure.After, httpclient.ProbeInterval)
		failure.Err = fmt.Errorf("the workspace is beyond its data usage: %w", failure.Err)
	}
	return failure
}

// account counts a request by its answer, and what was sent.
func (d *dataway) account(body engine.Body, answer httpclient.Answer) {
	status := "none"
	if answer.Status != 0 {
		status = strconv.Itoa(answer.Status)
	}
	d.env.Counter("requests", status).Add(1)
	d.env.Counter("body_bytes", "plain").Add(int64(body.PlainBytes))
	d.env.Counter("body_bytes", "sent").Add(int64(len(body.Data)))
}

// lower makes later bodies at most half as large as one that was too large.
func (d *dataway) lower(body engine.Body) {
	if n := int64(body.PlainBytes) / 2; d.limit.lower(n) {
		d.env.Log.Warn("a body was too large, or came too slowly, for the destination: sending smaller ones", "bytes", max(n, int64(minBody)))
	}
}
