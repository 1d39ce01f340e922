package point

// Category is the kind of record a point is. The numbers are those of DataKit's enumeration (contract 1.1).
type Category uint8

// The categories.
const (
	Unknown      Category = 0
	DynamicDW    Category = 1
	MetricOld    Category = 2 // "metrics", the old name of metric: recognised, never written
	Metric       Category = 3
	Network      Category = 4
	KeyEvent     Category = 5
	Object       Category = 6
	ObjectChange Category = 7
	CustomObject Category = 8
	Logging      Category = 9
	Tracing      Category = 10
	RUM          Category = 11
	Security     Category = 12
	Profiling    Category = 13
	DialTesting  Category = 14

	// Categories is the number of categories; every Category is below it.
	Categories = 15
)

var categoryNames = [Categories]struct{ name, alias string }{
	Unknown: {"unknown", "UNKNOWN"}, DynamicDW: {"dynamic_dw", "DYNAMIC_DW"}, MetricOld: {"metrics", "METRICS"},
	Metric: {"metric", "M"}, Network: {"network", "N"}, KeyEvent: {"keyevent", "E"}, Object: {"object", "O"},
	ObjectChange: {"object_change", "OCH"}, CustomObject: {"custom_object", "CO"}, Logging: {"logging", "L"},
	Tracing: {"tracing", "T"}, RUM: {"rum", "R"}, Security: {"security", "S"}, Profiling: {"profiling", "P"},
	DialTesting: {"dialtesting", "DT"},
}

// String returns the name of the category as it stands in URLs.
func (c Category) String() string {
	if int(c) < len(categoryNames) {
		return categoryNames[c].name
	}
	return "unknown"
}

// Alias returns the short form of the category: M, L, CO and so on.
func (c Category) Alias() string {
	if int(c) < len(categoryNames) {
		return categoryNames[c].alias
	}
	return "UNKNOWN"
}

// CategoryOf returns the category with the given name or alias.
func CategoryOf(s string) (c Category, ok bool) {
	for i, n := range categoryNames {
		if s == n.name || s == n.alias {
			return Category(i), true
		}
	}
	return Unknown, false
}
