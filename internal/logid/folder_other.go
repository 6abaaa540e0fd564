//go:build !unix

package logid

import "errors"

func folder(string) (device, inode uint64, err error) { return 0, 0, errors.ErrUnsupported }
