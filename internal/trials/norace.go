//go:build !race

package trials

// Race reports whether the race detector is compiled in.
const Race = false
