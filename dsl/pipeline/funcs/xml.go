package funcs

import (
	"strings"

	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "xml",
	Group:   OnData,
	Summary: "Takes the text of the first node that an XPath 1.0 expression finds in the XML text of a key and writes it to another key.",
	Doc: "The text of an element is all text in it; an attribute gives its value. The result is text, also where it is a number. Nothing is " +
		"written if the text is no XML, if nothing is found, if the expression is no XPath, or if it does not yield nodes: " +
		"`count(//a)` and `string(//a)` write nothing.\n\n" +
		"The text is parsed anew by each call. Differs from DataKit: text with more than 100,000 tags or 200 levels writes nothing, and " +
		"expressions that look at all nodes for each node (`last()`, `position()`, `|`, `..`, a path in a predicate, the axes `following` and " +
		"`preceding`) are paid for from the budget of the run, which is enough for some 3,000 tags.",
	Params: []Param{
		{Name: "key", Kind: Key},
		{Name: "xpath", Kind: Text},
		{Name: "newkey", Kind: Key},
	},
	Examples: []Example{
		{Script: "xml(_, \"/order/item[2]/name\", second)\nxml(_, \"//item[@sku='x1']/qty\", qty)", Message: `<order><item sku="x1"><name>cup</name><qty>2</qty></item><item><name>mug</name></item></order>`,
			Want: "second=\"mug\"\nqty=\"2\""},
		{Script: "xml(_, \"//item/@sku\", sku)\nxml(_, \"/order\", all)", Message: `<order id="7"><item sku="x1">cup</item> <item>mug</item></order>`,
			Want: "sku=\"x1\"\nall=\"cup mug\""},
		{Script: "xml(_, \"count(//a)\", n)\nxml(_, \"//[\", x)\nxml(_, \"//b\", b)\nxml(nosuch, \"//a\", a)", Message: `<a>1</a>`, Want: ""},
		{Script: "xml(_, \"//a\", a)", Message: `<a>1</b>`, Want: ""},
	},
	Bind: func(c *Call) eval.Expr {
		read, target, find, power := c.Read(0), c.Key(2), compileXPath(c.Str(1)), power(c.Str(1))
		return func(f *eval.Frame) (point.Value, bool) {
			text, known, ok := readText(f, read)
			if !known || !ok || find == nil {
				return wrote(ok)
			}
			if !f.Work(xmlCost(text, power)) {
				return failed()
			}
			found, ok := findXML(text, find)
			return wrote(!ok || f.Spend(len(found)) && f.Write(target, point.String(found)))
		}
	},
})

// Bounds of what the libraries are given: a tag becomes a node of some 200 bytes, and they call themselves for each level
// of the document and of the expression.
const (
	maxXMLTags   = 100_000
	maxXMLLevels = 200
	maxXPath     = 4096
)

// compileXPath returns nil if the expression is none.
func compileXPath(text string) (find *xpath.Expr) {
	if len(text) > maxXPath {
		return nil
	}
	defer func() {
		if recover() != nil {
			find = nil
		}
	}()
	find, err := xpath.Compile(text)
	if err != nil {
		return nil
	}
	return find
}

// findXML returns the text of the first node that is found. The libraries panic on some documents and expressions.
func findXML(text string, find *xpath.Expr) (found string, ok bool) {
	if tags := strings.Count(text, "<"); tags == 0 || tags > maxXMLTags {
		return "", false
	}
	defer func() {
		if recover() != nil {
			found, ok = "", false
		}
	}()
	doc, err := xmlquery.Parse(strings.NewReader(text))
	if err != nil || levels(doc) > maxXMLLevels {
		return "", false
	}
	node := xmlquery.QuerySelector(doc, find)
	if node == nil {
		return "", false
	}
	return node.InnerText(), true
}

// levels returns how deep the tree is, without calling itself.
func levels(n *xmlquery.Node) int {
	deepest, level := 0, 0
	for n != nil {
		deepest = max(deepest, level)
		switch {
		case n.FirstChild != nil:
			n = n.FirstChild
			level++
		default:
			for n != nil && n.NextSibling == nil {
				n = n.Parent
				level--
			}
			if n != nil {
				n = n.NextSibling
			}
		}
	}
	return deepest
}
