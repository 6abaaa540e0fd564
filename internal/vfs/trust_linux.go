package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// UntrustedLocks implements FS.
func (OS) UntrustedLocks(dir string) (kind string, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return untrusted(uint32(st.Type)), nil //nolint:gosec // a magic number of 32 bits, sign-extended on some machines
}

// untrusted returns the name of such a file system by its magic number.
func untrusted(magic uint32) string {
	switch magic {
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return "SMB"
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE"
	case unix.V9FS_MAGIC:
		return "9P"
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS"
	}
	return ""
}

// isLocal reports whether f is on a file system that is known to answer for what is
// in memory without waiting for a server or another process. Of overlayfs it is not
// known: it asks its lower layers for a name that the upper one has not, and those of
// images that are fetched while they run are FUSE's.
func isLocal(f *os.File) bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil { //nolint:gosec // a descriptor
		return false // not known, then
	}
	switch uint32(st.Type) { //nolint:gosec // as above
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}
