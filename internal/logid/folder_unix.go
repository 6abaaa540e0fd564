//go:build unix

package logid

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// folder returns the numbers of a folder, which renames do not change.
func folder(path string) (device, inode uint64, err error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, 0, fmt.Errorf("stat %s: %w", path, err)
	}
	return uint64(st.Dev), st.Ino, nil //nolint:gosec,unconvert // signed on some systems
}
