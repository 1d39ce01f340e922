package funcs

import (
	"time"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "adjust_timezone",
	Group:   OnTime,
	Summary: "Moves a time by whole hours next to the present time, for logs whose times lack their zone or have a wrong one.",
	Doc: "The result has the minutes that the value has and lies after now - 58 minutes and not after now + 2 minutes. So a log must arrive " +
		"within 58 minutes: older ones are moved to the wrong hour. DataKit's documentation names a second argument; its check refuses it, and so does ours.",
	Params: []Param{{Name: "key", Kind: Key, Summary: "an int, in ns since 1970; anything else is an error, an unknown name is none"}},
	Examples: []Example{
		{Script: "t = 1700020800000000000\nadjust_timezone(t)\nadjust_timezone(nosuch)", Want: "t=1699999200000000000"},
		{Script: "add_key(time, 1699970399000000000)\nadjust_timezone(time)", Want: "time=1699999199000000000"},
		{Script: "add_key(t, \"2024-03-09 16:05:06\")\nadjust_timezone(t)", Want: "error 2:1: adjust_timezone: the value of t is not int but str\nt=\"2024-03-09 16:05:06\""},
	},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			v, known := read(f)
			if !known {
				return done()
			}
			if v.Kind() != point.KindInt {
				return f.Failf("adjust_timezone: the value of %s is not int but %s", key, eval.TypeName(v))
			}
			return wrote(f.Write(key, point.Int(nearby(v.Int(), f.Now().UnixNano()))))
		}
	},
})

// nearby returns the time that is whole hours away from t and at most 2 minutes later and less than 58 minutes earlier
// than now, all in ns.
func nearby(t, now int64) int64 {
	const hour, margin = int64(time.Hour), int64(2 * time.Minute)
	t = now - intoHour(now) + intoHour(t)
	if t > now+margin {
		return t - hour
	}
	if t <= now-hour+margin {
		return t + hour
	}
	return t
}

// intoHour returns how far t is into its hour.
func intoHour(t int64) int64 {
	const hour = int64(time.Hour)
	return (t%hour + hour) % hour
}
