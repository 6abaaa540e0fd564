package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/otelaudit/otelaudit/bridge"
)

// progress is stderr with a bar at its end while a replay runs, if it is a
// terminal.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	bar      *progressbar.ProgressBar // nil while there is none to show
	total    int64                    // of bar
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))} //nolint:gosec // a descriptor is a small number
}

// Write writes above the bar.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		if err := p.bar.Clear(); err != nil {
			return 0, err
		}
	}
	return p.w.Write(text)
}

// update shows how far a replay is.
func (p *progress) update(now bridge.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	total := now.TotalBytes
	if !p.terminal || total > 0 && now.Bytes >= total && p.bar == nil {
		return // there is nothing to wait for
	}
	if total <= 0 {
		total = -1 // not known
	}
	if p.bar == nil {
		p.total = total
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(p.w),
			progressbar.OptionSetDescription("replaying"),
			progressbar.OptionSetWidth(20),
			progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own
			progressbar.OptionSetRenderBlankState(true),
		)
	}
	if p.total != total {
		p.total = total
		p.bar.ChangeMax64(total)
	}
	// A bar that cannot be shown does not matter to the replay.
	_ = p.bar.Set64(now.Bytes)
}

// end removes the bar.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		return
	}
	_ = p.bar.Clear() // as in update
	p.bar = nil
}
