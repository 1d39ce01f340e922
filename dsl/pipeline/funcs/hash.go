package funcs

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

// digests append the hash of a text in lower-case hex, by the name of the method.
var digests = map[string]func(dst, text []byte) []byte{
	"md5": func(dst, text []byte) []byte {
		sum := md5.Sum(text)
		return hex.AppendEncode(dst, sum[:])
	},
	"sha1": func(dst, text []byte) []byte {
		sum := sha1.Sum(text)
		return hex.AppendEncode(dst, sum[:])
	},
	"sha256": func(dst, text []byte) []byte {
		sum := sha256.Sum256(text)
		return hex.AppendEncode(dst, sum[:])
	},
	"sha512": func(dst, text []byte) []byte {
		sum := sha512.Sum512(text)
		return hex.AppendEncode(dst, sum[:])
	},
}

var _ = declare(Decl{
	Name:    "hash",
	Group:   OnText,
	Summary: "Yields the hash of a text in lower-case hex.",
	Doc: "Another method, also one in capital letters, gives `\"\"`. Both arguments must be texts: a literal of another " +
		"type does not load, a computed one ends the script with an error. Differs from DataKit: the named arguments " +
		"leave no variables `text` and `method` behind.",
	Result: "str",
	Params: []Param{
		{Name: "text", Kind: Value},
		{Name: "method", Kind: Value, Summary: "`\"md5\"`, `\"sha1\"`, `\"sha256\"` or `\"sha512\"`"},
	},
	Named: true,
	Examples: []Example{
		{Script: "add_key(a, hash(\"abc\", \"md5\"))\nadd_key(b, hash(text=\"abc\", method=\"sha1\"))",
			Want: "a=\"900150983cd24fb0d6963f7d28e17f72\"\nb=\"a9993e364706816aba3e25717850c26c9cd0d89d\""},
		{Script: "add_key(user, \"kim\")\nset_tag(user)\nu = hash(user, \"sha256\")\nset_tag(user, u)",
			Want: "user#=\"26ae784d194a5760464348329af4eb9fca2b27bbf823742c968a61543e3a1153\""},
		{Script: "add_key(a, hash(\"abc\", \"SHA1\"))", Want: `a=""`},
		{Script: "n = 5\nadd_key(a, hash(n, \"md5\"))", Want: "error 2:12: hash: the argument text is not str but int"},
	},
	Bind: func(c *Call) eval.Expr {
		text, method := c.TypedValue(0, point.KindString), c.TypedValue(1, point.KindString)
		return func(f *eval.Frame) (point.Value, bool) {
			s, ok := text(f)
			if !ok {
				return failed()
			}
			m, ok := method(f)
			if !ok {
				return failed()
			}
			digest := digests[m.Str()]
			if digest == nil {
				return point.String(""), true
			}
			return point.String(f.End(digest(f.Begin(), s.Raw()))), f.Work(s.Len())
		}
	},
})
