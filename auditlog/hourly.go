package auditlog

import (
	"context"
	"fmt"
	"time"
)

type hourlySpend struct{}

// HourlySpend tmp.
func (r *Reader) HourlySpend(ctx context.Context, hours int) (Totals, error) {
	const maxHours = 1 << 20 // a time.Duration holds twice as many
	if hours < 1 || hours > maxHours {
		return Totals{}, fmt.Errorf("auditlog: sum the last %d hours: want from 1 to %d", hours, maxHours)
	}
	since := time.Now().UTC().Truncate(time.Hour).Add(-time.Duration(hours) * time.Hour)
	spend, err := r.Spend(ctx, Filter{Since: since}, ByNothing)
	return spend.Total, err
}
