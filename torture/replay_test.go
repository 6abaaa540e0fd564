//go:build unix

package torture

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/bridge"
)

// bridgeVariable makes the test binary a bridge.
const bridgeVariable = "OTELAUDIT_TORTURE_BRIDGE"

// replayJob is what a bridge does.
type replayJob struct {
	Path, Endpoint  string
	Follow          bool
	InFlight, Batch int
}

func (j replayJob) options() []bridge.Option {
	opts := []bridge.Option{
		bridge.WithEndpoint(j.Endpoint), bridge.WithInFlight(j.InFlight), bridge.WithBatchSize(j.Batch),
		bridge.WithLinger(time.Millisecond),
	}
	if j.Follow {
		opts = append(opts, bridge.WithFollow())
	}
	return opts
}

// bridgeMain is the main function of a bridge.
func bridgeMain(spec string) int {
	var j replayJob
	err := json.Unmarshal([]byte(spec), &j)
	if err == nil {
		var b *bridge.Bridge
		if b, err = bridge.New(j.Path, j.options()...); err == nil {
			_, err = b.Run(context.Background())
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// sink is a collector that counts how often each event came.
type sink struct {
	mu    sync.Mutex
	more  *sync.Cond
	times map[string]int
	all   int
}

func newSink(t *testing.T) (s *sink, url string) {
	t.Helper()
	s = &sink{times: map[string]int{}}
	s.more = sync.NewCond(&s.mu)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := readRequest(r)
	if err != nil {
		return // the bridge was killed while it sent
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range req.GetResourceLogs() {
		for _, scope := range resource.GetScopeLogs() {
			for _, record := range scope.GetLogRecords() {
				s.times[record.GetEventName()]++
				s.all++
			}
		}
	}
	s.more.Broadcast()
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func readRequest(r *http.Request) (*collogspb.ExportLogsServiceRequest, error) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	req := new(collogspb.ExportLogsServiceRequest)
	return req, proto.Unmarshal(data, req)
}

// await waits until there were n events more, or for an end of the process.
func (s *sink) await(n int, over *bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for want := s.all + n; s.all < want && !*over; {
		s.more.Wait()
	}
}

// TestKillNineOfABridgeLosesNothing kills a bridge at a random moment, 100
// times while it replays and 100 times while it follows, as writers append to
// the log and rotate it. In the end each event has come, and a kill has made no
// more come again than one window.
func TestKillNineOfABridgeLosesNothing(t *testing.T) {
	for name, follow := range map[string]bool{"replay": false, "follow": true} {
		t.Run(name, func(t *testing.T) {
			const perLog = 10
			kills := runs(100)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			var total sum
			t.Run("log", func(t *testing.T) {
				for done := 0; done < kills; done += perLog {
					t.Run(strconv.Itoa(done/perLog), func(t *testing.T) {
						t.Parallel()
						random := rand.New(rand.NewPCG(seed, uint64(done)))
						total.add(killBridges(t, random, follow, min(perLog, kills-done)))
					})
				}
			})
			counts.add(t, kills, total.result)
		})
	}
}

func killBridges(t *testing.T, random *rand.Rand, follow bool, kills int) result {
	t.Helper()
	s, url := newSink(t)
	j := replayJob{
		Path: filepath.Join(t.TempDir(), activeName), Endpoint: url, Follow: follow,
		InFlight: 1 + random.IntN(6), Batch: 1 + random.IntN(80),
	}
	spec, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const writers = 2
	var (
		stop     = make(chan struct{})
		wait     sync.WaitGroup
		promised [writers]int
	)
	for w := range writers {
		log, err := auditlog.Open(j.Path, auditlog.WithMaxFileSize(int64(8<<10)<<random.IntN(4)), auditlog.WithSyncLines(1000))
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			defer func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			}()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Microsecond): // else it outruns every bridge
				}
				if err := log.Append(context.Background(), auditlog.Event{Name: fmt.Sprintf("%d-%d", w, i)}); err != nil {
					t.Error(err)
					return
				}
				promised[w]++
			}
		})
	}
	died := 0
	for died < kills {
		// Not the context of the test: the process is killed here.
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
		cmd.Env = append(os.Environ(), bridgeVariable+"="+string(spec))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		over := false
		ended := make(chan error, 1)
		go func() {
			err := cmd.Wait()
			s.mu.Lock()
			over = true
			s.mu.Unlock()
			s.more.Broadcast()
			ended <- err
		}()
		if random.IntN(5) == 0 {
			// While it starts, or soon after.
			<-time.After(time.Duration(random.IntN(60)) * time.Millisecond)
		} else {
			s.await(1+random.IntN(400), &over)
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		err := <-ended
		exit, killed := errors.AsType[*exec.ExitError](err)
		switch {
		case killed && exit.ExitCode() == -1:
			died++
		case err != nil && !bytes.Contains(stderr.Bytes(), []byte("no log at")):
			t.Fatalf("a bridge ended: %v: %s", err, stderr.String())
		}
	}
	close(stop)
	wait.Wait()
	j.Follow = false
	b, err := bridge.New(j.Path, j.options()...)
	if err != nil {
		t.Fatal(err)
	}
	if stats, err := b.Run(t.Context()); err != nil || stats.Restarted || stats.Damaged > 0 {
		t.Errorf("the last run: got %+v, %v, want no error, no restart and no damage", stats, err)
	}
	r := result{}
	for w, n := range promised {
		r.promised += n
		for i := range n {
			times := s.times[fmt.Sprintf("%d-%d", w, i)]
			if times == 0 {
				r.lost++
				continue
			}
			r.found++
			r.doubled += times - 1
		}
	}
	if r.lost > 0 {
		t.Errorf("%d of %d events never came", r.lost, r.promised)
	}
	if window := j.InFlight * j.Batch; r.doubled > died*window {
		t.Errorf("%d events came again after %d kills, and a window is %d", r.doubled, died, window)
	}
	return r
}
