package graph

import (
	"errors"
	"strings"

	"dataflow/engine"
	"dataflow/engine/diag"
)

// place is where something stands.
type place struct {
	pos diag.Pos
	end int
	v   *value // nil if it has no text of its own
}

func (v *value) place() place { return place{v.pos, v.end, v} }
func (k key) place() place    { return place{k.pos, k.end, nil} }

// conf says where the options of a component stand, so that errors which are found later have a position.
type conf struct {
	l       *loader
	typ     place // the value of type:
	at      map[string]place
	secrets []string
}

func (c *conf) diagnose(err error) diag.List {
	list := c.walk(nil, err, "")
	for i := range list {
		for _, s := range c.secrets {
			list[i].Message = redact(list[i].Message, s)
		}
	}
	return list.Sort()
}

// walk collects the leaves of an error's tree. Path is that of the options around err.
func (c *conf) walk(list diag.List, err error, path string) diag.List {
	switch e := err.(type) { //nolint:errorlint // the tree is walked here
	case nil:
		return list
	case diag.List:
		return append(list, e...)
	case diag.Diagnostic:
		return append(list, e)
	case *engine.OptionError:
		return c.walk(list, e.Err, join(path, e.Path))
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			list = c.walk(list, one, path)
		}
		return list
	}
	// A text around an option's error is kept; a text around several goes, each stands for itself.
	var option *engine.OptionError
	if inner := errors.Unwrap(err); inner != nil {
		var many interface{ Unwrap() []error }
		var found diag.List
		switch {
		case errors.As(inner, &found), errors.As(inner, &many):
			return c.walk(list, inner, path)
		case errors.As(err, &option):
			path = join(path, option.Path)
		}
	}
	message := err.Error()
	if path != "" && option == nil {
		message = path + ": " + message
	}
	at := c.place(path)
	var text *diag.TextError
	if at.v != nil && errors.As(err, &text) {
		return append(list, c.l.within(text, at.v)...)
	}
	return append(list, diag.Diagnostic{Pos: at.pos, EndCol: at.end, Message: message})
}

// place returns where an option stands, or the nearest one around it that the file has.
func (c *conf) place(path string) place {
	path = strings.NewReplacer("[", ".", "]", "").Replace(path)
	for path != "" {
		if at, ok := c.at[path]; ok {
			return at
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			break
		}
		path = path[:i]
	}
	return c.typ
}
