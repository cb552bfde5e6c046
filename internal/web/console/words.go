package console

import (
	"fmt"
	"strings"
	"unicode"
)

// tones are the colours of what things are, by the words of the contract.
var tones = map[string]string{
	"CRITICAL": "down", "HIGH": "part", "MEDIUM": "slow", "LOW": "mild",
	"TRIGGERED": "down", "ACKNOWLEDGED": "slow", "RESOLVED": "ok",
	"AWAITING_CONFIRMATION": "slow", "PENDING": "gap", "RUNNING": "work", "COMPLETED": "ok", "FAILED": "down", "TIMEOUT": "down", "CANCELLED": "gap", "UNKNOWN": "part",
	"WAITING": "work", "SKIPPED": "gap",
	"DRAFT": "gap", "PENDING_REVIEW": "slow", "APPROVED": "ok", "REJECTED": "down", "DEPRECATED": "part", "ARCHIVED": "gap",
	"operational": "ok", "degraded_performance": "slow", "partial_outage": "part", "major_outage": "down", "under_maintenance": "work",
	"none": "ok", "minor": "slow", "major": "part", "critical": "down",
	"investigating": "down", "identified": "part", "monitoring": "work", "resolved": "ok", "scheduled": "gap", "in_progress": "work", "verifying": "work", "completed": "ok",
	"success": "ok", "denied": "down", "failure": "down",
}

// Tone is the colour of a word of the contract, as a class of the style sheet.
func Tone[T ~string](v T) string { return tone(v) }

func tone(v any) string {
	if t := tones[fmt.Sprint(v)]; t != "" {
		return t
	}
	return "gap"
}

// word is a name of the contract as people read it: "PENDING_REVIEW" is "Pending review".
func word(v any) string {
	s := fmt.Sprint(v)
	if s == "TIMEOUT" {
		return "Timed out"
	}
	s = strings.ToLower(strings.ReplaceAll(s, "_", " "))
	return upperFirst(s)
}

// named turns the words of the contract in sentences of the API into the
// words of pages. It knows those sentences by heart: what people wrote may hold
// the same words, and stays.
var named = strings.NewReplacer(append(states("what is ", "which is ", "that is "),
	"of risk LOW and MEDIUM", "of low and medium risk", "of risk LOW", "of low risk", "above LOW", "above low risk",
	"this one is MEDIUM.", "this one's is medium.", "this one is HIGH.", "this one's is high.",
	"The execution is FAILED", "The execution failed", "The execution is TIMEOUT", "The execution took too long",
	"The execution is CANCELLED", "The execution was cancelled", "The execution is UNKNOWN", "Nobody can tell how the execution ended",
	"An alarm is HIGH,", "The severity of an alarm is high,", "high urgency is HIGH and low is LOW.", "high urgency is a high severity, and low a low one.",
)...)

// states are the states of the contract after words that lead to them.
func states(before ...string) []string {
	var pairs []string
	for _, state := range []string{"AWAITING_CONFIRMATION", "PENDING_REVIEW", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "UNKNOWN", "DRAFT", "APPROVED", "REJECTED",
		"DEPRECATED", "ARCHIVED", "TRIGGERED", "ACKNOWLEDGED", "RESOLVED", "SKIPPED", "WAITING", "TIMEOUT"} {
		for _, b := range before {
			pairs = append(pairs, b+state, b+strings.ToLower(word(state)))
		}
	}
	return pairs
}

// member is the name of a member of the API's JSON as people read it:
// "statusPageId" is "Status page id".
func member(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return upperFirst(b.String())
}

// Plain is a sentence of the API as a page says it: "this one's is high" where
// the contract's word is HIGH.
func Plain(sentence string) string { return named.Replace(sentence) }

// plainly is what a schema says of a value, as people say it.
func plainly(said string) string {
	if said == "expected length >= 1" {
		return "it must not be empty"
	}
	for _, is := range []struct{ schema, words, of string }{
		{"expected length <= ", "at most ", " characters"}, {"expected length >= ", "at least ", " characters"},
		{"expected number <= ", "at most ", ""}, {"expected number >= ", "at least ", ""},
		{"expected array length <= ", "at most ", " of them"}, {"expected array length >= ", "at least ", " of them"},
	} {
		if bound, found := strings.CutPrefix(said, is.schema); found {
			return is.words + bound + is.of
		}
	}
	return said
}

// roles are the roles of the contract as people say them.
var roles = strings.NewReplacer("the role TEAM_ADMIN", "the role of a team admin", "the role RESPONDER", "the role of a responder", "the role OBSERVER", "the role of an observer")

// short is the end of an id, enough to tell two apart.
func short(id string) string {
	kind, rest, ok := strings.Cut(id, "_")
	if !ok || len(rest) < 6 {
		return id
	}
	return kind + "…" + rest[len(rest)-6:]
}

// count is a number with its noun: "1 step", "3 steps".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// done are the sentences of what was just done, by the word that See puts into
// the address: nothing that a link says is shown.
var done = map[string]string{
	"created": "It was created.", "saved": "Your changes were saved.", "deleted": "It was deleted.",
	"acknowledged": "You are working on it.", "resolved": "The incident is resolved.", "reopened": "The incident is open again.", "noted": "Your note is on the timeline.",
	"started": "The execution has started.", "confirmed": "It was confirmed.", "cancelled": "It was cancelled.", "cancelling": "The cancellation was asked for.",
	"paused": "Automation is paused.", "resumed": "Automation goes on.",
	"drafted": "The draft is saved. It runs nothing until it is submitted and approved.", "unparsed": "It was saved as a draft. The script does not parse, so it was not submitted.", "unsubmitted": "It was saved as a draft, and could not be submitted. Try it here.",
	"submitted": "It waits for a review.", "approved": "It was approved.", "rejected": "It was rejected.", "rolledback": "The earlier version serves again.",
	"deprecated": "It is deprecated.", "archived": "It is archived.", "restored": "It was restored.",
	"retried": "The run goes on from the failed step.", "rotated": "The secret was rotated.", "published": "The update was published.",
	"invited": "The invitation is on its way.", "revoked": "The access was revoked.", "keyrevoked": "The key was revoked. It works no more.", "added": "It was added.", "removed": "It was removed.",
	"devicegone": "The device gets no pushes any more.", "mailresumed": "Notifications are mailed to you again.",
	"deactivated": "The account was deactivated.", "activated": "The account is active again.",
}
