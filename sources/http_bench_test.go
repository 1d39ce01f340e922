package sources

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"dataflow/engine/point"
)

// BenchmarkHTTPParse reads and checks bodies of 1,000 points.
func BenchmarkHTTPParse(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "http_requests,host=web-%02d,service=checkout,region=eu-west-1,method=POST latency=%d.5,status=200i,bytes=%di,retried=false,queue=12.25,user_time=0.125 1700000000000000000\n",
			i%32, i%997, 10_000+i%9000)
	}
	lines := []byte(text.String())
	points, err := point.ParseLines(nil, new(point.Arena), lines, point.ReadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var packed []byte
	for i := range points {
		packed = point.AppendProtobuf(packed, &points[i], nil)
	}
	env, _ := testEnv(&testing.T{})
	s, err := newHTTP(env, defaultHTTP())
	if err != nil {
		b.Fatal(err)
	}
	source := s.(*httpSource)
	for _, x := range []struct {
		name, content string
		body          []byte
	}{{"lines", "", lines}, {"protobuf", contentProtobuf, packed}} {
		b.Run(x.name, func(b *testing.B) {
			r := &http.Request{Header: http.Header{"Content-Type": {x.content}}}
			b.ReportAllocs()
			for b.Loop() {
				in := request{r: r, q: url.Values{}, category: point.Metric}
				points, e := source.parse(x.body, &in)
				if e != nil {
					b.Fatal(e)
				}
				source.giveBack(in.room, points)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/point")
		})
	}
}
