package logid

import "golang.org/x/sys/unix"

// bootID returns the random id of this boot.
func bootID() (string, error) { return unix.Sysctl("kern.bootsessionuuid") }
