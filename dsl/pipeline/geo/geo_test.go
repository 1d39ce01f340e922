package geo_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"dataflow/dsl/pipeline/geo"
	"dataflow/dsl/pipeline/geo/geotest"
)

var places = map[string]geo.Place{
	"203.0.113.0/24":   {Country: "AU", Province: "Queensland", City: "Brisbane"},
	"203.0.113.128/25": {Country: "AU", Province: "Victoria"},
	"198.51.100.0/26":  {Country: "TW", Province: "Taipei", City: "Taipei"},
	"198.51.100.64/26": {Country: "HK", City: "Central"},
	"198.51.100.128/26": {
		Country: "MO",
	},
	"198.51.100.192/26": {City: "Atlantis"},
	"2001:db8::/32":     {Country: "DE", Province: "Bavaria", City: "Munich"},
}

const providerList = "# networks of providers\r\n\r\n203.0.113.0/24 \tFirst Net\r\n203.0.113.64/26,Second\n203.0.113.70\tThird\n" +
	"2001:db8:1::/48 Six\n10.0.0.0/8 Ours\n203.0.113.128/25 Old\n203.0.113.129/25, New \n::ffff:198.51.100.0/120 Mapped"

func open(t testing.TB, isp string) *geo.DB {
	t.Helper()
	file, err := geotest.Database(places)
	if err != nil {
		t.Fatal(err)
	}
	db, err := geo.Open(file, []byte(isp))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestLocate(t *testing.T) {
	db := open(t, providerList)
	for _, x := range []struct {
		ip   string
		want geo.Place
	}{
		{"203.0.113.5", geo.Place{Country: "AU", Province: "Queensland", City: "Brisbane", ISP: "First Net"}},
		{"203.0.113.64", geo.Place{Country: "AU", Province: "Queensland", City: "Brisbane", ISP: "Second"}},
		{"203.0.113.70", geo.Place{Country: "AU", Province: "Queensland", City: "Brisbane", ISP: "Third"}},
		{"203.0.113.71", geo.Place{Country: "AU", Province: "Queensland", City: "Brisbane", ISP: "Second"}},
		{"203.0.113.127", geo.Place{Country: "AU", Province: "Queensland", City: "Brisbane", ISP: "Second"}},
		{"203.0.113.255", geo.Place{Country: "AU", Province: "Victoria", City: "unknown", ISP: "New"}},
		{"::ffff:203.0.113.5", geo.Place{Country: "AU", Province: "Queensland", City: "Brisbane", ISP: "First Net"}},
		{"198.51.100.1", geo.Place{Country: "CN", Province: "Taiwan", City: "Taipei", ISP: "Mapped"}},
		{"198.51.100.65", geo.Place{Country: "CN", Province: "Hong Kong", City: "Central", ISP: "Mapped"}},
		{"198.51.100.129", geo.Place{Country: "CN", Province: "Macao", City: "unknown", ISP: "Mapped"}},
		{"198.51.100.193", geo.Place{Country: "unknown", Province: "unknown", City: "Atlantis", ISP: "Mapped"}},
		{"2001:db8:1::1", geo.Place{Country: "DE", Province: "Bavaria", City: "Munich", ISP: "Six"}},
		{"2001:db8:2::1%eth0", geo.Place{Country: "DE", Province: "Bavaria", City: "Munich", ISP: "unknown"}},
		{"10.1.2.3", geo.Place{Country: "unknown", Province: "unknown", City: "unknown", ISP: "Ours"}},
		{"192.168.1.1", geo.Place{Country: "unknown", Province: "unknown", City: "unknown", ISP: "unknown"}},
	} {
		if got, ok := db.Locate(x.ip); got != x.want || !ok {
			t.Errorf("%s: got %+v, %v, want %+v", x.ip, got, ok, x.want)
		}
	}
	for _, ip := range []string{"", "localhost", "1.2.3", "203.0.113.5:80", "203.0.113.0/24", " 203.0.113.5", "256.1.1.1"} {
		if got, ok := db.Locate(ip); ok || got != (geo.Place{}) {
			t.Errorf("%q: got %+v, %v, want no place", ip, got, ok)
		}
	}
}

func TestLocateAllocations(t *testing.T) {
	db := open(t, providerList)
	for _, ip := range []string{"203.0.113.70", "2001:db8:1::1", "192.168.1.1"} {
		if n := testing.AllocsPerRun(100, func() { db.Locate(ip) }); n != 0 {
			t.Errorf("%s: %v allocations", ip, n)
		}
	}
}

func TestLocateByManyGoroutines(t *testing.T) {
	db := open(t, providerList)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				if p, ok := db.Locate("203.0.113.70"); !ok || p.ISP != "Third" || p.City != "Brisbane" {
					t.Errorf("got %+v", p)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestOpenErrors(t *testing.T) {
	good, err := geotest.Database(places)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ database, isp, want string }{
		{"", "", "opening the geo database: "},
		{"no database", "", "opening the geo database: "},
		{string(good[:len(good)/2]), "", "opening the geo database: "},
		{string(good[len(good)/2:]), "", "opening the geo database: "},
		{string(good), "# x\n\n1.2.3.4/33 a", `reading the list of providers: line 3: "1.2.3.4/33" is no network such as 192.0.2.0/24`},
		{string(good), "1.2.3.0/24", "reading the list of providers: line 1: the network 1.2.3.0/24 has no name"},
		{string(good), "1.2.3.0/24 , \t", "reading the list of providers: line 1: the network 1.2.3.0/24 has no name"},
		{string(good), "a\r\n", `reading the list of providers: line 1: "a" is no network such as 192.0.2.0/24`},
	} {
		db, err := geo.Open([]byte(x.database), []byte(x.isp))
		if db != nil || err == nil || !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("%.20q %q: got %v, want %s", x.database, x.isp, err, x.want)
		}
	}
}

// TestProvidersLongestPrefix compares with a search through all networks.
func TestProvidersLongestPrefix(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	file, err := geotest.Database(nil)
	if err != nil {
		t.Fatal(err)
	}
	random := func() netip.Addr {
		if rng.IntN(3) == 0 {
			b := [16]byte{0x20, byte(rng.IntN(2)), byte(rng.IntN(4))}
			b[15] = byte(rng.IntN(4))
			return netip.AddrFrom16(b)
		}
		edge := []byte{0, 1, 127, 254, 255}
		return netip.AddrFrom4([4]byte{edge[rng.IntN(5)], edge[rng.IntN(5)], edge[rng.IntN(5)], edge[rng.IntN(5)]})
	}
	for range 200 {
		var list []netip.Prefix
		var text strings.Builder
		for i := range rng.IntN(40) {
			a := random()
			p := netip.PrefixFrom(a, rng.IntN(a.BitLen()+1)).Masked()
			list = append(list, p)
			fmt.Fprintf(&text, "%v net%d\n", p, i)
		}
		db, err := geo.Open(file, []byte(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			a := random()
			want, best := "unknown", -1
			for i, p := range list {
				if p.Contains(a) && p.Bits() >= best {
					want, best = fmt.Sprintf("net%d", i), p.Bits()
				}
			}
			if got, ok := db.Locate(a.String()); !ok || got.ISP != want {
				t.Fatalf("%v: got %v, want %s, of\n%s", a, got.ISP, want, text.String())
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	good, err := geotest.Database(places)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	small, err := geotest.Database(map[string]geo.Place{"0.0.0.0/0": {Country: "AU", Province: "P", City: "C"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	f.Add([]byte("\xAB\xCD\xEFMaxMind.com"))
	f.Fuzz(func(t *testing.T, file []byte) {
		db, err := geo.Open(file, nil)
		if (db == nil) == (err == nil) {
			t.Fatalf("got %v and %v", db, err)
		}
		if err != nil {
			return
		}
		for _, ip := range []string{"0.0.0.0", "203.0.113.5", "255.255.255.255", "::", "2001:db8::1", "ffff::"} {
			if p, ok := db.Locate(ip); ok == (p == geo.Place{}) || ok && (p.Country == "" || p.Province == "" || p.City == "" || p.ISP == "") {
				t.Errorf("%s: got %+v, %v", ip, p, ok)
			}
		}
	})
}

func FuzzProviders(f *testing.F) {
	f.Add(providerList)
	f.Add("1.2.3.4 a b\n::/0 x\n255.255.255.255/32,y\n0.0.0.0/0\tz")
	file, err := geotest.Database(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, list string) {
		db, err := geo.Open(file, []byte(list))
		if err != nil {
			if !strings.Contains(err.Error(), "line ") {
				t.Errorf("no line in %v", err)
			}
			return
		}
		for _, ip := range []string{"0.0.0.0", "1.2.3.4", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"} {
			p, _ := db.Locate(ip)
			if p.ISP == "" || p.ISP != "unknown" && !strings.Contains(list, p.ISP) {
				t.Errorf("%s: got %q", ip, p.ISP)
			}
		}
	})
}

func BenchmarkLocate(b *testing.B) {
	db := open(b, providerList)
	b.ReportAllocs()
	for b.Loop() {
		db.Locate("203.0.113.70")
	}
}
