package spend

import (
	"math"
	"math/big"
)

// ExactSum is a sum of float64s without rounding: a fixed-point number that is wide
// enough for all of them. It does not depend on the order of adding: the sums of several
// goroutines make the sum of one pass.
type ExactSum struct {
	// limbs are digits of 32 bits, the lowest first, in units of 2^-1074, the
	// smallest float64. Carries, of either sign, stay in the upper halves.
	limbs [exactLimbs]int64
	// pending bounds what each limb can hold: at most pending × 2^32.
	pending int64
}

const (
	limbBits   = 32
	exactLimbs = (1074+1024)/limbBits + 3 // the largest float64 times 2^64
	maxPending = 1 << 30
)

// Add adds f, which is finite.
func (s *ExactSum) Add(f float64) {
	b := math.Float64bits(f)
	mantissa, exponent := b&(1<<52-1), int(b>>52&0x7ff)
	if exponent == 0 {
		exponent = 1 // without the hidden bit
	} else {
		mantissa |= 1 << 52
	}
	limb, shift := (exponent-1)/limbBits, uint(exponent-1)%limbBits //nolint:gosec // never negative
	low, high := mantissa<<shift, mantissa>>(64-shift)
	d0, d1, d2 := int64(low&(1<<limbBits-1)), int64(low>>limbBits), int64(high) //nolint:gosec // 32 bits each
	if b>>63 != 0 {
		d0, d1, d2 = -d0, -d1, -d2
	}
	s.limbs[limb] += d0
	s.limbs[limb+1] += d1
	s.limbs[limb+2] += d2
	if s.pending++; s.pending >= maxPending {
		s.carry()
	}
}

// Merge adds other.
func (s *ExactSum) Merge(other *ExactSum) {
	if s.pending+other.pending >= maxPending {
		s.carry()
		other.carry()
	}
	for i, d := range other.limbs {
		s.limbs[i] += d
	}
	s.pending += other.pending
}

// carry moves carries up: digits from 0 to 2^32 stay in all limbs but the highest, which
// keeps the sign.
func (s *ExactSum) carry() {
	for i := range exactLimbs - 1 {
		up := s.limbs[i] >> limbBits // rounds down, so that what stays is not negative
		s.limbs[i] -= up << limbBits
		s.limbs[i+1] += up
	}
	s.pending = 1
}

// Float returns the sum, rounded once; beyond float64, which JSON cannot write, the
// largest number of its sign.
func (s *ExactSum) Float() float64 {
	if s.pending == 0 {
		return 0
	}
	s.carry()
	first, last := 0, exactLimbs-1
	for first < last && s.limbs[first] == 0 {
		first++
	}
	for last > first && s.limbs[last] == 0 {
		last--
	}
	n := new(big.Int)
	for i := last; i >= first; i-- {
		n.Lsh(n, limbBits)
		n.Add(n, big.NewInt(s.limbs[i]))
	}
	f := new(big.Float).SetInt(n)
	f.SetMantExp(f, first*limbBits-1074)
	switch sum, _ := f.Float64(); {
	case math.IsInf(sum, 0):
		return math.Copysign(math.MaxFloat64, sum)
	default:
		return sum
	}
}
