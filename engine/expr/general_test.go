package expr

import "github.com/expr-lang/expr/parser"

// generalOf compiles a whole condition with expr-lang, also what would be compiled by hand.
func generalOf(text string) (*program, error) {
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, err
	}
	m, err := builder{source: tree.Source, compiled: &compiled{}}.general(tree.Node)
	if err != nil {
		return nil, err
	}
	return m.(*program), nil
}
