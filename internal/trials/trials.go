// Package trials says how often a test with random inputs tries. The full number
// runs without the race detector, which makes them up to ten times slower and
// looks for races only: a few trials show those.
package trials

import "testing"

// Of returns full, a quarter of it under the race detector, and an eighth of it
// with go test -short; at least 1.
func Of(full int) int {
	switch {
	case testing.Short():
		return max(full/8, 1)
	case Race:
		return max(full/4, 1)
	}
	return full
}

// Few reports whether Of returns fewer than the full number.
func Few() bool { return Race || testing.Short() }
