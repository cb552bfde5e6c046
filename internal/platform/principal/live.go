package principal

import "time"

// Live is a staff session that holds: whose it is, as they are now, and until
// when it holds if nobody uses it any more.
type Live struct {
	Principal
	Until time.Time
}
