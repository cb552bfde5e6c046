// Package sandbox sends scripts to the sandbox functions, one for each
// language, and tells apart whether a script certainly did not run, ran, or
// may have run.
//
// A request is made once. Neither the SDK nor net/http tries it again, since
// a second try could run a script twice.
package sandbox

import (
	"pagefree/internal/execution/target"
	"pagefree/internal/execution/target/sandbox/protocol"
)

// What is said to a function and back, under names that callers need.
type (
	Request     = protocol.Request
	Result      = protocol.Result
	Verdict     = protocol.Verdict
	Confinement = protocol.Confinement
	Language    = protocol.Language
)

// The languages, one function each.
const (
	Bash       = protocol.Bash
	Python     = protocol.Python
	JavaScript = protocol.JavaScript
)

var (
	// ErrNotSent: nothing of the script has run, and it may be sent again.
	// The function may have refused it, then the cause is a *protocol.NotRun.
	ErrNotSent = target.ErrNotSent
	// ErrUnknown: the script may have run, whole, in part or not at all.
	ErrUnknown = target.ErrUnknown
)
