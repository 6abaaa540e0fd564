//go:build !linux && !darwin

package logid

import "errors"

func bootID() (string, error) { return "", errors.ErrUnsupported }
