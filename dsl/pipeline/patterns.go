package pipeline

import (
	"maps"
	"slices"

	"dataflow/dsl/pipeline/grok"
)

// withPatterns returns a scope with further patterns, which may use each other in any order.
func withPatterns(builtin *grok.Patterns, defs map[string]string) (*grok.Patterns, Errors) {
	scope := builtin.Child()
	todo := slices.DeleteFunc(slices.Sorted(maps.Keys(defs)), func(name string) bool {
		_, err := builtin.Compile("%{" + name + "}")
		return err == nil // a built-in pattern wins
	})
	for len(todo) > 0 {
		var errs Errors
		left := todo[:0:0]
		for _, name := range todo {
			if err := scope.Add(name, defs[name]); err != nil {
				errs = append(errs, &Error{Place: Place{File: "pattern " + name}, Msg: err.Error()})
				left = append(left, name)
			}
		}
		if len(left) == len(todo) {
			return nil, errs
		}
		todo = left
	}
	return scope, nil
}
