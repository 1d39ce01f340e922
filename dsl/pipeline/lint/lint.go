// Package lint finds what scripts load with but hardly mean: mistakes that DataKit accepts, and that therefore are no errors here
// either.
package lint

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/syntax"
)

// Warning is something that is hardly meant as it is written.
type Warning struct {
	syntax.Place
	EndCol int // the column behind it on its line, 0 if that is not known
	Msg    string
	Hint   string // what to do about it
}

// Check returns what a script is warned of, in the order of the text; nothing for one that does not parse. Scripts
// that it uses are checked on their own.
func Check(src *syntax.Source) []Warning {
	tree, errs := syntax.Parse(src)
	if len(errs) > 0 {
		return nil
	}
	c := &checker{src: src, written: map[string]bool{}, meant: map[string]bool{}, ended: map[string]syntax.Pos{}, lost: map[string]bool{}, gone: syntax.NoPos}
	c.collect(tree.Body)
	c.block(tree.Body)
	for _, v := range c.unused {
		if !c.lost[v.name] {
			c.warn(v.at, v.name, "`"+v.name+"` is assigned but never used", "an assignment does not change the point: write add_key("+v.name+")")
		}
	}
	slices.SortStableFunc(c.all, func(a, b Warning) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) })
	return c.all
}

type checker struct {
	src     *syntax.Source
	all     []Warning
	scopes  []map[string]*variable
	ended   map[string]syntax.Pos // where variables were made whose block has ended
	lost    map[string]bool       // of those, the ones that are used all the same
	unused  []*variable
	written map[string]bool // keys that the script may write, anywhere
	meant   map[string]bool // keys that it drops, renames or reads as such, anywhere
	gone    syntax.Pos      // where the message was dropped for sure, or NoPos
	noted   bool            // that it is gone
}

type variable struct {
	name string
	at   syntax.Pos
	used bool
}

// warn adds a warning about text, which stands at a place; text may be "".
func (c *checker) warn(at syntax.Pos, text, msg, hint string) {
	w := Warning{Place: c.src.Place(at), Msg: msg, Hint: hint}
	if text != "" {
		w.EndCol = w.Col + utf8.RuneCountInString(text)
	}
	c.all = append(c.all, w)
}

func (c *checker) push() { c.scopes = append(c.scopes, map[string]*variable{}) }

func (c *checker) pop() {
	last := len(c.scopes) - 1
	for name, v := range c.scopes[last] {
		if !v.used {
			c.unused = append(c.unused, v)
		}
		if _, was := c.ended[name]; !was || c.ended[name] > v.at {
			c.ended[name] = v.at
		}
	}
	c.scopes = c.scopes[:last]
}

func (c *checker) find(name string) *variable {
	for i := len(c.scopes) - 1; i >= 0; i-- {
		if v := c.scopes[i][name]; v != nil {
			return v
		}
	}
	return nil
}

func (c *checker) block(body []syntax.Stmt) {
	c.push()
	for _, s := range body {
		c.stmt(s)
	}
	c.pop()
}

func (c *checker) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		c.statement(s.X)
	case *syntax.Assign:
		c.assign(s)
	case *syntax.If:
		for _, b := range s.Branches {
			c.value(b.Cond)
			c.block(b.Body)
		}
		c.block(s.Else)
	case *syntax.ForIn:
		c.value(s.X)
		c.push()
		c.bind(s.Var, true)
		c.block(s.Body)
		c.pop()
	case *syntax.For:
		c.push()
		if s.Init != nil {
			c.stmt(s.Init)
		}
		c.value(s.Cond)
		c.block(s.Body)
		if s.Step != nil {
			c.stmt(s.Step)
		}
		c.pop()
	}
}

// statement is an expression on its own.
func (c *checker) statement(x syntax.Expr) {
	b, isBinary := x.(*syntax.Binary)
	if !isBinary {
		if _, isPath := x.(*syntax.Attr); !isPath {
			c.value(x)
		}
		return
	}
	c.value(x)
	hint := "assign it to a variable, or leave it out"
	if b.Op == syntax.OpEq {
		hint = "an assignment is written ="
	}
	c.warn(b.At, b.Op.String(), "nothing is done with the result of `"+b.Op.String()+"`", hint)
}

func (c *checker) assign(s *syntax.Assign) {
	for _, x := range s.Right {
		c.value(x)
	}
	if len(s.Left) > 1 || len(s.Right) > 1 {
		c.warn(s.At, "=", "an assignment to several names ends the script with an error", "assign one after the other")
		return
	}
	switch left := s.Left[0].(type) {
	case *syntax.Ident:
		c.bind(left, false)
	case *syntax.Index:
		c.value(left)
	default:
		hint := ""
		if text, isPath := syntax.PathText(left); isPath {
			hint = "write add_key(" + text + ", ...) for the key of that name"
		}
		c.warn(syntax.Start(left), "", "nothing is assigned: this is no name and no element of a list or map", hint)
	}
}

// bind makes a variable, unless there is one of the name.
func (c *checker) bind(id *syntax.Ident, used bool) {
	name := funcs.KeyName(id.Name)
	if v := c.find(name); v != nil {
		v.used = v.used || used
		return
	}
	if id.Name == "_" {
		c.warn(id.At, "_", "this makes a variable that hides the message from here on; the point keeps the old one", "write add_key(message, ...) to change the point")
		used = true
	}
	c.scopes[len(c.scopes)-1][name] = &variable{name: name, at: id.At, used: used}
}

// read notes that the value of a name is used.
func (c *checker) read(name string, at syntax.Pos) {
	if v := c.find(name); v != nil {
		v.used = true
		return
	}
	if made, was := c.ended[name]; was && !c.written[name] && !c.lost[name] {
		c.lost[name] = true
		line, _ := c.src.LineCol(made)
		c.warn(at, name, "`"+name+"` is no variable here: the block of line "+itoa(line)+" that made it has ended", "assign to it in front of the block: "+name+" = nil")
	}
	if name == "message" && c.gone >= 0 && !c.written[name] && !c.noted {
		c.noted = true
		line, _ := c.src.LineCol(c.gone)
		c.warn(at, "", "the message was dropped on line "+itoa(line), "drop it behind the last use")
	}
}
