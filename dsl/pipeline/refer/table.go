// Package refer holds reference tables: rows of values that scripts look up by the values of some columns.
package refer

// Table is one reference table. It never changes.
type Table struct{}
