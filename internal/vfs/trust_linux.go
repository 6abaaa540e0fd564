package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// UntrustedLocks returns the kind of the file system that dir is on when locks
// there may not hold between all who can write to it; empty when they do, or
// when it is not known.
func UntrustedLocks(dir string) (kind string, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	switch uint32(st.Type) { //nolint:gosec // a magic number of 32 bits, sign-extended on some machines
	case unix.NFS_SUPER_MAGIC:
		return "NFS", nil
	case unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return "SMB", nil
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE", nil
	case unix.V9FS_MAGIC:
		return "9P", nil
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph", nil
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS", nil
	}
	return "", nil
}
