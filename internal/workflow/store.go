package workflow

import (
	"time"

	"pagefree/internal/platform/dynamo"
)

// Store keeps workflows and their runs in the automation table.
//
//	wf#<workflow>                 wf      the workflow      byTeam wf#<team>, byKind wf
//	wfname#<team>                 <name>  which workflow holds the name
//	wfr#<run>                     run     the run           byIncident wfr#<incident>
//	wfr#<run>                     def     the definition that it keeps
//	wfr#<workflow>                <run>   that the workflow has this run
//	wflive#<workflow>#<incident>  live    the run that is live, and those that wait for it to end
type Store struct {
	Table     dynamo.Table
	Retention time.Duration // how long runs are kept
}
