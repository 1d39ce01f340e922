//go:build !race

package batch

// raceDetector reports that sync.Pool drops things at random.
const raceDetector = false
