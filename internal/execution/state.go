package execution

import (
	"net/http"
	"slices"

	"pagefree/internal/platform/problem"
)

// Status is where an execution is in its life:
//
//	AWAITING_CONFIRMATION ──confirm──▶ PENDING ──claim──▶ RUNNING ──▶ COMPLETED
//	          │                          │                  ├───────▶ FAILED
//	          │ cancel, 15 min,          │ cancel,          ├───────▶ TIMEOUT
//	          │ no longer approved       │ seal broken,     └───────▶ UNKNOWN
//	          ▼                          │ not approved
//	      CANCELLED ◀────────────────────┴▶ FAILED
//
// COMPLETED, FAILED, TIMEOUT, CANCELLED and UNKNOWN are final. UNKNOWN means
// that the script may have run and nobody can tell how it ended.
type Status string

// The statuses of the HTTP contract.
const (
	AwaitingConfirmation Status = "AWAITING_CONFIRMATION"
	Pending              Status = "PENDING"
	Running              Status = "RUNNING"
	Completed            Status = "COMPLETED"
	StatusFailed         Status = "FAILED"
	Timeout              Status = "TIMEOUT"
	Cancelled            Status = "CANCELLED"
	Unknown              Status = "UNKNOWN"
)

var next = map[Status][]Status{
	AwaitingConfirmation: {Pending, Cancelled},
	Pending:              {Running, Cancelled, StatusFailed},
	Running:              {Completed, StatusFailed, Timeout, Unknown},
}

// Final reports whether nothing follows the status.
func (s Status) Final() bool { return len(next[s]) == 0 }

// Statuses lists all of them, in the order of a life.
func Statuses() []Status {
	return []Status{AwaitingConfirmation, Pending, Running, Completed, StatusFailed, Timeout, Cancelled, Unknown}
}

// allow returns nil when an execution may go from one status to another.
func allow(from, to Status) error {
	if slices.Contains(next[from], to) {
		return nil
	}
	return problem.New(http.StatusConflict, problem.InvalidTransition, "An execution that is %s cannot become %s.", from, to)
}
