package exporter

import "context"

type sessionKey struct{}

// ContextWithSession returns a context under which what is emitted belongs to
// the session id: by [Emit], and by any logger whose provider has a
// [Processor] or the SDK's SimpleProcessor. A record that names a session itself
// keeps it. The SDK's BatchProcessor exports without the context: of the
// records that pass through it only those of Emit have the session.
func ContextWithSession(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, sessionKey{}, id)
}

func sessionOf(ctx context.Context) string {
	id, _ := ctx.Value(sessionKey{}).(string)
	return id
}
