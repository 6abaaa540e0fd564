package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// Bridge replays one audit log to one endpoint. It is safe for concurrent use,
// but a Run that starts while another one is running returns [ErrLocked].
type Bridge struct {
	cfg        config
	log        *history.Log
	sender     *sender
	path       string
	beside     vfs.Beside // opens the log's file and all files beside it
	checkpoint string
	rejectFile string
}

// New returns a bridge from the log at path, whose active file need not exist
// yet, to a collector. It reads the configuration, the variables and the
// certificates, and reports what is malformed; it sends nothing and makes no
// file.
func New(path string, opts ...Option) (*Bridge, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	err = scan.CheckMaxLine(cfg.maxLine)
	if err == nil {
		path, err = scan.ResolvePath(path)
	}
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	s, err := newSender(cfg)
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	b := &Bridge{
		cfg:        cfg,
		log:        history.New(scan.NewSource(path, cfg.logger, cfg.maxLine), false),
		sender:     s,
		path:       path,
		beside:     vfs.NewBeside(path),
		checkpoint: cfg.checkpoint,
		rejectFile: cfg.rejectFile,
	}
	if b.checkpoint == "" {
		b.checkpoint = b.path + checkpointInfix + tagOf(s.url)
	}
	if b.rejectFile == "" {
		b.rejectFile = b.path + ".rejected-" + tagOf(s.url)
	}
	return b, nil
}

// Endpoint returns the URL that requests are sent to, in lower case and without
// a default port.
func (b *Bridge) Endpoint() string {
	if b.sender == nil {
		return ""
	}
	return b.sender.url
}

// Checkpoint returns the path of the checkpoint.
func (b *Bridge) Checkpoint() string { return b.checkpoint }

// RejectFile returns the path of the reject file. It is made with its first
// entry.
func (b *Bridge) RejectFile() string { return b.rejectFile }

// Stats says what one Run did. Where nothing else is said it counts records.
type Stats struct {
	// Read is how many records were read from the log and decoded. In a dry run
	// it is how many a run would have sent.
	Read int64
	// Sent is how many the collector accepted, and what is before them in the log
	// was dealt with. Of a batch that it rejected in part these are the ones it did
	// not reject.
	Sent int64
	// Rejected is how many the collector, or otlploghttp, refused for good. They
	// are in the reject file, but for the Unnamed.
	Rejected int64
	// Unnamed is how many of Rejected the collector counted without saying which
	// they are: the reject file has the range of lines they are among, and not
	// the lines.
	Unnamed int64
	// Retried is how many requests were sent again.
	Retried int64
	// Damaged is how many lines were skipped because they are no event.
	Damaged int64
	// Gone is how many archives were removed after Run had begun and before it
	// came to them. What was in them is not sent.
	Gone int64
	// Unfinished says that the active file ended in a line without its line
	// feed, which was left for the next run.
	Unfinished bool
	// Restarted says that the place the checkpoint names was found in no file:
	// the log was truncated, replaced or removed since. What may be new was sent;
	// some of it may have been sent before.
	Restarted bool
}

// Progress says how far a Run is.
type Progress struct {
	// Records is how many records were passed: sent or set aside.
	Records int64
	// Bytes is how many bytes of uncompressed lines were passed.
	Bytes int64
	// TotalBytes is how many there are to pass, 0 if that is not known. It is an
	// estimate: archives are estimated by what their gzip trailer says, and the active
	// file may grow.
	TotalBytes int64
}

// Run sends what the checkpoint does not cover, from the oldest archive to the
// end of the active file, and returns when all that was there when it
// began is accepted or set aside in the reject file. Lines that are appended
// while Run reads the active file may be sent as well; files that begin
// later are left to the next Run. An archive that is removed before Run comes to it
// is logged and counted.
//
// While the collector is away or asks to wait, Run waits and tries again until
// ctx ends. Then it lets requests that are under way come to their end, for
// five seconds at most, and returns with the checkpoint saved for what was accepted
// and an error that wraps ctx.Err(). What was accepted behind a batch that was not
// is sent again by the next run, as after a kill: see [WithInFlight].
//
// Nothing is sent if no checkpoint can be saved, or if the reject file or its folder
// cannot be opened.
//
// With [WithFollow] Run goes on: events are sent within a second of being
// appended, while the collector takes them, also when the log is rotated and its
// archives are compressed. A log that is not there yet is waited for. When
// somebody moves the active file away, removes, replaces or truncates it, what was
// read before is sent, that is logged, and Run goes on with what is there now: where
// the file changed, with the copy that a Log makes of a removed file, or with the
// next file. A damaged line is told of once, and a last line without its line
// feed waits for it. The end of ctx is the end of such a Run, and no error: it
// returns nil, with what is under way come to its end and the checkpoint saved.
//
// If the place that the checkpoint names is found in no file, Run starts after the
// last file that was complete when the checkpoint was saved and is still there
// with the same beginning; if there is none, with the oldest file. It logs a
// warning and sets Stats.Restarted.
//
// Errors to branch on: [ErrLocked]; [*StopError]; ctx.Err(); fs.ErrNotExist if
// there is no log at all and it is not followed. Stats is valid with every error.
func (b *Bridge) Run(ctx context.Context) (stats Stats, err error) {
	if b.sender == nil {
		return stats, errors.New("bridge: there is no log and no endpoint; make the Bridge with New")
	}
	r := &run{Bridge: b, rejects: rejectFile{path: b.rejectFile, beside: b.beside}}
	err = r.run(ctx)
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err) // what reads the log returns the cause
	}
	if err != nil {
		return r.stats, fmt.Errorf("bridge: replay %s: %w", b.path, err)
	}
	return r.stats, nil
}

// lockSuffix is added to the path of a checkpoint for its lock.
const lockSuffix = ".lock"

// lock keeps a second bridge out. The file stays when it is released: to remove
// it would let two bridges hold a lock on two files of one name.
func (b *Bridge) lock() (*os.File, error) {
	name := b.checkpoint + lockSuffix
	f, err := b.beside.Append(name)
	if err != nil {
		return nil, fmt.Errorf("lock checkpoint in %s: %w; write access to it is needed, or a checkpoint elsewhere (WithCheckpoint, or --checkpoint of otelaudit replay)",
			filepath.Dir(b.checkpoint), err)
	}
	ok, err := vfs.TryLock(f)
	if err == nil && !ok {
		err = fmt.Errorf("lock %s: %w; wait for it to end, or use another checkpoint", name, ErrLocked)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
