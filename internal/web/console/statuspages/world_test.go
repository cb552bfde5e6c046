package statuspages_test

import (
	"time"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/timestamp"
)

func pageOf(n int) httpapi.Page { return httpapi.Page{Limit: n} }

// later is a time some days from now.
func later(now time.Time, days int) timestamp.Time { return timestamp.Of(now.AddDate(0, 0, days)) }
