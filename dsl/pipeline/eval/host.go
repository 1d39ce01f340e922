package eval

import (
	"errors"

	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/refer"
)

// Host is what scripts reach outside of their point. It is given to a script by whoever runs it, and is called from several
// goroutines.
type Host interface {
	// Do sends a request and reads the reply. An error is a refused address, a failure or a reply that is too long; the
	// script gets nil for each.
	Do(r Request) (Reply, error)
	// Table returns a reference table as it is at present, nil if there is none of the name.
	Table(name string) *refer.Table
	// Locate says where an IP address is. ok is false without a database and after a failed look-up.
	Locate(ip string) (place geo.Place, ok bool)
}

// Request is what http_request sends.
type Request struct {
	Method, URL string
	Header      map[string]string
	Body        string
}

// Reply is what http_request got.
type Reply struct {
	Status int
	Body   string
}

// nowhere is the Host of a script that was given none.
type nowhere struct{}

var errNowhere = errors.New("the script has no way outside")

func (nowhere) Do(Request) (Reply, error)       { return Reply{}, errNowhere }
func (nowhere) Table(string) *refer.Table       { return nil }
func (nowhere) Locate(string) (geo.Place, bool) { return geo.Place{}, false }
