package diag

import "strings"

// Nearest returns the one of among that name was probably meant to be, "" if none is near. Case and the
// difference between - and _ do not count. Of several equally near ones the first is taken.
func Nearest(name string, among []string) string {
	norm := func(s string) []rune { return []rune(strings.ReplaceAll(strings.ToLower(s), "-", "_")) }
	n := norm(name)
	if len(n) == 0 || len(n) > 100 {
		return ""
	}
	best, least := "", 2+(len(n)-1)/4 // one letter in four
	for _, a := range among {
		m := norm(a)
		if a == name || len(m) > 100 {
			continue
		}
		if d := distance(n, m); d < least && 2*d < max(len(n), len(m)) {
			best, least = a, d
		}
	}
	return best
}

// DidYouMean returns the hint for a name that is not known, "" if none of the known ones is near.
func DidYouMean(name string, among []string) string {
	if n := Nearest(name, among); n != "" {
		return `did you mean "` + n + `"?`
	}
	return ""
}

// distance is the number of letters to insert, remove, replace or swap with their neighbour that lead from a
// to b.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
