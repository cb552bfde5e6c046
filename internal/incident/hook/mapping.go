package hook

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"pagefree/internal/incident"
	"pagefree/internal/platform/text"
	"pagefree/internal/platform/timestamp"
)

// severities are the words of the contract and their like.
var severities = map[string]incident.Severity{
	"critical": incident.Critical, "crit": incident.Critical, "fatal": incident.Critical, "p1": incident.Critical, "p0": incident.Critical,
	"down": incident.Critical, "emergency": incident.Critical, "emerg": incident.Critical, "disaster": incident.Critical,
	"sev0": incident.Critical, "sev1": incident.Critical,
	"error": incident.High, "high": incident.High, "p2": incident.High, "major": incident.High, "alert": incident.High, "sev2": incident.High,
	"warning": incident.Medium, "warn": incident.Medium, "medium": incident.Medium, "moderate": incident.Medium, "p3": incident.Medium, "sev3": incident.Medium,
	"info": incident.Low, "information": incident.Low, "informational": incident.Low, "low": incident.Low, "minor": incident.Low,
	"p4": incident.Low, "p5": incident.Low, "none": incident.Low, "notice": incident.Low, "debug": incident.Low, "ok": incident.Low,
	"sev4": incident.Low, "sev5": incident.Low,
}

// severity is the first of the words that is one; else the fallback.
func severity(fallback incident.Severity, words ...string) incident.Severity {
	for _, w := range words {
		if s, ok := severities[strings.ReplaceAll(strings.ToLower(strings.TrimSpace(w)), "-", "")]; ok {
			return s
		}
	}
	return fallback
}

var said = text.Pattern(`(?i)(?:\b(?:severity|priority)["']?\s*[:=]\s*["']?([a-z0-9-]+)|\[(p[0-5])\])`)

// spoken finds a severity that people wrote into prose: severity: critical, or [P1].
func spoken(texts ...string) string {
	for _, t := range texts {
		if m := said().FindStringSubmatch(t[:min(len(t), 4096)]); m != nil {
			return m[1] + m[2]
		}
	}
	return ""
}

// unknown is the alert of a body whose shape nobody here knows: kept whole, so
// that what it wanted to say is not lost.
func unknown(o object) incident.Alert {
	return incident.Alert{Action: incident.Fire, Raw: incident.Raw(o)}
}

// ignored is an alert that asks for nothing, and says why.
func ignored(note string) incident.Alert {
	return incident.Alert{Action: incident.Ignore, Note: note}
}

// bounded is an alert without what cannot be seen in its texts, cut to what an
// incident may say, whatever was sent.
func bounded(a incident.Alert, p Provider) incident.Alert {
	fallback := p.Label + " sent something that PageFree does not know"
	if a.Raw == nil {
		fallback = p.Label + " alert"
	}
	a.Title = cmp.Or(line(a.Title), fallback)
	a.Note = line(a.Note)
	a.Description = prose(a.Description)
	if strings.ContainsFunc(a.DedupKey, unicode.IsControl) {
		a.DedupKey = digest(a.DedupKey)
	}
	a.Labels = maps.Clone(a.Labels)
	for name, value := range a.Labels {
		if a.Labels[name] = line(value); a.Labels[name] == "" {
			delete(a.Labels, name)
		}
	}
	return a.Clipped()
}

// shown replaces what moves text about, or cannot be seen, by a space.
func shown(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || text.Reorders(string(r)) {
		return ' '
	}
	return r
}

// line is a text as one line.
func line(s string) string { return strings.Join(strings.Fields(strings.Map(shown, s)), " ") }

// prose is a text of several lines.
func prose(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return shown(r)
	}, strings.ReplaceAll(s, "\r\n", "\n")))
}

// moment is a time as senders write it, nil for what is none.
func moment(s string) *timestamp.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999-0700"} { // the second is CloudWatch's
		if at, err := time.Parse(layout, s); err == nil && at.Year() > 0 && at.Year() < 9999 {
			return timestamp.Ptr(at)
		}
	}
	return nil
}

// keyed is a dedup key in a provider's own space; "" where there is nothing to
// tell alerts by.
func keyed(space string, parts ...string) string {
	if slices.Contains(parts, "") {
		return ""
	}
	return space + ":" + strings.Join(parts, ":")
}

// tags adds k:v tags, in a list or parted by commas, to labels.
func tags(into map[string]string, v any) {
	add := func(tag string) {
		if name, value, ok := strings.Cut(strings.TrimSpace(tag), ":"); ok && into[name] == "" {
			into[name] = value
		}
	}
	switch v := v.(type) {
	case string:
		for tag := range strings.SplitSeq(v, ",") {
			add(tag)
		}
	case []any:
		for _, tag := range v {
			switch tag := tag.(type) {
			case string:
				add(tag)
			case []any: // Sentry's pairs
				if len(tag) == 2 {
					into[scalar(tag[0])] = scalar(tag[1])
				}
			}
		}
	case map[string]any:
		for name, value := range v {
			if s := scalar(value); s != "" {
				into[name] = s
			}
		}
	}
}

// put adds labels that are not empty, given as name and value in turn.
func put(into map[string]string, pairs ...string) map[string]string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			into[pairs[i]] = pairs[i+1]
		}
	}
	return into
}

// lines joins what is not empty.
func lines(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "\n")
}
