package main

import (
	"context"
	"errors"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/watch"
)

const followHelp = `With --follow it goes on with the events that are appended, through rotations, until
it is interrupted: it waits for a log that is not there yet, for the end of a line, and
goes on in the file that takes the place of one that is moved, removed or truncated.
Events of a file that was truncated may come twice. The exit code is 0, or 1 after damage.
When nobody reads any more what it prints, as after | head, it ends at once on Linux, and
with the next event elsewhere.`

// follow prints events as they come, until ctx ends, which is how it is
// supposed to end.
func (a *app) follow(ctx context.Context, r *auditlog.Reader, how auditlog.Following, p printer) (err error) {
	w := watch.New(r.Path(), watch.Config{Logger: a.logger})
	defer func() { err = errors.Join(err, w.Close()) }()
	how.Wait = func(ctx context.Context) error {
		// Wait ends at each interval of the watcher, so that after `| head` the
		// command does not stay until the next event.
		if err := errors.Join(p.flush(), a.out.Flush(), a.out.lookForReader()); err != nil {
			return err
		}
		return w.Wait(ctx)
	}
	for e, err := range r.Follow(ctx, how) {
		switch {
		case err != nil && ctx.Err() != nil:
			return p.flush()
		case err != nil:
			return err
		}
		if err := p.print(e); err != nil {
			return err
		}
	}
	return nil
}
