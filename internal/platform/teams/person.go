package teams

import "pagefree/internal/platform/principal"

// Person is somebody of the staff, as those who tell people something know
// them. The identity room gives it; what is told is decided elsewhere.
type Person struct {
	ID            string
	Email         string
	Name          string
	Active        bool
	PlatformAdmin bool
	Roles         map[string]principal.Role // by team, those of the person's own: a platform admin has none by being one
}

// In is the role that the person was given in a team.
func (p Person) In(teamID string) principal.Role { return p.Roles[teamID] }
