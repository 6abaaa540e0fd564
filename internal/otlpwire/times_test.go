package otlpwire_test

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/otlpwire"
)

// TestTimesAreExactOrAbsent takes any number of nanoseconds, as the time of a record
// and as the ts of another writer's line: OTLP holds them from 1 to 2^64−1.
func TestTimesAreExactOrAbsent(t *testing.T) {
	encoder := otlpwire.NewEncoder(otelline.DecoderConfig{})
	edges := []string{"0", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "253402300799999999999", "-62135596800000000000"}
	rapid.Check(t, func(rt *rapid.T) {
		edge, _ := new(big.Int).SetString(rapid.SampledFrom(edges).Draw(rt, "edge"), 10)
		n := edge.Add(edge, big.NewInt(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64()).Draw(rt, "distance")))
		want := uint64(0)
		if n.IsUint64() {
			want = n.Uint64()
		}
		lines := []string{fmt.Sprintf(`{"event":"e","otel":{"time_unix_nano":"%s","observed_time_unix_nano":"%[1]s"}}`, n)}
		seconds, nanos := new(big.Int).DivMod(n, big.NewInt(1e9), new(big.Int))
		if at := time.Unix(seconds.Int64(), nanos.Int64()).UTC(); at.Year() >= 0 && at.Year() <= 9999 {
			lines = append(lines, fmt.Sprintf(`{"event":"e","ts":%q}`, at.Format(time.RFC3339Nano)))
		}
		for _, line := range lines {
			encoder.Reset()
			if err := encoder.Add([]byte(line), 0); err != nil {
				rt.Fatal(err)
			}
			r := recordsOf(parse(rt, encoder.AppendRequest(nil, 0, 1)))[0]
			if r.GetTimeUnixNano() != want || r.GetObservedTimeUnixNano() != want {
				rt.Errorf("%s: got %d and %d, want %d", line, r.GetTimeUnixNano(), r.GetObservedTimeUnixNano(), want)
			}
		}
	})
}
