package pipeline_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"dataflow/dsl/pipeline"
	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/geo/geotest"
	"dataflow/dsl/pipeline/refer"
)

// exampleHost is what the examples of functions reach outside: a table hosts, some places, and the replies of a server.
type exampleHost struct{}

// exampleTables are the tables as a server would deliver them.
const exampleTables = `[{"table_name": "hosts", "column_name": ["ip", "port", "load", "up", "owner"],
 "column_type": ["string", "int", "float", "bool", "string"],
 "row_data": [["192.0.2.7", 443, 0.5, true, "shop"], ["192.0.2.8", 80, 1, false, null], ["192.0.2.7", 8080, 2.5, true, "pay"]]}]`

// outside is made once: every example gets the same.
var outside = sync.OnceValue(func() (o struct {
	tables map[string]*refer.Table
	places *geo.DB
}) {
	file, err := geotest.Database(map[string]geo.Place{
		"203.0.113.0/24":  {Country: "AU", Province: "Queensland", City: "Brisbane"},
		"198.51.100.0/24": {Country: "TW", Province: "Taipei City", City: "Taipei"},
	})
	if err != nil {
		panic(err)
	}
	if o.places, err = geo.Open(file, []byte("203.0.113.0/24 Example Net\n")); err != nil {
		panic(err)
	}
	if o.tables, err = refer.Parse([]byte(exampleTables)); err != nil {
		panic(err)
	}
	return o
})

func (exampleHost) Do(r pipeline.Request) (pipeline.Reply, error) {
	path, ok := strings.CutPrefix(r.URL, "http://api.example.com")
	if !ok {
		return pipeline.Reply{}, errors.New("the host is not allowed")
	}
	switch path {
	case "/owner?id=7":
		return pipeline.Reply{Status: 200, Body: `{"name": "kim"}`}, nil
	case "/echo":
		var header []string
		for _, k := range slices.Sorted(maps.Keys(r.Header)) {
			header = append(header, k+"="+r.Header[k])
		}
		return pipeline.Reply{Status: 201, Body: fmt.Sprintf("%s %s %s", r.Method, strings.Join(header, ","), r.Body)}, nil
	}
	return pipeline.Reply{Status: 404}, nil
}

func (exampleHost) Table(name string) *refer.Table { return outside().tables[name] }

func (exampleHost) Locate(ip string) (geo.Place, bool) { return outside().places.Locate(ip) }
