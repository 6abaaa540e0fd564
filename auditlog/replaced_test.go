package auditlog_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/otelaudit/otelaudit/auditlog"
)

// save puts text in the place of the active file, as an editor does.
func (i *interference) save(text string) {
	i.t.Helper()
	temp := filepath.Join(filepath.Dir(i.path), "sedXYZ")
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
	if err := os.Rename(temp, i.path); err != nil {
		i.t.Fatal(err)
	}
}

func (i *interference) read() string {
	i.t.Helper()
	text, err := os.ReadFile(i.path)
	if err != nil {
		i.t.Fatal(err)
	}
	return string(text)
}

func TestASavedActiveFileGetsBackWhatWasAppendedMeanwhile(t *testing.T) {
	lines := func(text string, keep ...int) string {
		all := strings.SplitAfter(text, "\n")
		var kept strings.Builder
		for _, n := range keep {
			kept.WriteString(all[n])
		}
		return kept.String()
	}
	for name, test := range map[string]struct {
		edit     func(text string) string
		appended int // while the editor worked
		want     []int64
		removed  int64
	}{
		"nothing changed":               {func(s string) string { return s }, 0, []int64{0, 1, 2, 3, 4}, 0},
		"nothing changed, and appended": {func(s string) string { return s }, 2, []int64{0, 1, 2, 3, 4, 5, 6}, 0},
		"lines removed":                 {func(s string) string { return lines(s, 0, 2, 4) }, 0, []int64{0, 2, 4}, 2},
		"lines removed, and appended":   {func(s string) string { return lines(s, 0, 2, 4) }, 2, []int64{0, 2, 4, 5, 6}, 2},
		"one line left":                 {func(s string) string { return lines(s, 4) }, 2, []int64{4, 5, 6}, 4},
		"the last lines removed":        {func(s string) string { return lines(s, 0, 1) }, 0, []int64{0, 1, 2, 3, 4}, 0},
		"no last line feed":             {func(s string) string { return strings.TrimSuffix(s, "\n") }, 1, []int64{0, 1, 2, 3, 4, 5}, 0},
		"spelled in another way": {func(s string) string {
			return strings.NewReplacer(`":`, `" : `, `"event"`, `"\u0065vent"`, "\n", "\r\n").Replace(s)
		}, 1, []int64{0, 1, 2, 3, 4, 5}, 0},
		"members in another order": {func(s string) string {
			return regexp.MustCompile(`(?m)^\{("ts":"[^"]*"),(.*)\}$`).ReplaceAllString(s, `{$2,$1}`)
		}, 1, []int64{0, 1, 2, 3, 4, 5}, 0},
		"another order": {func(s string) string { return lines(s, 4, 3, 2, 1, 0) }, 1, []int64{4, 3, 2, 1, 0, 5}, 0},
		"all gone":      {func(string) string { return "" }, 1, []int64{0, 1, 2, 3, 4, 5}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			interfere(t, func(i *interference) {
				text := test.edit(i.read())
				i.append(test.appended)
				i.save(text)
				i.notice()
				i.want(i.path, test.want...)
				if len(i.recovered) != 1 || i.recovered[0].Reason == "" {
					i.t.Fatalf("got %v, want one event", i.recovered)
				}
				if removed := i.recovered[0].Attributes["removed_lines"]; test.removed >= 0 && removed != test.removed {
					i.t.Errorf("got removed_lines %v, want %d", removed, test.removed)
				}
				i.append(2)
				next := int64(5 + test.appended)
				i.want(i.path, append(slices.Clone(test.want), next, next+1)...)
				if damaged := strings.Count(i.read(), "}{"); damaged != 0 {
					i.t.Errorf("%d lines are glued together", damaged)
				}
			})
		})
	}
}

// TestASavedFileOfTwoLogsGetsLinesBackOnce: both have the old file open.
func TestASavedFileOfTwoLogsGetsLinesBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		var logs []*interference
		for n := range 3 {
			log, err := auditlog.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close() //nolint:errcheck // the files are read
			logs = append(logs, &interference{t: t, path: path, log: log, next: n * 10})
		}
		for _, i := range logs {
			i.append(2)
		}
		text := logs[0].read()
		logs[1].append(1)
		logs[0].save(text)
		logs[0].notice()
		for _, i := range logs {
			i.append(1)
		}
		logs[0].want(path, 0, 1, 10, 11, 20, 21, 12, 2, 13, 22)
	})
}

// TestASymbolicLinkInPlaceOfTheFileIsNotWrittenTo: it could lead anywhere.
func TestASymbolicLinkInPlaceOfTheFileIsNotWrittenTo(t *testing.T) {
	interfere(t, func(i *interference) {
		text := i.read()
		other := filepath.Join(t.TempDir(), "other.jsonl")
		if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
			i.t.Fatal(err)
		}
		i.append(1)
		if err := os.Remove(i.path); err != nil {
			i.t.Fatal(err)
		}
		if err := os.Symlink(other, i.path); err != nil {
			i.t.Fatal(err)
		}
		i.notice()
		if got, err := os.ReadFile(other); err != nil || string(got) != text {
			i.t.Errorf("the file behind the link holds %q, %v", got, err)
		}
		if err := os.Remove(i.path); err != nil {
			i.t.Fatal(err)
		}
		i.notice()
		i.append(1)
		i.want(i.path, 0, 1, 2, 3, 4, 5, 6)
	})
}
