package main

import (
	"fmt"
	"strings"
)

// edit is a line of a comparison: ' ' in both texts, '-' in the first, '+' in the second.
type edit struct {
	sign byte
	line string
}

// unifiedDiff returns what leads from one text to another, "" for nothing, with two lines around each change.
func unifiedDiff(name, was, is string) string {
	edits := compareLines(lines(was), lines(is))
	const around = 2
	shown := make([]bool, len(edits))
	any := false
	for i, e := range edits {
		if e.sign == ' ' {
			continue
		}
		any = true
		for j := max(0, i-around); j <= min(len(edits)-1, i+around); j++ {
			shown[j] = true
		}
	}
	if !any {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s, formatted\n", name, name)
	old, now := 1, 1 // numbers of the lines
	for i, e := range edits {
		if shown[i] && (i == 0 || !shown[i-1]) {
			n, m := 0, 0
			for j := i; j < len(edits) && shown[j]; j++ {
				if edits[j].sign != '+' {
					n++
				}
				if edits[j].sign != '-' {
					m++
				}
			}
			fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@\n", old, n, now, m)
		}
		if shown[i] {
			fmt.Fprintf(&b, "%c%s\n", e.sign, e.line)
		}
		if e.sign != '+' {
			old++
		}
		if e.sign != '-' {
			now++
		}
	}
	return b.String()
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// compareLines finds a longest common part. Beyond a few thousand different lines it gives up and replaces all.
func compareLines(a, b []string) (edits []edit) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		edits = append(edits, edit{' ', a[head]})
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	end := a[len(a)-tail:]
	a, b = a[head:len(a)-tail], b[head:len(b)-tail]
	const most = 16 << 20 // cells of the table
	width := len(b) + 1
	var common []int32 // common[i*width+j] lines are common to a[i:] and b[j:]
	if (len(a)+1)*width <= most {
		common = make([]int32, (len(a)+1)*width)
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					common[i*width+j] = common[(i+1)*width+j+1] + 1
				} else {
					common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
				}
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case common != nil && i < len(a) && j < len(b) && a[i] == b[j]:
			edits = append(edits, edit{' ', a[i]})
			i++
			j++
		case i < len(a) && (common == nil || j == len(b) || common[(i+1)*width+j] >= common[i*width+j+1]):
			edits = append(edits, edit{'-', a[i]})
			i++
		default:
			edits = append(edits, edit{'+', b[j]})
			j++
		}
	}
	for _, line := range end {
		edits = append(edits, edit{' ', line})
	}
	return edits
}
