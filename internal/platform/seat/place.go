package seat

import "time"

// Place is a seat that a person holds now, with what a sign-in has to know of it.
type Place struct {
	Seat
	TeamID   string        // whose page it is
	Email    string        // of the person
	PageName string        // as readers know it
	Lifetime time.Duration // how long a sign-in is good for at the page
}
