package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "geoip",
	Group:   OnClass,
	Summary: "Writes where the IP address in a key is: `city`, `province`, `country` and `isp`.",
	Doc: "`country` is the ISO code; Taiwan, Hong Kong and Macao are provinces of `CN`. Names are English. What is not known is `unknown`, " +
		"all four for a private address. Without a database, for what is no address, and if the key is not known nothing is written.\n\n" +
		"The database is a file of MaxMind's format (GeoLite2-City), `isp` comes from a list of networks; both are configured for the operator that " +
		"runs the script.",
	Params: []Param{{Name: "ip", Kind: Key, Summary: "variable first"}},
	Examples: []Example{
		{Script: "geoip(_)", Message: "203.0.113.9", Want: "city=\"Brisbane\"\nprovince=\"Queensland\"\ncountry=\"AU\"\nisp=\"Example Net\""},
		{Script: "ip = \"198.51.100.9\"\ngeoip(ip)", Want: "city=\"Taipei\"\nprovince=\"Taiwan\"\ncountry=\"CN\"\nisp=\"unknown\""},
		{Script: "geoip(_)", Message: "10.0.0.1", Want: "city=\"unknown\"\nprovince=\"unknown\"\ncountry=\"unknown\"\nisp=\"unknown\""},
		{Script: "geoip(_)\ngeoip(nosuch)", Message: "no address", Want: ""},
	},
	Bind: func(c *Call) eval.Expr {
		read := c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			ip, known, ok := readText(f, read)
			if !known || !ok {
				return wrote(ok)
			}
			place, found := f.Host.Locate(ip)
			if !found {
				return done()
			}
			return wrote(f.Write("city", point.String(place.City)) && f.Write("province", point.String(place.Province)) &&
				f.Write("country", point.String(place.Country)) && f.Write("isp", point.String(place.ISP)))
		}
	},
})
