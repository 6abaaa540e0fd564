package vfs_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

func TestFileSystemsWhoseLocksAreNotTrusted(t *testing.T) {
	for magic, want := range map[uint32]string{
		unix.NFS_SUPER_MAGIC: "NFS", unix.SMB2_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "SMB", unix.FUSE_SUPER_MAGIC: "FUSE",
		unix.EXT4_SUPER_MAGIC: "", unix.XFS_SUPER_MAGIC: "", unix.BTRFS_SUPER_MAGIC: "", unix.TMPFS_MAGIC: "", unix.OVERLAYFS_SUPER_MAGIC: "",
	} {
		if got := vfs.Untrusted(magic); got != want {
			t.Errorf("untrusted(%#x) = %q, want %q", magic, got, want)
		}
	}
	if _, err := (vfs.OS{}).UntrustedLocks(t.TempDir()); err != nil {
		t.Error(err)
	}
	if _, err := (vfs.OS{}).UntrustedLocks(t.TempDir() + "/nothing"); err == nil {
		t.Error("a folder that is not there has a file system")
	}
}
