package logid

import "os"

// bootID returns the random id of this boot, which containers share.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(b), err
}
