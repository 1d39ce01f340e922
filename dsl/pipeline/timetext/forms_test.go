package timetext

import (
	"testing"
	"time"
)

// TestFormsAlternate reads texts of several forms in turn: each is detected once.
func TestFormsAlternate(t *testing.T) {
	texts := []string{"Mar 9, 2024 4:05:06 PM", "03/09/2024 16:05:06", "2024-03-09 16:05", "9 Mar 2024, 16:05:06", "Sat, 09 Mar 2024 16:05:06 MST"}
	want := []string{"2024-03-09T16:05:06Z", "2024-03-09T16:05:06Z", "2024-03-09T16:05:00Z", "2024-03-09T16:05:06Z", "2024-03-09T16:05:06Z"}
	var d Detector
	read := func() {
		for i, s := range texts {
			ns, err := d.Parse(s, time.UTC, fixedNow)
			if got := time.Unix(0, ns).UTC().Format(time.RFC3339); err != nil || got != want[i] {
				t.Errorf("%q: got %s, %v", s, got, err)
			}
		}
	}
	read()
	forms := d.forms.Load()
	for range 3 {
		read()
	}
	if d.forms.Load() != forms || len(*forms) != len(texts) {
		t.Errorf("the forms are %v, then %v", *forms, *d.forms.Load())
	}
}

// TestFormsAreBounded reads more forms than are remembered.
func TestFormsAreBounded(t *testing.T) {
	var d Detector
	for i := range 3 * maxForms {
		s := "Mar 9, 2024 4:05:06." + "123456789"[:i%9+1] + " PM"
		if _, err := d.Parse(s, time.UTC, fixedNow); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	if forms := d.forms.Load(); forms == nil || len(*forms) != maxForms {
		t.Errorf("the forms are %v", forms)
	}
}

func BenchmarkAlternating(b *testing.B) {
	var d Detector
	texts := []string{"Mar 9, 2024 4:05:06 PM", "03/09/2024 16:05:06", "9 Mar 2024, 16:05:06"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, _ = d.Parse(texts[i%len(texts)], time.UTC, fixedNow)
	}
}

// TestNamesOfZonesAreRemembered reads forms that end in the name of a zone: they are as cheap as others, and the name does not count.
func TestNamesOfZonesAreRemembered(t *testing.T) {
	shanghai, err := Zone("+8")
	if err != nil {
		t.Fatal(err)
	}
	var d Detector
	texts := []string{"2024-03-09 16:05:06 UTC", "2024-03-09 16:05:06 EST", "Sat, 09 Mar 2024 16:05:06 GMT", "Sat, 09 Mar 2024 16:05:06 CST"}
	read := func() {
		for _, s := range texts {
			ns, err := d.Parse(s, shanghai, fixedNow)
			if err != nil || ns != time.Date(2024, 3, 9, 8, 5, 6, 0, time.UTC).UnixNano() {
				t.Errorf("%q: got %d, %v", s, ns, err)
			}
		}
	}
	read()
	if n := testing.AllocsPerRun(10, read); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if _, err := d.Parse("2024-03-09 16:05:06 Sat", shanghai, fixedNow); err == nil {
		t.Error("a weekday was taken for the name of a zone")
	}
}
