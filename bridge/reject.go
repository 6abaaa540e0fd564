package bridge

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// rejectFile is where records go that the collector refuses: one JSON object
// per line, in this order of keys:
//
//	ts        when it was set aside, UTC, milliseconds
//	kind      "record", or "partial": the collector rejected count records of
//	          this range without saying which
//	file      base name of the file of the log
//	line, offset            of the record, or of the first one of the range
//	last_line, last_offset  of the last one of the range; partial only
//	uid, last_uid           log.record.uid of the same two, by which they are found
//	          when the file has become an archive; partial only
//	count     how many records were rejected
//	of        how many records the range holds; partial only
//	status    HTTP status; absent if the batch was refused before it was sent
//	reason    the collector's words, or the exporter's
//	length    of the line in bytes, in place of record, if it is longer than the
//	          longest line: it was not read
//	record    the original line, as a string; with bytes that are no UTF-8 as
//	          {"bytesValue":"<base64>"}; kind record only
//
// A run that is killed between an entry and the checkpoint writes the entry
// again.
type rejectFile struct {
	path   string
	beside vfs.Beside
	f      *os.File // nil until the first entry
	// unsynced says that there are entries which a power cut may take.
	unsynced bool
}

// check reports why no entry could be written. Where there is no file yet, one of
// another name is made in its folder and removed: to remove the file itself could take
// the entries of another bridge with it. The folder of the log comes with the log.
func (r *rejectFile) check(log string) error {
	_, err := os.Lstat(r.path)
	made := errors.Is(err, fs.ErrNotExist)
	var f *os.File
	switch {
	case made:
		f, err = r.beside.Create(filepath.Join(filepath.Dir(r.path), ".otelaudit-"+rand.Text()))
	case err == nil:
		f, err = r.beside.Append(r.path)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil && made {
		err = os.Remove(f.Name())
	}
	if made && errors.Is(err, fs.ErrNotExist) && filepath.Dir(r.path) == filepath.Dir(log) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("nothing is sent, because no record can be set aside in the reject file %s: %w; the bridge needs to write there, or a reject file elsewhere", r.path, err)
	}
	return nil
}

// record sets one record aside.
func (r *rejectFile) record(from *batch, it item, v verdict) error {
	b := entryStart("record", from.origin.name(), it)
	b = append(b, `,"count":1`...)
	b = appendVerdict(b, v)
	b = append(b, `,"record":`...)
	if raw := from.raw(it); utf8.Valid(raw) {
		b = jsonline.AppendString(b, string(raw))
	} else {
		b = jsonline.AppendBytes(b, raw)
	}
	return r.append(append(b, "}\n"...))
}

// tooLong sets a line aside that is longer than the longest line. The entry has its
// place and not its text.
func (r *rejectFile) tooLong(d *scan.DamageError) error {
	b := entryStart("record", filepath.Base(d.File), item{number: d.Line, offset: d.Offset})
	b = append(b, `,"count":1`...)
	b = appendVerdict(b, verdict{reason: d.Reason})
	b = append(b, `,"length":`...)
	b = strconv.AppendInt(b, d.Length, 10)
	return r.append(append(b, "}\n"...))
}

// partial writes down that the collector rejected some of a part.
func (r *rejectFile) partial(from *batch, p part, v verdict) error {
	first, last := from.items[p.from], from.items[p.to-1]
	uid, lastUID, err := r.uids(from, first, last)
	if err != nil {
		return err
	}
	b := entryStart("partial", from.origin.name(), first)
	b = append(b, `,"last_line":`...)
	b = strconv.AppendInt(b, last.number, 10)
	b = append(b, `,"last_offset":`...)
	b = strconv.AppendInt(b, last.offset, 10)
	b = append(b, `,"uid":`...)
	b = jsonline.AppendString(b, uid)
	b = append(b, `,"last_uid":`...)
	b = jsonline.AppendString(b, lastUID)
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, v.rejected, 10)
	b = append(b, `,"of":`...)
	b = strconv.AppendInt(b, int64(p.to-p.from), 10)
	b = appendVerdict(b, v)
	return r.append(append(b, "}\n"...))
}

// uids returns the log.record.uid of two lines. They are decoded once more: a
// collector that rejects records is rare enough.
func (*rejectFile) uids(b *batch, first, last item) (uid, lastUID string, err error) {
	d := otelline.NewDecoder(otelline.DecoderConfig{})
	for _, of := range []struct {
		it  item
		uid *string
	}{{first, &uid}, {last, &lastUID}} {
		record, err := d.Decode(b.raw(of.it), of.it.offset)
		if err != nil {
			return "", "", err
		}
		*of.uid = uidOf(record)
	}
	return uid, lastUID, nil
}

// uidOf returns the log.record.uid of a record; the decoder gives one to each
// that has none.
func uidOf(record sdklog.Record) (uid string) {
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Key != otelline.KeyUID {
			return true
		}
		uid = kv.Value.String()
		return false
	})
	return uid
}

func entryStart(kind, file string, first item) []byte {
	b := jsonline.AppendTime([]byte(`{"ts":`), time.Now())
	b = append(b, `,"kind":"`...)
	b = append(b, kind...)
	b = append(b, `","file":`...)
	b = jsonline.AppendString(b, file)
	b = append(b, `,"line":`...)
	b = strconv.AppendInt(b, first.number, 10)
	b = append(b, `,"offset":`...)
	return strconv.AppendInt(b, first.offset, 10)
}

func appendVerdict(b []byte, v verdict) []byte {
	if v.status != 0 {
		b = append(b, `,"status":`...)
		b = strconv.AppendInt(b, int64(v.status), 10)
	}
	b = append(b, `,"reason":`...)
	return jsonline.AppendString(b, v.reason)
}

// append writes one entry, which sync makes durable. Before the first one: open
// or create with mode 0600, end a line that a crash left torn, fsync the folder.
func (r *rejectFile) append(entry []byte) error {
	if r.f == nil {
		torn, err := r.open()
		if err != nil {
			return fmt.Errorf("open reject file: %w", err)
		}
		if torn {
			entry = append([]byte("\n"), entry...)
		}
	}
	if _, err := r.f.Write(entry); err != nil {
		return fmt.Errorf("append to reject file: %w", err)
	}
	r.unsynced = true
	return nil
}

// sync makes all entries durable. The checkpoint passes a record only after that.
func (r *rejectFile) sync() error {
	if !r.unsynced {
		return nil
	}
	if err := r.f.Sync(); err != nil {
		return fmt.Errorf("sync reject file: %w", err)
	}
	r.unsynced = false
	return nil
}

func (r *rejectFile) open() (torn bool, err error) {
	f, err := r.beside.Append(r.path)
	if err != nil {
		return false, err
	}
	if torn, err = endsTorn(f); err == nil {
		err = vfs.OS{}.SyncDir(filepath.Dir(r.path))
	}
	if err != nil {
		return false, errors.Join(err, f.Close())
	}
	r.f = f
	return torn, nil
}

func endsTorn(f *os.File) (bool, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// close closes the file if it was opened.
func (r *rejectFile) close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	if err := f.Close(); err != nil {
		return fmt.Errorf("close reject file: %w", err)
	}
	return nil
}
