package funcs

import (
	"strings"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "point_window",
	Group:   OnState,
	Summary: "Registers the point with the window of its stream, so that `window_hit` brings dropped points around a hit back.",
	Doc: "A window belongs to the values of the names in `stream_tags`, variable first; if one of them is unknown or no str, or if a size is no " +
		"int, the call does nothing; nor does it in a script that `create_point` runs on its new point. The sizes are those of the first point of the window. Only the first call in a run counts.\n\n" +
		"After the run of a registered point: if fewer than `after` points were handed back since the last hit, the window hands back all " +
		"points that it stores, and this one if it is dropped, and is empty then. Otherwise the point goes into one of `before` places, over the " +
		"oldest; a point that is not dropped takes a place, too, but is never handed back. Points come back in the order of the places, not of " +
		"their age, as the script left them, in their category, and count as created. A point whose run ended with an error is not stored, and " +
		"a hit of it does nothing.\n\n" +
		"The windows of a script may have about 64 MiB together. Beyond that the one that was used the longest time ago goes with its points, which " +
		"are counted." + stateDoc + " So a kill costs the dropped points that a later hit would have brought back.\n\n" +
		"Differs from DataKit: sizes that are no ints do nothing, where the original panics.",
	Params: []Param{
		{Name: "before", Kind: Value, Summary: "how many points are stored, an int"},
		{Name: "after", Kind: Value, Summary: "how many points from the hit on are handed back, an int"},
		{Name: "stream_tags", Kind: Value, Optional: true, Summary: "a list of text literals, by default `[\"filepath\", \"host\"]`"},
	},
	Named: true,
	Examples: []Example{
		{Script: "point_window(3, 1, [\"status\"])\nif message == \"4\" { window_hit() }\ndrop()", Points: []string{"1", "2", "4", "5"},
			Want: "dropped\n--\ndropped\n--\n" +
				"created logging src message=\"1\",status=\"info\" 1700000000000000000\n" +
				"created logging src message=\"2\",status=\"info\" 1700000000000000000\n--\ndropped"},
		{Script: "point_window(0, 2, stream_tags=[\"status\"])\nif message == \"hit\" { window_hit() }\ndrop()",
			Points: []string{"a", "hit", "b", "c"}, Want: "dropped\n--\n\n--\n\n--\ndropped"},
		{Script: "point_window(5, 5)\nwindow_hit()\ndrop()", Want: "dropped"},
	},
	Bind: func(c *Call) eval.Expr {
		names := []string{"filepath", "host"}
		if c.Has(2) {
			var ok bool
			if names, ok = textList(c.Arg(2)); !ok || len(names) == 0 {
				c.Fault(2, "the argument stream_tags must be a list of text literals that is not empty")
				return nil
			}
		}
		stream, reads := strings.Join(names, "\x00"), lookups(c, names)
		before, after := c.Value(0), c.Value(1)
		return func(f *eval.Frame) (point.Value, bool) {
			b, ok := before(f)
			if !ok {
				return failed()
			}
			a, ok := after(f)
			if !ok {
				return failed()
			}
			if b.Kind() != point.KindInt || a.Kind() != point.KindInt {
				return done()
			}
			if values, known := readStrings(f, reads); known {
				f.State.Register(f.Point, stream, values, b.Int(), a.Int())
			}
			return done()
		}
	},
})

var _ = declare(Decl{
	Name:    "window_hit",
	Group:   OnState,
	Summary: "Makes the window that the point is registered with hand back what it stores, and the next points.",
	Doc:     "It does nothing before `point_window`. What is handed back, and what is lost with the process, see there." + stateDoc,
	Examples: []Example{
		{Script: "point_window(2, 2, [\"status\"])\nif message == \"4\" { window_hit() }\ndrop()", Points: []string{"1", "2", "3", "4", "5", "6"},
			Want: "dropped\n--\ndropped\n--\ndropped\n--\n" +
				"created logging src message=\"3\",status=\"info\" 1700000000000000000\n" +
				"created logging src message=\"2\",status=\"info\" 1700000000000000000\n--\n\n--\ndropped"},
		{Script: "point_window(2, 1, [\"status\"])\nif message == \"hit\" { window_hit() } else { drop() }", Points: []string{"a", "hit"},
			Want: "dropped\n--\ncreated logging src message=\"a\",status=\"info\" 1700000000000000000"},
		{Script: "window_hit()\npoint_window(2, 2, [\"status\"])\ndrop()", Want: "dropped"},
	},
	Bind: func(*Call) eval.Expr {
		return func(f *eval.Frame) (point.Value, bool) {
			f.State.Hit(f.Point)
			return done()
		}
	},
})
