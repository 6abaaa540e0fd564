package bridge_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelaudit/otelaudit/bridge"
)

// replayEnv makes the test binary a bridge from the log that it names to the
// endpoint of the usual variable, so that a test can kill it.
const replayEnv = "OTELAUDIT_TEST_REPLAY"

func TestMain(m *testing.M) {
	path := os.Getenv(replayEnv)
	if path == "" {
		goleak.VerifyTestMain(m)
		return
	}
	b, err := bridge.New(path, bridge.WithBatchSize(5), bridge.WithInFlight(1))
	if err == nil {
		_, err = b.Run(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
