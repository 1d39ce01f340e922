package operators

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"dataflow/engine"
	"dataflow/engine/point"
)

// TestBucketsAreBounded: keys that come from data cannot fill the memory, and making room costs little.
func TestBucketsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &buckets{m: map[bucketKey]*bucket{}}
		rate := engine.Rate{Amount: 1}
		for i := range maxBuckets + 5000 {
			k := s.of(bucketKey{strconv.Itoa(i), rate}, time.Now)
			k.take(rate, time.Second, make([]point.Point, 1), time.Now())
		}
		if n := len(s.m); n > maxBuckets {
			t.Errorf("%d buckets", n)
		}
	})
}
