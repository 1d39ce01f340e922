// Package geo says where IP addresses are, by a database of MaxMind's format and a list of networks by provider.
package geo

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang"
)

// Unknown is what stands for a part of a [Place] that is not known.
const Unknown = "unknown"

// Place is where an address is. Parts that are not known are [Unknown]. Its texts may refer to the database.
type Place struct {
	Country  string // ISO 3166 code, CN for Taiwan, Hong Kong and Macao
	Province string // English name of the first subdivision
	City     string // English name
	ISP      string // provider, as the list names it
}

// DB is a database with a list of providers. It never changes and is safe for use by several goroutines.
type DB struct {
	tree    *maxminddb.Reader
	records records
	isps    networks
}

var (
	metadataMarker = []byte("\xAB\xCD\xEFMaxMind.com")
	errDamaged     = errors.New("the file is damaged")
)

// What the format says about the file around its data.
const (
	maxMetadata = 128 << 10 // bytes from the last marker on
	separator   = 16        // bytes between the tree and the data
)

// Open reads a database and a list of providers, which may be nil: lines of a network in CIDR notation, then
// blanks, a tab or a comma, then the provider's name. Lines that are empty or begin with # are skipped; where networks lie within
// each other the longest prefix counts, and of two lines for one network the later. The bytes of database must not change while the
// DB, or a text of a Place of it, is in use.
func Open(database, isp []byte) (db *DB, err error) {
	isps, err := parseNetworks(isp)
	if err != nil {
		return nil, fmt.Errorf("reading the list of providers: %w", err)
	}
	tree, err := openTree(database)
	if err != nil {
		return nil, fmt.Errorf("opening the geo database: %w", err)
	}
	nodes, record := tree.Metadata.NodeCount, tree.Metadata.RecordSize
	start, end := nodes*record/4+separator, uint(bytes.LastIndex(database, metadataMarker))
	if nodes > uint(len(database)) || start > end {
		return nil, fmt.Errorf("opening the geo database: %w", errDamaged)
	}
	return &DB{tree: tree, records: records{database[start:end]}, isps: isps}, nil
}

// openTree keeps the library, which trusts its input, from bringing the process down.
func openTree(database []byte) (tree *maxminddb.Reader, err error) {
	defer func() {
		if recover() != nil {
			tree, err = nil, errDamaged
		}
	}()
	i := bytes.LastIndex(database, metadataMarker)
	if i < 0 {
		return nil, errors.New("it is no file of MaxMind's format")
	}
	if len(database)-i > maxMetadata || !(records{database[i+len(metadataMarker):]}).bounded() {
		return nil, errDamaged
	}
	return maxminddb.FromBytes(database)
}

// Locate says where the address ip is, in text. ok is false if ip is no address, or one of IPv6 for a database that has
// only those of IPv4. An address that the database does not know, a private one say, has an unknown place.
func (d *DB) Locate(ip string) (place Place, ok bool) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return Place{}, false
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.As16()
	offset, err := d.tree.LookupOffset(bits[:])
	if err != nil {
		return Place{}, false
	}
	place = Place{Country: Unknown, Province: Unknown, City: Unknown, ISP: Unknown}
	if offset != maxminddb.NotFound {
		d.records.read(uint(offset), &place)
	}
	if name, listed := d.isps.find(addr); listed {
		place.ISP = name
	}
	switch place.Country {
	case "TW":
		place.Country, place.Province = "CN", "Taiwan"
	case "HK":
		place.Country, place.Province = "CN", "Hong Kong"
	case "MO":
		place.Country, place.Province = "CN", "Macao"
	}
	return place, true
}
