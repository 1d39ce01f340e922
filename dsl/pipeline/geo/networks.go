package geo

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// networks is a list of address ranges in ascending order that do not overlap.
type networks []span

type span struct {
	first, last netip.Addr
	name        string
}

// find returns the name of the range that addr lies in.
func (n networks) find(addr netip.Addr) (name string, ok bool) {
	i := sort.Search(len(n), func(i int) bool { return addr.Less(n[i].first) }) - 1
	if i < 0 || n[i].last.Less(addr) {
		return "", false
	}
	return n[i].name, true
}

// named is a line of the list.
type named struct {
	prefix netip.Prefix
	name   string
}

func parseNetworks(text []byte) (networks, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var list []named
	names := map[string]string{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		rest := string(bytes.TrimSpace(line))
		if rest == "" || rest[0] == '#' {
			continue
		}
		cidr, name := rest, ""
		if i := strings.IndexAny(rest, " \t,"); i >= 0 {
			cidr, name = rest[:i], strings.TrimLeft(rest[i:], " \t,")
		}
		prefix, err := parsePrefix(cidr)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q is no network such as 192.0.2.0/24", number, cidr)
		}
		if name == "" {
			return nil, fmt.Errorf("line %d: the network %s has no name", number, cidr)
		}
		known, seen := names[name]
		if !seen {
			known = strings.Clone(name)
			names[known] = known
		}
		list = append(list, named{prefix, known})
	}
	return flatten(list), nil
}

// parsePrefix reads a network or an address, which is a network of one.
func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	const mapped = 96 // bits in front of an IPv4 address that is written as one of IPv6
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p.Masked(), nil
}

// flatten cuts networks that lie within each other into ranges, so that each address belongs to the narrowest.
func flatten(list []named) networks {
	slices.SortStableFunc(list, func(a, b named) int {
		if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
			return c
		}
		return a.prefix.Bits() - b.prefix.Bits()
	})
	var out networks
	var open []span // networks around the present place, the widest first
	var at netip.Addr
	// closeTo closes the networks that end in front of limit, all if there is none.
	closeTo := func(limit netip.Addr) {
		for len(open) > 0 {
			top := open[len(open)-1]
			if limit.IsValid() && !top.last.Less(limit) {
				return
			}
			open = open[:len(open)-1]
			if at.IsValid() && !top.last.Less(at) { // at is not valid behind the last address of all
				out = append(out, span{at, top.last, top.name})
				at = top.last.Next()
			}
		}
	}
	for i, n := range list {
		if i+1 < len(list) && list[i+1].prefix == n.prefix {
			continue // the later line counts
		}
		first := n.prefix.Addr()
		closeTo(first)
		if len(open) > 0 && at.IsValid() && at.Less(first) {
			out = append(out, span{at, first.Prev(), open[len(open)-1].name})
		}
		open = append(open, span{first, lastOf(n.prefix), n.name})
		at = first
	}
	closeTo(netip.Addr{})
	return out
}

// lastOf returns the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
