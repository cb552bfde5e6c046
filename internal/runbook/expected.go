package runbook

import "pagefree/internal/platform/dynamo"

// Expected is a runbook of which somebody believes to know which version runs:
// it can be read in one batch with other things.
type Expected struct {
	sequence            int64
	version             int
	head                Runbook
	newest, after       pointer
	ver                 Version
	found, again, later bool
}

// Expect is for a runbook whose pointer was change number sequence, and named
// version, when it was last seen.
func Expect(version int, sequence int64) *Expected {
	return &Expected{version: version, sequence: sequence}
}

// Reads are what to read, of the table of Store.
func (e *Expected) Reads(runbookID string) []dynamo.Read {
	at := func(sequence int64) dynamo.Key {
		p := pointerOf(Runbook{ID: runbookID, Sequence: sequence})
		return dynamo.Key{PK: p.PK, SK: p.SK}
	}
	return []dynamo.Read{
		{Key: headKey(runbookID), Out: &e.head, Found: &e.found},
		{Key: at(e.sequence), Out: &e.newest, Found: &e.again},
		{Key: at(e.sequence + 1), Out: &e.after, Found: &e.later},
		{Key: versionKey(runbookID, e.version), Out: &e.ver},
	}
}

// Runnable is what Store.Runnable would have read; false if it was not as
// expected, and has to be read in that way.
func (e *Expected) Runnable() (Runbook, Version, bool) {
	if !e.found || !e.again || e.later || e.head.Approved != e.version || e.sequence < 1 {
		return Runbook{}, Version{}, false
	}
	e.head.Latest = e.newest.Sequence
	return e.head, e.ver, true
}
