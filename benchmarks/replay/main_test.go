package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// few lines are enough to see that all is counted.
const few = 3000

// programs returns both, built once for all tests.
func programs(t *testing.T, args ...string) (us, peer program) {
	t.Helper()
	us, err := otelaudit(built, args...)
	if err != nil {
		t.Fatal(err)
	}
	if peer, err = filelog(built, fastest, safest); err != nil {
		t.Fatal(err)
	}
	// Built once is enough.
	*ours, *theirs = us.command(t.Context(), "", "", "").Path, peer.command(t.Context(), "", "", "").Path
	return us, peer
}

var built string // where programs are built

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "otelaudit-replay-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // only binaries
		built = dir
		return m.Run()
	}())
}

// TestBothReplayAllOfEachLog: replay fails if a record is missing, or there
// twice.
func TestBothReplayAllOfEachLog(t *testing.T) {
	us, peer := programs(t)
	for name, write := range map[string]writeLog{"335 bytes": shortLog, "full": fullLog} {
		for _, archives := range []bool{false, true} {
			path, err := makeLog(t.TempDir(), write, few, archives)
			if err != nil {
				t.Fatal(err)
			}
			if zipped, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.jsonl.gz")); err != nil || (len(zipped) > 0) != archives {
				t.Fatalf("got archives %q, %v, want some: %v", zipped, err, archives)
			}
			for _, p := range []program{us, peer} {
				s, err := replay(t.TempDir(), p, path, few)
				if err != nil {
					t.Fatalf("%s, archives %v: %v", name, archives, err)
				}
				if s.seconds <= 0 || s.first <= 0 || s.first > s.seconds*1e3 || s.cpu <= 0 || s.peak <= 0 {
					t.Errorf("%s, archives %v, %s: got %+v, want all above 0", name, archives, p.name, s)
				}
			}
		}
	}
}

func TestShortLinesHaveAbout335Bytes(t *testing.T) {
	path, err := makeLog(t.TempDir(), shortLog, 1000, false)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if each := info.Size() / 1000; each < 325 || each > 345 {
		t.Errorf("a line has %d bytes", each)
	}
}

func TestAKillLosesNothing(t *testing.T) {
	us, peer := programs(t, "--batch", "100")
	path, err := makeLog(t.TempDir(), shortLog, few, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []program{us, peer} {
		if _, lost, err := survive(t.TempDir(), p, path, few); err != nil || lost != 0 {
			t.Errorf("%s: %d lost, %v", p.name, lost, err)
		}
	}
}

func TestEachEventOfAFollowedLogIsTimed(t *testing.T) {
	us, peer := programs(t, "--follow")
	us.ends = false
	for _, p := range []program{us, peer} {
		all, err := lag(t.TempDir(), p, 500, 200)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 200 || all[0] <= 0 || all[0] > all[199] {
			t.Errorf("%s: got %v", p.name, all)
		}
	}
}

// TestTheSinkSeesEachRecord sends records with otlploghttp.
func TestTheSinkSeesEachRecord(t *testing.T) {
	for _, compression := range []otlploghttp.Compression{otlploghttp.NoCompression, otlploghttp.GzipCompression} {
		got := map[string]int{}
		s, err := newSink(5, func(uid []byte, _ time.Time) { got[string(uid)]++ })
		if err != nil {
			t.Fatal(err)
		}
		exp, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL(s.url+"/v1/logs"), otlploghttp.WithCompression(compression))
		if err != nil {
			t.Fatal(err)
		}
		records := recordtest.ModelCalls(5)
		for i := range records {
			records[i].AddAttributes(attribute.String("log.record.uid", uid(i)))
		}
		for _, part := range [][]log.Record{records[:2], records[2:]} {
			if err := exp.Export(t.Context(), part); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-s.reached:
		case <-t.Context().Done():
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
		for i := range records {
			if n, ok := eventOf([]byte(uid(i))); !ok || n != i || got[uid(i)] != 1 {
				t.Errorf("record %d arrived %d times and is %d, %v", i, got[uid(i)], n, ok)
			}
		}
		if s.records.Load() != 5 || s.first.Load() == 0 || s.last.Load() < s.first.Load() {
			t.Errorf("got %d records from %d to %d", s.records.Load(), s.first.Load(), s.last.Load())
		}
	}
}

// TestARecordWithoutUIDIsAnError, because it could not be told apart.
func TestARecordWithoutUIDIsAnError(t *testing.T) {
	s, err := newSink(1, func([]byte, time.Time) {})
	if err != nil {
		t.Fatal(err)
	}
	exp, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL(s.url+"/v1/logs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := exp.Export(context.Background(), recordtest.ModelCalls(1)); err == nil {
		t.Error("the sink took it")
	}
	if err := s.close(); err == nil {
		t.Error("the sink does not say so")
	}
}
