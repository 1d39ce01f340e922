package funcs

import (
	"net/netip"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "cidr",
	Group:   OnClass,
	Summary: "Reports whether an IP address lies in a network, such as `10.0.0.0/8` or `2001:db8::/32`.",
	Doc: "What is no address, an address with a zone, a network without a length and an unknown name give false. An " +
		"address of one version is in no network of the other, also `::ffff:10.0.0.1` is not in `10.0.0.0/8`. The " +
		"network may have bits behind its length: `10.1.2.3/8` is `10.0.0.0/8`.",
	Result: "bool",
	Params: []Param{
		{Name: "ip", Kind: Operand},
		{Name: "prefix", Kind: Operand},
	},
	Examples: []Example{
		{Script: "add_key(ip, \"10.20.30.40\")\nadd_key(a, cidr(ip, \"10.0.0.0/8\"))\nadd_key(b, cidr(ip, \"192.168.0.0/16\"))",
			Want: "ip=\"10.20.30.40\"\na=true\nb=false"},
		{Script: "net = \"2001:db8::/32\"\nadd_key(a, cidr(\"2001:db8::1\", net))\nadd_key(b, cidr(\"10.0.0.1\", net))",
			Want: "a=true\nb=false"},
		{Script: "add_key(a, cidr(\"10.0.0.1:80\", \"10.0.0.0/8\"))\nadd_key(b, cidr(\"10.0.0.1\", \"10.0.0.1\"))",
			Want: "a=false\nb=false"},
	},
	Bind: func(c *Call) eval.Expr {
		ip, prefix := c.Operand(0), c.Operand(1)
		literal, isLiteral := c.Literal(1)
		network, _ := netip.ParsePrefix(literal.Str()) // one that is faulty contains nothing
		return func(f *eval.Frame) (point.Value, bool) {
			text, _ := ip(f)
			addr, err := netip.ParseAddr(text.Str())
			if err != nil {
				return point.Bool(false), f.Work(text.Len()) // the error quotes it
			}
			if isLiteral {
				return point.Bool(network.Contains(addr)), true
			}
			text, _ = prefix(f)
			network, err := netip.ParsePrefix(text.Str())
			return point.Bool(err == nil && network.Contains(addr)), true
		}
	},
})
