// Command peerwriter writes numbered events through a rotating writer of
// somebody else and syncs each of them as well as that writer lets it. The
// torture tests cut the power under it, as they do under package auditlog, to
// see that they can find a loss.
//
// It says "S name n" on file descriptor 3 when events 0 to n−1 are synced, and
// ends when its standard input does.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/DeRuina/timberjack"
	"gopkg.in/natefinch/lumberjack.v2"
)

// lineSize makes the least MaxSize, a megabyte, a rotation every hundred lines.
const lineSize = 10 << 10

func main() {
	peer := flag.String("peer", "lumberjack", "lumberjack or timberjack")
	path := flag.String("path", "", "of the active file")
	name := flag.String("name", "", "session of the events")
	flag.Parse()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, "peerwriter:", write(*peer, *path, *name))
	os.Exit(1)
}

// write writes until it cannot.
func write(peer, path, name string) error {
	w, sync, err := open(peer, path)
	if err != nil {
		return err
	}
	acks := os.NewFile(3, "acks")
	for n := 0; ; n++ {
		pad := strings.Repeat(string(rune('a'+n%26)), lineSize)
		line := fmt.Appendf(nil, "{\"ts\":\"\",\"event\":\"torture\",\"session_id\":%q,\"n\":%d,\"pad\":%q}\n", name, n, pad)
		if _, err := w.Write(line); err != nil {
			return err
		}
		if err := sync(); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(acks, "A %s %d\nS %s %d\n", name, n+1, name, n+1); err != nil {
			return err
		}
	}
}

// open returns a peer that compresses its archives, and how its active file is
// synced.
func open(peer, path string) (w io.Writer, sync func() error, err error) {
	switch peer {
	case "lumberjack":
		// It has no way to sync. Another descriptor of the same file does as
		// well, and who writes line by line knows that none was rotated away.
		return &lumberjack.Logger{Filename: path, MaxSize: 1, Compress: true}, func() error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			return errors.Join(f.Sync(), f.Close())
		}, nil
	case "timberjack":
		l := &timberjack.Logger{Filename: path, MaxSize: 1, Compression: "gzip"}
		return l, l.Sync, nil
	}
	return nil, nil, fmt.Errorf("there is no peer %q", peer)
}
