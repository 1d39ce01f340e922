// Package geotest makes geo databases for tests.
package geotest

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"dataflow/dsl/pipeline/geo"
)

// Database returns a database of MaxMind's format with a record for each network in CIDR notation; reserved networks
// may be among them. Empty parts of a place are left out of its record. The provider is not written: it comes from the list
// that [geo.Open] takes. Each name stands in two languages.
func Database(entries map[string]geo.Place) ([]byte, error) {
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType:            "GeoLite2-City",
		Languages:               []string{"de", "en"},
		BuildEpoch:              1700000000, // the same bytes at each call
		IncludeReservedNetworks: true,
		DisableIPv4Aliasing:     true,
	})
	if err != nil {
		return nil, fmt.Errorf("making a geo database: %w", err)
	}
	for _, cidr := range slices.SortedFunc(maps.Keys(entries), widestFirst) {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			return nil, fmt.Errorf("making a geo database: %w", err)
		}
		if err := tree.Insert(network, record(entries[cidr])); err != nil {
			return nil, fmt.Errorf("making a geo database: inserting %s: %w", cidr, err)
		}
	}
	var out bytes.Buffer
	if _, err := tree.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("making a geo database: %w", err)
	}
	return out.Bytes(), nil
}

// widestFirst orders networks so that a later one is never replaced by one around it.
func widestFirst(a, b string) int {
	p, _ := netip.ParsePrefix(a)
	q, _ := netip.ParsePrefix(b)
	if p.Bits() != q.Bits() {
		return p.Bits() - q.Bits()
	}
	return p.Addr().Compare(q.Addr())
}

func record(p geo.Place) mmdbtype.Map {
	m := mmdbtype.Map{"location": mmdbtype.Map{
		"accuracy_radius": mmdbtype.Uint16(20), "latitude": mmdbtype.Float64(1.5), "in_sea": mmdbtype.Bool(false),
	}}
	if p.Country != "" {
		m["country"] = mmdbtype.Map{"iso_code": mmdbtype.String(p.Country), "names": names("country " + p.Country)}
	}
	if p.Province != "" {
		m["subdivisions"] = mmdbtype.Slice{
			mmdbtype.Map{"names": names(p.Province)},
			mmdbtype.Map{"names": names("a part of " + p.Province)},
		}
	}
	if p.City != "" {
		m["city"] = mmdbtype.Map{"geoname_id": mmdbtype.Uint32(1), "names": names(p.City)}
	}
	return m
}

func names(english string) mmdbtype.Map {
	return mmdbtype.Map{"de": mmdbtype.String(english + " (de)"), "en": mmdbtype.String(english)}
}
