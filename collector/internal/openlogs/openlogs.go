// Package openlogs knows which logs the process writes, so that a middleware of the
// receiver can refuse the replay of one of them.
package openlogs

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/otelaudit/otelaudit/internal/logid"
)

var (
	mu    sync.Mutex
	paths = make(map[string]int) // how often each is open
)

// Add adds the log at path. Call Remove when it is closed.
func Add(path string) {
	mu.Lock()
	defer mu.Unlock()
	paths[path]++
}

// Remove undoes one Add.
func Remove(path string) {
	mu.Lock()
	defer mu.Unlock()
	if paths[path]--; paths[path] <= 0 {
		delete(paths, path)
	}
}

// Has reports whether id is that of an open log. The ids are made anew, because a
// folder may have been replaced since.
func Has(id string) (bool, error) {
	mu.Lock()
	open := slices.Collect(maps.Keys(paths))
	mu.Unlock()
	var failed error
	for _, path := range open {
		is, err := logid.Of(path)
		if err != nil {
			failed = fmt.Errorf("compare a replay with the open logs: %w", err)
			continue
		}
		if is == id {
			return true, nil
		}
	}
	return false, failed
}
