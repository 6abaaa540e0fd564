package screenshots

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/report"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// startBrowser starts a Chromium with an empty profile, which ends with the
// test.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("there is no Chromium here: install the package chromium, or Google Chrome")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	// The test's own context ends before its cleanup, which ends the browser.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("end the browser: %v", err)
		}
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return ctx
}

// device is how a page is looked at.
type device struct {
	width, height int64
	scale         float64
	scheme        string // light or dark
}

var (
	desktop = device{1200, 900, 1, "light"}
	night   = device{1200, 900, 1, "dark"}
	phone   = device{360, 740, 2, "light"}
)

// tab is one page in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	said  []string // what the console and the page's scripts complained of
	asked []string // addresses
}

// open opens a file and returns the tab, which has to stay silent.
func open(browser context.Context, t *testing.T, file string, d device) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, target, log.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: d.scheme}},
		})
		return err
	}))
	b.do(chromedp.EmulateViewport(d.width, d.height, chromedp.EmulateScale(d.scale)))
	b.do(chromedp.Navigate("file://" + file))
	eval[bool](b, definePixels)
	return b
}

func (b *tab) do(a chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, a); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, ev.Request.URL)
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, "exception: "+ev.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, fmt.Sprintf("console.%s", ev.Type))
	case *log.EventEntryAdded:
		b.said = append(b.said, fmt.Sprintf("%s: %s %s", ev.Entry.Level, ev.Entry.Text, ev.Entry.URL))
	case *page.EventJavascriptDialogOpening:
		b.said = append(b.said, "dialog: "+ev.Message)
	}
}

// quiet checks that the page asked for nothing but itself, and complained of
// nothing.
func (b *tab) quiet(file string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	own := 0
	for _, address := range b.asked {
		switch {
		case strings.HasPrefix(address, "data:"):
		case address == "file://"+file:
			own++
		default:
			b.t.Errorf("the page asked for %s", address)
		}
	}
	if own != 1 {
		b.t.Errorf("the browser told of %d requests of the page itself, want 1: requests are not seen", own)
	}
	for _, text := range b.said {
		b.t.Errorf("the browser says: %s", text)
	}
}

// eval returns what an expression is in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// picture returns the upper part of the page as PNG, at most height CSS pixels
// of it.
func (b *tab) picture(d device, height float64) []byte {
	b.t.Helper()
	whole := eval[float64](b, "document.documentElement.scrollHeight")
	yes := true
	png, err := chromedp.Run(b.ctx, func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
		res, err := cdp.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{
			CaptureBeyondViewport: &yes,
			Clip:                  &page.Viewport{Width: float64(d.width), Height: min(whole, height), Scale: 1},
		})
		return res.Data, err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}

// writeReport writes the report of a log of these events and returns its file.
func writeReport(t *testing.T, events []auditlog.Event, o report.Options) string {
	t.Helper()
	dir := t.TempDir()
	l, err := auditlog.Open(filepath.Join(dir, "audit.jsonl"), auditlog.WithoutCadenceSync(), auditlog.WithSessionID("demo"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	log := history.New(scan.NewSource(l.Path(), slog.New(slog.DiscardHandler), l.MaxLine()), false)
	f, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Write(t.Context(), f, log, o); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
