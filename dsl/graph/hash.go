package graph

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
)

// hashOf is the hex SHA-256 of what a node's behaviour depends on: its kind, its options with the defaults: of the
// graph but without those of the component, its steps, and the files that they name. Order of keys and
// spelling of scalars (quotes, aliases, interpolation) make no difference.
func hashOf(n *Node, d *decoder, options *value, own map[string]*value) string {
	h := sha256.New()
	hashText(h, n.Kind.String())
	hashText(h, typeOf(n))
	hashTree(h, options)
	names := make([]string, 0, len(own))
	for name := range own {
		if name != "doc" && name != "enabled" && name != "from" && name != "steps" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		hashText(h, name)
		hashTree(h, own[name])
	}
	for _, v := range d.parts {
		hashTree(h, v)
	}
	for _, f := range d.files {
		hashText(h, f.path)
		hashText(h, string(f.data))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hashText writes a text with its length in front, so that no two sequences of texts are the same bytes.
func hashText(h hash.Hash, s string) {
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s))))
	h.Write([]byte(s))
}

func hashTree(h hash.Hash, v *value) {
	h.Write([]byte{byte(v.kind)})
	switch v.kind {
	case scalar:
		hashText(h, v.text)
	case sequence:
		hashText(h, strings.Repeat(".", len(v.items)))
		for _, x := range v.items {
			hashTree(h, x)
		}
	case mapping:
		order := make([]int, len(v.keys))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return strings.Compare(v.keys[a].name, v.keys[b].name) })
		hashText(h, strings.Repeat(".", len(order)))
		for _, i := range order {
			hashText(h, v.keys[i].name)
			hashTree(h, v.items[i])
		}
	}
}
