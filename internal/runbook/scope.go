package runbook

import "pagefree/internal/platform/template"

// TemplateScope returns the paths that a parameter's template may name, all
// without a value. A template is checked against it when it is written, and
// resolved in it, filled from the incident, when the runbook runs.
func TemplateScope() template.Scope {
	s := template.Scope{Fields: map[string]*string{}, Open: []string{"incident.labels."}}
	for _, path := range []string{
		"incident.id", "incident.title", "incident.description", "incident.severity", "incident.status", "incident.createdAt",
		"incident.service.id", "incident.service.name", "incident.team.id", "incident.team.name",
		"runbook.id", "runbook.name", "now",
	} {
		s.Fields[path] = nil
	}
	return s
}
