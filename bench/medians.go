package bench

import (
	"bufio"
	"slices"
	"strconv"
	"strings"
)

// Median is a benchmark's figure, ns for a point.
type Median struct {
	Name  string
	Value float64
}

// Medians reads the output of go test -bench: of each benchmark the median of ns/point, or of ns/op where there is
// none, in the order of their first appearance.
func Medians(output string) []Median {
	values := map[string][]float64{}
	var names []string
	for lines := bufio.NewScanner(strings.NewReader(output)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		at := slices.Index(f, "ns/point")
		if at < 0 {
			at = slices.Index(f, "ns/op")
		}
		if at < 1 {
			continue
		}
		v, err := strconv.ParseFloat(f[at-1], 64)
		if err != nil {
			continue
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
		if values[name] == nil {
			names = append(names, name)
		}
		values[name] = append(values[name], v)
	}
	var out []Median
	for _, n := range names {
		slices.Sort(values[n])
		out = append(out, Median{n, median(values[n])})
	}
	return out
}
