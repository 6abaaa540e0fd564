package journal

import "github.com/otelaudit/otelaudit/internal/vfs"

// disk is a file system whose fsyncs of files call a function instead.
type disk struct {
	vfs.FS

	sync func(f vfs.File) error
}

type diskFile struct {
	vfs.File

	disk *disk
}

func (d *disk) Open(name string, how vfs.How) (vfs.File, error) {
	f, err := d.FS.Open(name, how)
	if err != nil {
		return nil, err
	}
	return diskFile{f, d}, nil
}

func (f diskFile) Sync() error {
	if f.disk.sync != nil {
		return f.disk.sync(f.File)
	}
	return f.File.Sync()
}

// closedFile is a file of which nothing is called: it makes a syncTarget another one.
type closedFile struct {
	vfs.File

	n int
}
