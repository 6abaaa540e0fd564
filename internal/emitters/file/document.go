package file

import (
	"bytes"
	"fmt"
)

// Document returns docs/emitters.md.
func Document(files []*File) []byte {
	var b bytes.Buffer
	b.WriteString("# Emitters\n")
	for _, f := range files {
		fmt.Fprintf(&b, "\n## %s\n", f.Title)
	}
	return b.Bytes()
}
