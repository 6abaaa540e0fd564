package auditlog

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// syncObservers are told of each fsync of the active file.
type syncObservers struct {
	mu   sync.Mutex // of changes
	list atomic.Pointer[[]*func(time.Duration, error)]
}

// ObserveSyncs has observe called after each fsync of the active file by the
// cadence, by [Log.Sync] and by a rotation: with how long it took and its error.
// It is called from whichever goroutine did the fsync and must return quickly;
// it must be safe for concurrent use and call no method of l. The function
// returned ends that; a call that has begun may still be running then.
func (l *Log) ObserveSyncs(observe func(d time.Duration, err error)) (stop func()) {
	o := &l.syncer.observers
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

// sync calls f, and tells the observers if there are any.
func (o *syncObservers) sync(f func() error) error {
	list := o.list.Load()
	if list == nil || len(*list) == 0 {
		return f()
	}
	start := time.Now()
	err := f()
	d := time.Since(start)
	for _, observe := range *list {
		(*observe)(d, err)
	}
	return err
}
