package spend

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestExactSumIsTheRoundedTrueSum adds numbers of every size in parts, and
// wants the float64 next to what exact arithmetic says.
func TestExactSumIsTheRoundedTrueSum(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		parts := make([]ExactSum, 1+random.IntN(5))
		want := new(big.Float).SetPrec(3000)
		for range random.IntN(50) {
			f := math.Float64frombits(random.Uint64())
			if round%2 == 0 {
				f = float64(random.IntN(2_000_000)-1_000_000) / 1e6
			}
			if math.IsNaN(f) || math.IsInf(f, 0) {
				continue
			}
			parts[random.IntN(len(parts))].Add(f)
			want.Add(want, new(big.Float).SetFloat64(f))
		}
		var sum ExactSum
		for i := range parts {
			if random.IntN(3) == 0 {
				parts[i].carry()
			}
			sum.Merge(&parts[i])
		}
		wantFloat, _ := want.Float64()
		if math.IsInf(wantFloat, 0) {
			wantFloat = math.Copysign(math.MaxFloat64, wantFloat)
		}
		if got := sum.Float(); got != wantFloat {
			t.Fatalf("round %d: got %v, want %v", round, got, wantFloat)
		}
	}
}

func TestExactSumOfExtremes(t *testing.T) {
	for name, test := range map[string]struct {
		numbers []float64
		want    float64
	}{
		"nothing":        {nil, 0},
		"smallest":       {[]float64{5e-324, 5e-324}, 1e-323},
		"cancelled":      {[]float64{1e308, 5e-324, -1e308}, 5e-324},
		"negative":       {[]float64{-1, 0.5}, -0.5},
		"to zero":        {[]float64{0.1, -0.1}, 0},
		"too large":      {[]float64{math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64},
		"large and back": {[]float64{math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64}, math.MaxFloat64},
		"too small":      {[]float64{-math.MaxFloat64, -math.MaxFloat64}, -math.MaxFloat64},
	} {
		var sum ExactSum
		for _, f := range test.numbers {
			sum.Add(f)
		}
		if got := sum.Float(); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestExactSumCarriesInTime(t *testing.T) {
	var sum ExactSum
	for range 40 { // doubles it each time: 2^40 numbers, more than waiting carries have room for
		if sum.pending == 0 {
			sum.Add(0.1)
		}
		same := sum
		sum.Merge(&same)
	}
	if got, want := sum.Float(), math.Ldexp(0.1, 40); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
