package funcs

import (
	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

// stateDoc ends the page of each function that keeps something from point to point.
const stateDoc = "\n\nThe state belongs to the script that was loaded, together with those that it calls by `use`. It is in memory only: " +
	"reloading the script, stopping the engine and a kill lose it. It holds copies, so nothing waits for it: the messages that it was " +
	"made of are acknowledged without it and are not read again."

var _ = declare(Decl{
	Name:    "cache_get",
	Group:   OnState,
	Summary: "Yields the text that `cache_set` stored under a key, nil if there is none or if its time is over.",
	Doc: "The result is always a str, whatever was stored: after `cache_set(\"n\", 5)` the sum `cache_get(\"n\") + \"1\"` is `51`, and " +
		"`cache_get(\"n\") == 5` is false. `cast` or `parse_int` make a number of it. A key that is no str is a run error." + stateDoc,
	Result: "str or nil",
	Params: []Param{{Name: "key", Kind: Value, Summary: "a str"}},
	Examples: []Example{
		{Script: "cache_set(\"n\", 5)\nadd_key(a, cache_get(\"n\") + \"1\")\nadd_key(b, cache_get(\"n\") == 5)", Want: "a=\"51\"\nb=false"},
		{Script: "add_key(before, cache_get(\"last\"))\nif message != \"\" { cache_set(\"last\", _) }", Points: []string{"one", "two", "three"},
			Want: "before=nil\n--\nbefore=\"one\"\n--\nbefore=\"two\""},
		{Script: "add_key(a, cache_get(5))", Want: "error 1:12: cache_get: the argument key is not str but int"},
	},
	Bind: func(c *Call) eval.Expr {
		key := c.Value(0)
		return func(f *eval.Frame) (point.Value, bool) {
			k, ok := textOf(f, key, "cache_get", "key")
			if !ok {
				return failed()
			}
			if text, ok := f.State.Cache.Get(k, f.Now()); ok {
				return point.String(text), true
			}
			return point.Nil(), true
		}
	},
})

var _ = declare(Decl{
	Name:    "cache_set",
	Group:   OnState,
	Summary: "Stores the text of a value under a key for some seconds, for this and later points.",
	Doc: "A number is stored as its text, a list or map as JSON, nil as `\"\"`. What is set again is replaced, and its time begins anew. With " +
		"`exp` of 0 or less nothing is stored, and what is there stays. A key that is no str and an `exp` that is no int are run errors; an error of " +
		"the script after the call does not take it back.\n\n" +
		"All keys of a script may have about 64 MiB together. Beyond that the one that was set the longest time ago goes, and is counted." +
		stateDoc +
		"\n\nDiffers from DataKit: `cache_get` sees the value at once, since storing is not left to a background task; entries of more than " +
		"100 seconds expire; one that is set again lives for its new time.",
	Params: []Param{
		{Name: "key", Kind: Value, Summary: "a str"},
		{Name: "value", Kind: Value},
		{Name: "exp", Kind: Value, Optional: true, Summary: "seconds, an int, by default 100"},
	},
	Named: true,
	Examples: []Example{
		{Script: "cache_set(\"k\", {\"a\": [1, 2]}, exp=5)\nadd_key(v, cache_get(\"k\"))", Want: "v=\"{\\\"a\\\":[1,2]}\""},
		{Script: "cache_set(\"k\", 1, 0)\nadd_key(v, cache_get(\"k\"))", Want: "v=nil"},
		{Script: "n = cache_get(\"n\")\ncast(n, \"int\")\nif message == \"hit\" { cache_set(key=\"n\", value=get_key(n) + 1) }",
			Points: []string{"hit", "hit", "miss"}, Want: "n=0\n--\nn=1\n--\nn=2"},
		{Script: "cache_set(\"k\", 1, \"60\")", Want: "error 1:1: cache_set: the argument exp is not int but str"},
	},
	Bind: func(c *Call) eval.Expr {
		const defaultSeconds = 100
		key, value := c.Value(0), c.Value(1)
		seconds := func(*eval.Frame) (point.Value, bool) { return point.Int(defaultSeconds), true }
		if c.Has(2) {
			seconds = c.Value(2)
		}
		return func(f *eval.Frame) (point.Value, bool) {
			k, ok := textOf(f, key, "cache_set", "key")
			if !ok {
				return failed()
			}
			v, ok := value(f)
			if !ok {
				return failed()
			}
			exp, ok := seconds(f)
			if !ok {
				return failed()
			}
			if exp.Kind() != point.KindInt {
				return f.Failf("cache_set: the argument exp is not int but %s", eval.TypeName(exp))
			}
			text, ok := f.Text(v)
			if !ok {
				return failed()
			}
			f.State.Cache.Set(k, text, exp.Int(), f.Now())
			return done()
		}
	},
})

// textOf evaluates an argument that must be a str.
func textOf(f *eval.Frame, value eval.Expr, function, param string) (text string, ok bool) {
	v, ok := value(f)
	if ok && v.Kind() != point.KindString {
		_, ok = f.Failf("%s: the argument %s is not str but %s", function, param, eval.TypeName(v))
	}
	return v.Str(), ok
}
