package workflow

import (
	"time"

	"pagefree/internal/audit"
)

// Runs writes runs: what the API and the engine do alike.
type Runs struct {
	Store Store
	Audit audit.Log
	Now   func() time.Time
}
