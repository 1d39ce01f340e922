// Package compile turns the tree of a script into closures. Names become numbered slots, constants are
// folded, functions are bound to their arguments, so that a run looks nothing up but the keys of the point.
package compile

import (
	"slices"
	"strings"

	"dataflow/dsl/pipeline/eval"
	"dataflow/dsl/pipeline/funcs"
	"dataflow/dsl/pipeline/grok"
	"dataflow/dsl/pipeline/syntax"
)

// Options say what is around a script.
type Options struct {
	Load     func(name string) (text string, err error) // other scripts, for use; nil: there are none
	Patterns *grok.Patterns                             // those that every script sees

	// Plain leaves out all shortcuts. Results are the same, which is what it is for: tests compare both.
	Plain bool

	// Observe, if it is not nil, may wrap each statement. At is where it begins.
	Observe func(at syntax.Place, run eval.Stmt) eval.Stmt

	// Notes, if it is not nil, is told why an index yields nil or fails.
	Notes func(at syntax.Place, text string)
}

// Compile compiles a script and those that it uses. Either the program is nil or there are no errors.
func Compile(src *syntax.Source, o Options) (*eval.Program, syntax.Errors) {
	s := &session{Options: o, done: map[string]*eval.Program{}}
	prog := s.compile(src)
	if len(s.errs) > 0 {
		return nil, s.errs
	}
	return prog, nil
}

// session compiles a script with all that it uses, each once.
type session struct {
	Options
	errs syntax.Errors
	path []string // names of the scripts that are being compiled, the outermost first
	done map[string]*eval.Program
}

// compile returns nil after errors.
func (s *session) compile(src *syntax.Source) *eval.Program {
	tree, errs := syntax.Parse(src)
	before := len(s.errs)
	s.errs = append(s.errs, errs...)
	if len(errs) > 0 && strings.Contains(src.Text, "add_pattern") {
		return nil // the faulty statement may be the one that defines a pattern
	}
	s.path = append(s.path, src.Name)
	defer func() { s.path = s.path[:len(s.path)-1] }()
	c := &compiler{session: s, src: src, mutates: tree.Mutates, scratch: eval.NewFrame(eval.Limits{}, nil, nil)}
	body := c.block(tree.Body)
	if len(s.errs) > before {
		return nil
	}
	return &eval.Program{Source: src, Body: body, Slots: c.slots, Need: c.slots + c.need}
}

// fault reports a fault. Finding its line takes time, so there is a limit.
func (s *session) fault(src *syntax.Source, at syntax.Pos, format string, args ...any) {
	if len(s.errs) < syntax.MaxErrors {
		s.errs = append(s.errs, src.Errorf(at, format, args...))
	}
}

// use returns the program of another script, nil after errors.
func (s *session) use(name string, src *syntax.Source, at syntax.Pos) *eval.Program {
	fault := func(format string, args ...any) *eval.Program {
		s.fault(src, at, format, args...)
		return nil
	}
	if prog, seen := s.done[name]; seen {
		if prog == nil {
			return fault("use: the script %q is faulty", name)
		}
		return prog
	}
	if slices.Contains(s.path, name) {
		return fault("use: the scripts call each other in a circle: %s", strings.Join(append(s.path, name), " -> "))
	}
	if s.Load == nil {
		return fault("use: there is no script %q: no other scripts are configured", name)
	}
	text, err := s.Load(name)
	if err != nil {
		return fault("use: loading the script %q: %v", name, err)
	}
	prog := s.compile(&syntax.Source{Name: name, Text: text})
	s.done[name] = prog
	if prog == nil {
		return fault("use: the script %q is faulty", name)
	}
	return prog
}

// compiler compiles one script.
type compiler struct {
	*session
	src     *syntax.Source
	scope   *scope
	slots   int // handed out so far; each variable has one of its own
	need    int // slots of the neediest script that is used
	loops   int // around the present statement
	mutates bool
	exits   bool // the present statement may call exit
	scratch *eval.Frame
}

var _ funcs.Env = (*compiler)(nil)

func (c *compiler) fault(at syntax.Pos, format string, args ...any) {
	c.session.fault(c.src, at, format, args...)
}

// Report is for funcs.
func (c *compiler) Report(at syntax.Pos, hint, text string) {
	c.fault(at, "%s", text)
	if e := c.errs[len(c.errs)-1]; e.Msg == text {
		e.Hint = hint
	}
}

// Source is for funcs.
func (c *compiler) Source() *syntax.Source { return c.src }

// Mutates is for funcs.
func (c *compiler) Mutates() bool { return c.mutates }

// Program is for funcs.
func (c *compiler) Program(name string, at syntax.Pos) *eval.Program {
	prog := c.use(name, c.src, at)
	if prog != nil {
		c.need = max(c.need, prog.Need)
	}
	return prog
}

// Patterns is for funcs.
func (c *compiler) Patterns() *grok.Patterns {
	for s := c.scope; s != nil; s = s.outer {
		if s.patterns != nil {
			return s.patterns
		}
	}
	return c.session.Patterns
}

// DefinePattern is for funcs.
func (c *compiler) DefinePattern(name, pattern string) error {
	if c.scope.patterns == nil {
		c.scope.patterns = c.Patterns().Child()
	}
	return c.scope.patterns.Add(name, pattern)
}
