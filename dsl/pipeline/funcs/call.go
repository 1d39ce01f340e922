package funcs

import (
	"fmt"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/grok"
	"dataflow/dsl/pipeline/syntax"
	"dataflow/engine/diag"
	"dataflow/engine/point"
)

// Env is what a call finds around it when it is bound. The compiler implements it.
type Env interface {
	// Expr compiles an argument.
	Expr(x syntax.Expr) eval.Expr
	// Lookup returns how the name is read at this place: variable first, then the key of the point.
	Lookup(name string) eval.Lookup
	// Patterns returns the grok patterns that can be seen at this place.
	Patterns() *grok.Patterns
	// DefinePattern adds a grok pattern to those of the block at this place.
	DefinePattern(name, pattern string) error
	// Program compiles another script, for use. It reports what is wrong with it and returns nil then.
	Program(name string, at syntax.Pos) *eval.Program
	// Mutates reports whether lists and maps may change in place.
	Mutates() bool
	// Source returns the script that the call stands in.
	Source() *syntax.Source
	// Report adds a fault of the script. The hint may be "".
	Report(at syntax.Pos, hint, text string)
}

// Call is a call while it is bound. Its arguments are numbered as the parameters of the function.
type Call struct {
	Env
	decl *Decl
	at   syntax.Pos
	args []syntax.Expr // nil: not given
	rest []syntax.Expr
	bad  bool
}

// Bind checks a call and makes its closure, nil if the call was reported as faulty.
func Bind(env Env, call *syntax.Call) eval.Expr {
	c := &Call{Env: env, at: call.At}
	if c.decl = declared[call.Name]; c.decl == nil {
		c.unknown(call.Name)
		return nil
	}
	if c.assign(call.Args); !c.bad {
		c.check()
	}
	if c.bad {
		return nil
	}
	fn := c.decl.Bind(c)
	if c.bad {
		return nil
	}
	return fn
}

func (c *Call) unknown(name string) {
	var known []string
	for _, d := range All() {
		known = append(known, d.Name)
	}
	c.bad = true
	c.Report(c.at, diag.DidYouMean(name, known), fmt.Sprintf("there is no function `%s`", name))
}

func (c *Call) fault(at syntax.Pos, format string, args ...any) {
	c.bad = true
	c.Report(at, "", fmt.Sprintf(format, args...))
}

// Fault reports argument i.
func (c *Call) Fault(i int, format string, args ...any) {
	at := c.at
	if i < len(c.args) && c.args[i] != nil {
		at = c.args[i].Pos()
	}
	c.fault(at, c.decl.Name+": "+format, args...)
}

// assign gives each parameter its argument.
func (c *Call) assign(args []syntax.Arg) {
	params := c.decl.Params
	c.args = make([]syntax.Expr, len(params))
	named := false
	for n, a := range args {
		switch {
		case a.Name == "" && named:
			c.fault(a.At, "%s: an argument without a name follows one with a name", c.decl.Name)
		case a.Name == "" && len(params) > 0 && params[len(params)-1].Kind == Rest && n >= len(params)-1:
			c.rest = append(c.rest, a.X)
		case a.Name == "" && n < len(params):
			c.args[n] = a.X
		case a.Name == "" && c.decl.Surplus:
		case a.Name == "":
			c.fault(a.At, "%s takes at most %d arguments", c.decl.Name, len(params))
			return
		case !c.decl.Named:
			c.fault(a.At, "%s takes no named arguments", c.decl.Name)
		default:
			named = true
			c.assignNamed(a)
		}
	}
}

func (c *Call) assignNamed(a syntax.Arg) {
	names := make([]string, len(c.decl.Params))
	for i, p := range c.decl.Params {
		names[i] = p.Name
		if p.Name != a.Name {
			continue
		}
		if c.args[i] != nil {
			c.fault(a.At, "%s: the argument %s is given twice", c.decl.Name, a.Name)
		}
		c.args[i] = a.X
		return
	}
	c.bad = true
	c.Report(a.At, diag.DidYouMean(a.Name, names), fmt.Sprintf("%s has no argument %s", c.decl.Name, a.Name))
}

func (c *Call) check() {
	for i, p := range c.decl.Params {
		if c.args[i] == nil {
			if !p.Optional && p.Kind != Rest {
				c.fault(c.at, "%s: the argument %s is missing", c.decl.Name, p.Name)
			}
			continue
		}
		if !accepts(p.Kind, c.args[i]) {
			c.bad = true
			c.Report(c.args[i].Pos(), otherwise(p.Kind, c.args[i]), fmt.Sprintf("%s: the argument %s must be %v", c.decl.Name, p.Name, p.Kind))
		}
	}
}

// otherwise says what to do about an argument that does not fit.
func otherwise(k Kind, x syntax.Expr) string {
	switch x.(type) {
	case *syntax.Index, *syntax.Call, *syntax.Binary, *syntax.Slice:
		switch k {
		case Key, Name, Ident, Operand:
			return "assign it to a variable first"
		}
	}
	return ""
}

func accepts(k Kind, x syntax.Expr) bool {
	_, isPath := syntax.PathText(x)
	_, isIdent := x.(*syntax.Ident)
	kind := point.KindRef // no literal has it
	if l, ok := x.(*syntax.Literal); ok {
		kind = l.Val.Kind()
	}
	switch k {
	case Key, Operand:
		return isPath || kind == point.KindString
	case Name:
		return isPath
	case Ident:
		return isIdent
	case Text:
		return kind == point.KindString
	case Flag:
		return kind == point.KindBool
	}
	return true // a Path is checked where it is taken apart
}

// Has reports whether argument i is given.
func (c *Call) Has(i int) bool { return i < len(c.args) && c.args[i] != nil }

// Arg returns argument i as it is written, nil if it is not given.
func (c *Call) Arg(i int) syntax.Expr { return c.args[i] }

// Key returns the name that argument i stands for.
func (c *Call) Key(i int) string {
	if l, ok := c.args[i].(*syntax.Literal); ok {
		return KeyName(l.Val.Str())
	}
	text, _ := syntax.PathText(c.args[i])
	return KeyName(text)
}

// KeyName returns the name that a key argument, or a name in an expression, means: _ is the message.
func KeyName(text string) string {
	if text == "_" {
		return "message"
	}
	return text
}

// Str returns the text literal i, "" if it is not given.
func (c *Call) Str(i int) string {
	if l, ok := c.args[i].(*syntax.Literal); ok {
		return l.Val.Str()
	}
	return ""
}

// Flag returns the bool literal i, or otherwise if it is not given.
func (c *Call) Flag(i int, otherwise bool) bool {
	if l, ok := c.args[i].(*syntax.Literal); ok {
		return l.Val.Bool()
	}
	return otherwise
}

// Read returns how the value of the name that argument i stands for is read.
func (c *Call) Read(i int) eval.Lookup { return c.Lookup(c.Key(i)) }

// Operand returns how argument i, an Operand, is evaluated. known is false for a name that is not known.
func (c *Call) Operand(i int) eval.Lookup {
	if l, ok := c.args[i].(*syntax.Literal); ok {
		return func(*eval.Frame) (point.Value, bool) { return l.Val, true }
	}
	return c.Read(i)
}

// Value compiles the expression i.
func (c *Call) Value(i int) eval.Expr { return c.Expr(c.args[i]) }

// RestValues compiles the expressions of a Rest parameter.
func (c *Call) RestValues() []eval.Expr {
	values := make([]eval.Expr, len(c.rest))
	for i, x := range c.rest {
		values[i] = c.Expr(x)
	}
	return values
}

// readText reads a name as text, and pays for looking at it. known is false if there is no such name; ok is false after an error.
func readText(f *eval.Frame, read eval.Lookup) (text string, known, ok bool) {
	v, known := read(f)
	if !known {
		return "", false, true
	}
	if v.Kind() == point.KindString {
		text = v.Str()
		return text, true, f.Work(len(text))
	}
	text, ok = f.Text(v)
	return text, true, ok && f.Work(len(text))
}

// done is what a call without a result returns.
func done() (point.Value, bool) { return eval.Void(), true }

// failed is what a call returns after an error that the frame holds.
func failed() (point.Value, bool) { return point.Nil(), false }

// wrote is what a call without a result returns after its last step, which may have failed.
func wrote(ok bool) (point.Value, bool) {
	if ok {
		return done()
	}
	return failed()
}
