package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pagefree/internal/platform/text"
)

// Limits of what an alert may say beside those of an incident, in characters.
const (
	maxTitle    = 200
	maxDedupKey = 256
	maxLabel    = 64
)

// Clipped is the alert cut to what an incident may say: whatever its sender
// wrote, the incident that Take makes of it is a valid one, and it fits an item.
// What is cut twice is what is cut once.
func (a Alert) Clipped() Alert {
	a.Title = oneLine(a.Title, maxTitle)
	if a.Title == "" {
		a.Title = "An alert without a title"
	}
	a.Description, _ = text.Clip([]byte(a.Description), false, MaxDescription)
	a.Note, _ = text.Clip([]byte(a.Note), false, MaxNote)
	if !slices.Contains(severities, a.Severity) {
		a.Severity = Medium
	}
	a.Labels = clippedLabels(a.Labels)
	a.DedupKey = clippedKey(a.DedupKey)
	a.Raw = a.Raw.bounded()
	return a
}

// oneLine joins the lines of s, without control characters, and cuts it to limit characters.
func oneLine(s string, limit int) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))), " ")
	return strings.TrimSpace(firstRunes(s, limit))
}

// firstRunes is the beginning of s, of at most n characters.
func firstRunes(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

// clippedLabels keeps up to MaxLabels of the labels, in the order of their names, with names
// that templates can use: other characters become underscores. Of names that
// become one, the first stays.
func clippedLabels(labels map[string]string) map[string]string {
	kept := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		as := labelName(name)
		if _, taken := kept[as]; taken || as == "" || len(kept) == MaxLabels {
			continue
		}
		kept[as], _ = text.Clip([]byte(labels[name]), false, MaxLabelValue)
	}
	return kept
}

func labelName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("_.:/-", r):
			return r
		}
		return '_'
	}, name)
	name = strings.TrimLeft(name, "_.:/-") // it starts with a letter or digit
	return name[:min(len(name), maxLabel)]
}

// clippedKey is a dedup key of at most 256 characters: one that is longer ends
// in a hash of it, since keys may differ at their ends alone.
func clippedKey(key string) string {
	key = strings.ToValidUTF8(key, "\uFFFD")
	if utf8.RuneCountInString(key) <= maxDedupKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	hash := "#" + hex.EncodeToString(sum[:])
	return firstRunes(key, maxDedupKey-len(hash)) + hash
}
