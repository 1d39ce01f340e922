package runtime

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestCountersAreBoundedByName: a name whose labels come from outside fills itself and takes no room from another.
func TestCountersAreBoundedByName(t *testing.T) {
	var s stats
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				s.custom.family("hostile").add(fmt.Sprintf("input %d", w*1000+i), 1)
			}
		})
	}
	wg.Wait()
	s.custom.family("requests").add("200", 3)
	s.custom.family("requests").add("503", 4)
	s.custom.family("plain").add("", 5)
	s.custom.family("never")
	hostile, sum := 0, int64(0)
	var others []Count
	for _, c := range s.read().Custom {
		if strings.HasPrefix(c.Label, "hostile{") {
			hostile++
			sum += c.N
			continue
		}
		others = append(others, c)
	}
	if want := []Count{{"plain", 5}, {"requests{200}", 3}, {"requests{503}", 4}}; !slices.Equal(others, want) {
		t.Errorf("others are %v, want %v", others, want)
	}
	const racing = 4 // goroutines that saw room at the same moment
	if hostile < maxLabels || hostile > maxLabels+1+racing || sum != 4000 {
		t.Errorf("%d labels with a sum of %d", hostile, sum)
	}
	for i := range 1000 {
		s.custom.family(fmt.Sprintf("name %d", i)).add("", 1)
	}
	if n := len(s.read().Custom); n > hostile+len(others)+maxFamilies {
		t.Errorf("%d series", n)
	}
}
