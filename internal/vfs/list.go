package vfs

import (
	"errors"
	"os"
)

// list returns the names in a folder that are not folders, in no order.
func list(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	entries, err := d.ReadDir(-1)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, errors.Join(err, d.Close())
}

// SyncDir makes what happened to the names in dir durable. Who can hold the folder
// open meanwhile uses [Folder.Sync].
func (o OS) SyncDir(dir string) error {
	folder, err := o.OpenFolder(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
