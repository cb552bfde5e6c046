// Package trust says how much a trigger can prove of where it comes from, and
// which runbooks it may therefore start by itself.
package trust

// Level is what a trigger proves.
type Level string

// The levels, the most first.
const (
	Person     Level = "person"      // somebody who is signed in
	SignedTime Level = "signed_time" // a signature over the body and the time of the delivery
	Signed     Level = "signed"      // a signature over the body; an API key counts as this
	Bearer     Level = "bearer"      // a secret that travels with every delivery
)

// Risk is how much harm a runbook may do, as its reviewers declared it.
type Risk string

// The risks, the least first.
const (
	Low    Risk = "LOW"
	Medium Risk = "MEDIUM"
	High   Risk = "HIGH"
)

var order = map[Risk]int{Low: 1, Medium: 2, High: 3}

// Valid reports whether r is one of the three.
func (r Risk) Valid() bool { return order[r] > 0 }

// Covers reports whether a ceiling of r admits a runbook of a risk. What is
// none of the three covers nothing, and is covered by nothing.
func (r Risk) Covers(risk Risk) bool { return risk.Valid() && order[r] >= order[risk] }

// Lower is the lower of two ceilings.
func Lower(a, b Risk) Risk {
	if order[b] < order[a] {
		return b
	}
	return a
}

// Unattended is the ceiling that a level has by default: the highest risk that
// it starts without a person's confirmation.
func (l Level) Unattended() Risk {
	switch l {
	case Person:
		return High
	case SignedTime, Signed:
		return Medium
	}
	return Low
}
