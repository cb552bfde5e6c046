package hook

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/incident"
	"pagefree/internal/platform/text"
)

// Limits of what an alert may carry, beside those of an incident.
const (
	maxTitle    = 200 // characters
	maxDedupKey = 256
	maxNote     = 1000 // characters
	maxRaw      = 200_000
	maxRawDepth = 16 // of DynamoDB's 32, below what stands above it
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

// bounded cuts an alert to the limits of an incident, whatever was sent.
func bounded(a incident.Alert, p Provider) incident.Alert {
	fallback := p.Label + " sent something that PageFree does not know"
	if a.Raw == nil {
		fallback = p.Label + " alert"
	}
	a.Title = cmp.Or(line(a.Title, maxTitle), fallback)
	a.Note = line(a.Note, maxNote)
	a.Description = prose(a.Description)
	a.DedupKey = dedupKey(a.DedupKey)
	a.Labels = labels(a.Labels)
	if a.Severity == "" {
		a.Severity = incident.Medium
	}
	if a.Raw != nil {
		a.Raw = raw(a.Raw)
	}
	return a
}

// shown replaces what moves text about, or cannot be seen, by a space.
func shown(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || text.Reorders(string(r)) {
		return ' '
	}
	return r
}

// line is one line of at most limit characters.
func line(s string, limit int) string {
	s = strings.ToValidUTF8(s[:min(len(s), 16*limit)], "\uFFFD") // a rune cut here is cut away below
	s = strings.Join(strings.Fields(strings.Map(shown, s)), " ")
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:limit-1])) + "…"
}

// prose is a text of several lines, of at most a description's length.
func prose(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return shown(r)
	}, s)
	s, _ = text.Clip([]byte(strings.TrimSpace(s)), false, incident.MaxDescription)
	return s
}

// dedupKey keeps a key that an incident can have, and hashes one that is longer.
func dedupKey(s string) string {
	if len(s) > maxDedupKey || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return digest(s)
	}
	return s
}

// keyed is a dedup key in a provider's own space; "" where there is nothing to
// tell alerts by.
func keyed(space string, parts ...string) string {
	if slices.Contains(parts, "") {
		return ""
	}
	return space + ":" + strings.Join(parts, ":")
}

// labels keeps what can be a label, in the order of the names, so that the same
// 32 stay of the same alert.
func labels(in map[string]string) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		clean := labelName(name)
		if _, taken := out[clean]; clean == "" || taken || len(out) == incident.MaxLabels {
			continue
		}
		value, _ := text.Clip([]byte(line(in[name], incident.MaxLabelValue)), false, incident.MaxLabelValue)
		if value != "" {
			out[clean] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// labelName makes a label's name of a text: letters, digits and _ . : / - only,
// at most 64, the first a letter or digit.
func labelName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_.:/-", r)) {
			return r
		}
		return '_'
	}, strings.TrimSpace(s[:min(len(s), 256)]))
	s = strings.TrimLeft(s, "_.:/-")
	return s[:min(len(s), 64)]
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

// raw makes a body fit to be stored: DynamoDB takes items of 400 KB, nested 32
// deep, with numbers of 38 digits, and no member without a name.
func raw(o map[string]any) map[string]any {
	b, err := json.Marshal(o)
	if err == nil && len(b) <= maxRaw {
		return storable(o, 0).(map[string]any)
	}
	cut, _ := text.Clip(b, false, maxRaw)
	return map[string]any{"truncated": true, "text": cut}
}

func storable(v any, depth int) any {
	switch v := v.(type) {
	case map[string]any:
		if depth == maxRawDepth {
			return asText(v)
		}
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[cmp.Or(name, "(no name)")] = storable(member, depth+1)
		}
		return out
	case []any:
		if depth == maxRawDepth {
			return asText(v)
		}
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = storable(element, depth+1)
		}
		return out
	case json.Number:
		f, err := v.Float64()
		// What a float64 does not hold exactly, an id say, stays a text.
		if size := math.Abs(f); err != nil || size > 1<<53 || size != 0 && size < 1e-100 {
			return v.String()
		}
		return f
	}
	return v
}

func asText(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return string(b)
}
