//go:build !linux

package vfs

import "path/filepath"

// folder is the path of a folder.
type folder string

var _ Folder = folder("")

// OpenFolder implements FS.
func (OS) OpenFolder(dir string) (Folder, error) { return folder(dir), nil }

// Stat implements Folder.
func (f folder) Stat(base string) (Info, error) { return OS{}.Stat(filepath.Join(string(f), base)) }

// Close implements Folder.
func (f folder) Close() error { return nil }
