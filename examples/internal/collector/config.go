package collector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// findConfig looks for the configuration file in the working directory and the
// folders above it: programs of this module are run from its folder, tests from
// that of their package.
func findConfig() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find %s: %w", ConfigFile, err)
	}
	for from := dir; ; {
		file := filepath.Join(dir, ConfigFile)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("find %s: %w", ConfigFile, err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find %s: it is neither in %s nor above; run this from a checkout of the repository",
				ConfigFile, from)
		}
		dir = parent
	}
}

func freeEndpoint(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), nil
}

// variable returns NAME of env:NAME and env:NAME:-default.
func variable(uri string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(uri, "env:"), ":-")
	return name
}
