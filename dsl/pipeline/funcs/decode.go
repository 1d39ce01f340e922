package funcs

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

// encodings are those that decode knows. A byte order mark is a character like any other.
var encodings = map[string]encoding.Encoding{
	"gbk":      simplifiedchinese.GBK,
	"gb18030":  simplifiedchinese.GB18030,
	"utf-16le": unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"utf-16be": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

var _ = declare(Decl{
	Name:    "decode",
	Group:   OnText,
	Summary: "Decodes the bytes of a text to UTF-8.",
	Doc: "The encodings are `gbk`, `gb18030`, `utf-16le` and `utf-16be`. With any other name nothing happens, also with " +
		"`utf-8`, and **with capital letters**: `\"GBK\"` is not known. Bytes that the encoding does not have become " +
		"U+FFFD; a byte order mark is kept as U+FEFF.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "encoding", Kind: Operand},
	},
	Examples: []Example{
		{Script: "add_key(a, \"\\xca\\xfd\\xbe\\xdd, ok\")\ndecode(a, \"gbk\")", Want: `a="数据, ok"`},
		{Script: "enc = \"utf-16le\"\nadd_key(a, \"h\\x00\\xe9\\x00\\x70\\x65\")\ndecode(a, enc)", Want: `a="hé数"`},
		{Script: "add_key(a, \"\\xff\\x81\")\ndecode(a, \"gb18030\")", Want: `a="��"`},
		{Script: "decode(_, \"GBK\")\ndecode(_, \"utf-8\")\ndecode(nosuch, \"gbk\")", Message: "m", Want: ""},
	},
	Bind: func(c *Call) eval.Expr {
		key, read, name := c.Key(0), c.Read(0), c.Operand(1)
		return func(f *eval.Frame) (point.Value, bool) {
			enc, _ := name(f)
			from := encodings[enc.Str()]
			if from == nil {
				return done()
			}
			text, known, ok := readText(f, read)
			if !known || !ok {
				return wrote(ok)
			}
			const mostPerByte = 3 // the bytes of U+FFFD
			if !f.Spend(mostPerByte * len(text)) {
				return failed()
			}
			b, _, err := transform.Append(from.NewDecoder(), f.Begin(), point.String(text).Raw())
			if err != nil {
				return f.Failf("decode: %v", err)
			}
			return wrote(f.Write(key, point.String(f.End(b))))
		}
	},
})
