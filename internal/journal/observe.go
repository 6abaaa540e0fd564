package journal

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// syncObservers are functions that the Log calls after each fsync of the active file.
type syncObservers struct {
	mu   sync.Mutex // serialises changes of list
	list atomic.Pointer[[]*func(time.Duration, error)]
}

// ObserveSyncs calls observe after each fsync of the active file, with its duration and
// its error. The goroutine that did the fsync calls it: observe must return quickly,
// must be safe for concurrent use and must call no method of l. stop ends the calls; one
// that has begun may still be running when stop returns.
func (l *Log) ObserveSyncs(observe func(d time.Duration, err error)) (stop func()) {
	o := &l.observers
	o.change(func(list []*func(time.Duration, error)) []*func(time.Duration, error) {
		return append(list, &observe)
	})
	return func() {
		o.change(func(list []*func(time.Duration, error)) []*func(time.Duration, error) {
			return slices.DeleteFunc(list, func(f *func(time.Duration, error)) bool { return f == &observe })
		})
	}
}

func (o *syncObservers) change(change func([]*func(time.Duration, error)) []*func(time.Duration, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []*func(time.Duration, error)
	if old := o.list.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = change(list)
	o.list.Store(&list)
}

// sync calls fsync, and then the observers.
func (o *syncObservers) sync(fsync func() error) error {
	list := o.list.Load()
	if list == nil || len(*list) == 0 {
		return fsync()
	}
	start := time.Now()
	err := fsync()
	d := time.Since(start)
	for _, observe := range *list {
		(*observe)(d, err)
	}
	return err
}
