package auditlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/alloctest"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// scene is a step of a test of Follow: what is done to the log, and the events
// that come of it.
type scene struct {
	do   func()
	want string
}

var errLastScene = errors.New("the last scene is over")

// playScenes follows a log. Whenever everything that is there was yielded, it
// checks what came and plays the next scene. Events are written as line:n.
func playScenes(t *testing.T, r *auditlog.Reader, how auditlog.Following, scenes ...scene) {
	t.Helper()
	var got []string
	playing := -1 // what was there before the first one is its own business
	how.Wait = func(context.Context) error {
		if playing >= 0 {
			if d := cmp.Diff(scenes[playing].want, strings.Join(got, " ")); d != "" {
				t.Errorf("scene %d: wrong events (-want +got):\n%s", playing, d)
			}
			got = nil
		}
		if playing++; playing == len(scenes) {
			return errLastScene
		}
		if scenes[playing].do != nil {
			scenes[playing].do()
		}
		return nil
	}
	for e, err := range r.Follow(t.Context(), how) {
		if err != nil {
			if !errors.Is(err, errLastScene) {
				t.Fatal(err)
			}
			return
		}
		n := string(e.Raw[bytes.LastIndexByte(e.Raw, ':')+1 : len(e.Raw)-1])
		got = append(got, fmt.Sprintf("%d:%s", e.Line, n))
	}
	t.Error("the sequence ended")
}

func appendText(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestFollowBeginsWhereItIsToldTo(t *testing.T) {
	for _, test := range []struct {
		name string
		last int
		opts []auditlog.ReaderOption
		want string
	}{
		{"oldest", 0, nil, "1:1 2:2 1:3 2:4 4:5"},
		{"last", 4, nil, "0:2 0:3 0:4 0:5"},
		{"last of the active file", 9, []auditlog.ReaderOption{auditlog.WithActiveOnly()}, "0:3 0:4 0:5"},
		{"new", -1, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := putLog(t, map[string]string{
				archiveName: "{\"n\":1}\n{\"n\":2}\n",
				activeName:  "{\"n\":3}\r\n{\"n\":4}\n\n{\"n\":5}\n{\"n\":6}",
			}, test.opts...)
			path := r.Path()
			playScenes(t, r, auditlog.Following{Last: test.last},
				scene{want: test.want},
				scene{func() { appendText(t, path, "\n{\"n\":7}\n{\"n\"") }, "5:6 6:7"},
				scene{func() { appendText(t, path, ":8}\n") }, "7:8"},
				scene{},
			)
		})
	}
}

func TestFollowBeginsWithAnEmptyFile(t *testing.T) {
	const whole = "{\"n\":1}\n{\"n\":2}\n"
	for _, last := range []int{0, 1, -1} {
		for _, content := range []string{"", whole[:4]} {
			r := putLog(t, map[string]string{activeName: content})
			playScenes(t, r, auditlog.Following{Last: last},
				scene{},
				scene{func() { appendText(t, r.Path(), whole[len(content):]) }, "1:1 2:2"},
			)
		}
	}
}

func TestFollowWaitsForALog(t *testing.T) {
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "later", activeName)
	r, err := auditlog.NewReader(path, auditlog.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	playScenes(t, r, auditlog.Following{Last: -1},
		scene{},
		scene{func() {
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
		}, ""},
		scene{func() { appendText(t, path, "{\"n\":1}\n") }, "1:1"},
		scene{func() { appendText(t, path, "{\"n\":2}\n") }, "2:2"},
	)
	if got := strings.Count(log.String(), "there is no log yet"); got != 1 {
		t.Errorf("it said %d times that there is no log yet, want once:\n%s", got, log.String())
	}
}

func TestFollowYieldsWhatMatchesAndTellsOfDamageOnce(t *testing.T) {
	var damage []string
	r := putLog(t, map[string]string{activeName: "{\"event\":\"a\",\"n\":1}\nno\n{\"event\":\"b\",\"n\":2}\n"})
	filter := auditlog.Filter{Event: "b", OnDamage: func(d *auditlog.DamageError) {
		damage = append(damage, fmt.Sprint(d.Line, ":", d.Offset))
	}}
	playScenes(t, r, auditlog.Following{Filter: filter},
		scene{want: "3:2"},
		scene{func() { appendText(t, r.Path(), "{\"event\":\"b\",\"n\":3}\n{\"ev") }, "4:3"},
		scene{},
		scene{func() { appendText(t, r.Path(), "\n{\"event\":\"a\",\"n\":4}\n{\"event\":\"b\",\"n\":5}\n") }, "7:5"},
		scene{},
	)
	if d := cmp.Diff([]string{"2:20", "5:63"}, damage); d != "" {
		t.Errorf("wrong damage (-want +got):\n%s", d)
	}
}

func TestFollowGoesOnWhateverHappensToTheActiveFile(t *testing.T) {
	var said bytes.Buffer
	path := filepath.Join(t.TempDir(), activeName)
	log := audittest.Open(t, path)
	add := func(n int) {
		t.Helper()
		if err := log.Append(t.Context(), numbered("w", n)); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := auditlog.NewReader(path, auditlog.WithLogger(slog.New(slog.NewTextHandler(&said, nil))))
	must(err)
	add(1)
	playScenes(t, r, auditlog.Following{Filter: auditlog.Filter{Event: "nav"}},
		scene{want: "1:1"},
		scene{func() { add(2); must(log.Rotate(t.Context())); add(3) }, "2:2 1:3"},
		scene{func() {
			add(4)
			must(log.Rotate(t.Context()))
			add(5)
			must(log.Rotate(t.Context()))
			auditlog.WaitForCompression(log)
			add(6)
		}, "2:4 1:5 1:6"},
		scene{func() { must(os.Rename(path, filepath.Join(t.TempDir(), "mine"))); add(7) }, "1:7"},
		scene{func() { must(os.Remove(path)); add(8) }, "3:8"}, // behind a line that says so
		scene{},
		scene{func() { must(os.Truncate(path, 0)); add(9) }, "2:9"},
		scene{func() { must(log.Rotate(t.Context())); auditlog.WaitForCompression(log); must(removeArchives(path)) }, ""},
		scene{func() { add(10) }, "1:10"},
	)
	// Of an archive that is removed at once nobody knows that it was the active file.
	for want, times := range map[string]int{"level=INFO msg=\"auditlog: another active file": 2, "brought back": 1, "was truncated": 1, "level=WARN": 0} {
		if got := strings.Count(said.String(), want); got != times {
			t.Errorf("it said %d times %q, want %d:\n%s", got, want, times, said.String())
		}
	}
}

func TestFollowNoticesAFileThatWasWrittenAnew(t *testing.T) {
	r := putLog(t, map[string]string{activeName: "{\"n\":1}\n"})
	playScenes(t, r, auditlog.Following{},
		scene{want: "1:1"},
		scene{func() {
			if err := os.WriteFile(r.Path(), []byte("{\"n\":2}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "1:2"},
	)
}

func removeArchives(path string) error {
	archives, err := filepath.Glob(strings.TrimSuffix(path, ".jsonl") + "_*")
	for _, a := range archives {
		err = errors.Join(err, os.Remove(a))
	}
	return err
}

func TestFollowMissesAndDoublesNothingWhileFilesRotate(t *testing.T) {
	t.Parallel()
	for _, how := range []auditlog.Following{
		{Wait: func(context.Context) error { runtime.Gosched(); return nil }},
		{}, // many rotations between two looks
	} {
		const writers, events = 4, 400
		path := filepath.Join(t.TempDir(), activeName)
		r, err := auditlog.NewReader(path)
		if err != nil {
			t.Fatal(err)
		}
		s := storm(t, path, writers, events)
		for e, err := range r.Follow(t.Context(), how) {
			if err != nil {
				t.Fatal(err)
			}
			if s.add(string(e.Raw)); s.events == writers*events {
				break
			}
		}
	}
}

func TestFollowLooksByItselfAndEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := putLog(t, map[string]string{activeName: "{\"n\":1}\n"})
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		defer cancel(nil)
		begin, events := time.Now(), 0
		for _, err := range r.Follow(ctx, auditlog.Following{}) {
			if err != nil {
				if !errors.Is(err, why) {
					t.Fatalf("got %v, want the cause of the context", err)
				}
				break
			}
			if events++; events == 1 {
				appendText(t, r.Path(), "{\"n\":2}\n")
				continue
			}
			if got := time.Since(begin); got != time.Second/4 {
				t.Errorf("it looked again after %v, want 250ms", got)
			}
			cancel(why)
		}
		if events != 2 {
			t.Errorf("got %d events, want 2", events)
		}
	})
}

// TestAFollowerDoesNotHoldALineThatHasNotEnded has one of 16 MiB that is an
// event so far, before it follows and while it does.
func TestAFollowerDoesNotHoldALineThatHasNotEnded(t *testing.T) {
	const size, most = 16 << 20, 1 << 20
	begin := `{"event":"nav","reason":"` + strings.Repeat("x", size)
	for _, before := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		add := func(text string) {
			t.Helper()
			if _, err := file.WriteString(text); err != nil {
				t.Fatal(err)
			}
		}
		add("{\"event\":\"first\"}\n")
		if before {
			add(begin)
		}
		r, err := auditlog.NewReader(path)
		if err != nil {
			t.Fatal(err)
		}
		looks, lengths := 0, []int{}
		wait := func(context.Context) error {
			switch looks++; looks {
			case 1:
				if !before {
					add(begin)
				}
			case 5:
				return errLastScene
			}
			return nil
		}
		largest := alloctest.Largest(func() {
			for e, err := range r.Follow(t.Context(), auditlog.Following{Wait: wait}) {
				if err == nil {
					lengths = append(lengths, len(e.Raw))
				} else if !errors.Is(err, errLastScene) {
					t.Fatal(err)
				}
			}
		}, "otelaudit/auditlog.")
		if largest > most {
			t.Errorf("in place before it follows: %v: %d bytes were allocated at once, want %d at most", before, largest, most)
		}
		looks, lengths = 1, nil
		wait = func(context.Context) error {
			switch looks++; looks {
			case 2:
				add("\"}\n{\"event\":\"last\"}\n")
			case 3:
				return errLastScene
			}
			return nil
		}
		for e, err := range r.Follow(t.Context(), auditlog.Following{Wait: wait}) {
			if err != nil {
				if !errors.Is(err, errLastScene) {
					t.Fatal(err)
				}
				break
			}
			lengths = append(lengths, len(e.Raw))
		}
		if diff := cmp.Diff([]int{len(`{"event":"first"}`), len(begin) + 2, len(`{"event":"last"}`)}, lengths); diff != "" {
			t.Errorf("lengths of the lines that came (-want +got):\n%s", diff)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
