// Package logid gives a log on this machine an id, by which a collector knows that
// a request replays the log that it writes.
package logid

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Header is the name of the HTTP header that has the id, in requests of a replay
// and in the answer that refuses one.
const Header = "Otelaudit-Log"

// Of returns the id of the log whose active file is at path: a hash of the machine's
// boot, the folder's device and inode, and the file's name. All paths to a log have
// one id, through symbolic links, mounts and containers; logs on two machines never do.
// The file need not exist; its folder must.
//
// It returns an error that wraps [errors.ErrUnsupported] where the system does not
// number its boots.
func Of(path string) (string, error) {
	boot, err := bootID()
	if err != nil {
		return "", fmt.Errorf("read the id of the boot: %w", err)
	}
	file, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		file = filepath.Base(path)
		var dir string
		dir, err = filepath.EvalSymlinks(filepath.Dir(path))
		file = filepath.Join(dir, file)
	}
	if err != nil {
		return "", fmt.Errorf("identify the log %s: %w", path, err)
	}
	device, inode, err := folder(filepath.Dir(file))
	if err != nil {
		return "", fmt.Errorf("identify the log %s: %w", path, err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d\n%s", strings.TrimSpace(boot), device, inode, filepath.Base(file)))
	return hex.EncodeToString(sum[:16]), nil
}
