// Package disktest mounts file systems for tests, cuts their power and fills
// them. It needs root and Linux, and skips the tests of others.
package disktest
