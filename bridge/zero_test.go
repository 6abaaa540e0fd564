package bridge_test

import (
	"testing"

	"github.com/otelaudit/otelaudit/bridge"
)

func TestTheZeroBridgeReturnsAnError(t *testing.T) {
	var b bridge.Bridge
	if stats, err := b.Run(t.Context()); err == nil || stats != (bridge.Stats{}) {
		t.Errorf("got %+v and error %v, want an error", stats, err)
	}
	if got := b.Endpoint() + b.Checkpoint() + b.RejectFile(); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
	if _, err := bridge.New(logPath(t), nil); err != nil {
		t.Errorf("New with a nil option: %v", err)
	}
}
