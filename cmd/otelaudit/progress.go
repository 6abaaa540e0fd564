package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/otelaudit/otelaudit/bridge"
)

// progress is stderr with a bar at its end while a replay runs, if it is a
// terminal.
type progress struct {
	mu       sync.Mutex
	messages io.Writer // stderr, for messages
	terminal *os.File  // nil if w is no terminal
	columns  int       // of the bar on the terminal; 0 while there is none
	started  time.Time
	drawn    time.Time
}

// newProgress returns one for a bar on w, and for messages above it.
func newProgress(w, messages io.Writer) *progress {
	p := &progress{messages: messages}
	if isTerminal(w) {
		p.terminal, _ = w.(*os.File)
	}
	return p
}

// Write writes above the bar.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove()
	return p.messages.Write(text)
}

// barInterval is how often the bar is drawn at most.
const barInterval = 100 * time.Millisecond

// update shows how far a replay is.
func (p *progress) update(now bridge.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal == nil || p.started.IsZero() && now.TotalBytes > 0 && now.Bytes >= now.TotalBytes {
		return // there is nothing to wait for
	}
	t := time.Now()
	if p.started.IsZero() {
		p.started = t
	} else if t.Sub(p.drawn) < barInterval {
		return
	}
	p.drawn = t
	width, _, err := term.GetSize(int(p.terminal.Fd())) //nolint:gosec // a descriptor is a small number
	if err != nil || width <= 0 {
		width = 80
	}
	line := progressLine(now, t.Sub(p.started), width)
	columns := utf8.RuneCountInString(line)
	// A bar that cannot be shown does not matter to the replay.
	_, _ = io.WriteString(p.terminal, "\r"+line+strings.Repeat(" ", max(0, p.columns-columns)))
	p.columns = max(p.columns, columns)
}

// end removes the bar.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove()
	p.started = time.Time{}
}

func (p *progress) remove() {
	if p.columns > 0 {
		_, _ = io.WriteString(p.terminal, "\r"+strings.Repeat(" ", p.columns)+"\r") // as in update
		p.columns = 0
	}
}

// progressLine returns the bar for a terminal of that many columns, of which it
// leaves the last one free: some terminals begin a new line behind it.
func progressLine(now bridge.Progress, elapsed time.Duration, width int) string {
	const barColumns = 20
	rate := 0.0 // bytes per second
	if elapsed > 0 {
		rate = float64(now.Bytes) / elapsed.Seconds()
	}
	line := fmt.Sprintf("replaying %s, %s/s", inBytes(float64(now.Bytes)), inBytes(rate))
	if now.TotalBytes > 0 {
		done := min(float64(now.Bytes)/float64(now.TotalBytes), 1) // the total is an estimate
		full := int(done * barColumns)
		line = fmt.Sprintf("replaying %3d%% |%s%s| %s of %s, %s/s", int(done*100), strings.Repeat("█", full), strings.Repeat(" ", barColumns-full),
			inBytes(float64(now.Bytes)), inBytes(float64(now.TotalBytes)), inBytes(rate))
		if left := float64(now.TotalBytes - now.Bytes); left > 0 && rate > 0 && left/rate < (100*time.Hour).Seconds() {
			line += ", " + time.Duration(left/rate*float64(time.Second)).Round(time.Second).String() + " left"
		}
	}
	if columns := max(0, width-1); utf8.RuneCountInString(line) > columns {
		line = string([]rune(line)[:columns])
	}
	return line
}

// inBytes returns a number of bytes in a unit in which it is short: 1.5 MiB.
func inBytes(n float64) string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	unit := 0
	for n >= 1024 && unit < len(units)-1 {
		n /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%.0f B", n)
	}
	return fmt.Sprintf("%.1f %s", n, units[unit])
}
