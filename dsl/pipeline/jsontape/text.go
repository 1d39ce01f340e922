package jsontape

import "dataflow/engine/point"

// AppendText appends the JSON text of v as the language defines it, see [point.AppendJSON].
func AppendText(dst []byte, v point.Value) []byte { return point.AppendJSON(dst, v) }

// AppendFloat appends f in plain decimal notation, see [point.AppendFloat].
func AppendFloat(dst []byte, f float64) []byte { return point.AppendFloat(dst, f) }
