// Package id mints the public ids of PageFree: a ULID behind a prefix that
// says what it names (rb_01J...). ULIDs sort by the time they were made, which
// is what lists and cursors stand on.
package id

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// Prefixes of the public ids; the HTTP contract fixes those that it names.
const (
	Runbook   = "rb"
	Execution = "ex"
	Incident  = "inc"
	Service   = "svc"
	Team      = "team"
	User      = "usr"
	APIKey    = "key"
	Audit     = "aud"
	Timeline  = "tl"
	Target    = "tgt"
	Secret    = "sec"

	Integration = "int"
	Delivery    = "dlv"
	Device      = "dev"
	Event       = "evt"
	Workflow    = "wf"
	WorkflowRun = "wfr"

	StatusPage     = "sp"
	Component      = "cmp"
	PageIncident   = "spi"
	PageUpdate     = "spu"
	Maintenance    = "mnt"
	Partner        = "prt"
	PartnerAccess  = "acc"
	PartnerPerson  = "prs"
	PartnerSession = "pse"
	PartnerLook    = "look"
)

var entropy = struct {
	sync.Mutex
	source *ulid.MonotonicEntropy
}{source: ulid.Monotonic(rand.Reader, 0)}

// New returns a fresh id with the prefix, sorting after every id of the same
// prefix that this process made at the same or an earlier millisecond.
func New(prefix string, now time.Time) string {
	entropy.Lock()
	defer entropy.Unlock()
	u, err := ulid.New(ulid.Timestamp(now), entropy.source)
	if err != nil { // the monotonic part of this millisecond overflowed: start over with fresh bytes
		u = ulid.MustNew(ulid.Timestamp(now), rand.Reader)
	}
	return prefix + "_" + u.String()
}

// Form prefixes the word that a form on a page carries, one for each time that
// it is shown. What is made by it has the id that Once gives, so that the same
// form with the same in it, sent again by a reload, makes nothing more.
const Form = "form"

// formLife is how long a form may be open, and formSkew how far clocks differ.
const (
	formLife = 24 * time.Hour
	formSkew = time.Minute
)

// Once is the id of what is made by a form, by whom and of what it holds; false
// for a word that is none, or too old. Nobody can choose what it is.
func Once(prefix, form string, now time.Time, of ...string) (string, bool) {
	at := Time(form)
	if !Valid(Form, form) || at.After(now.Add(formSkew)) || at.Before(now.Add(-formLife)) {
		return "", false
	}
	sum := sha256.Sum256([]byte(strings.Join(append([]string{prefix, form}, of...), "\x00")))
	var u ulid.ULID
	if u.SetTime(ulid.Timestamp(at)) != nil || u.SetEntropy(sum[:10]) != nil {
		return "", false
	}
	return prefix + "_" + u.String(), true
}

// Floor is the least id of the prefix that could be made at t: what sorts at
// or after it is of t or later. A time that no ULID can hold gives the nearest one.
func Floor(prefix string, t time.Time) string {
	ms := min(max(t.UnixMilli(), 0), int64(ulid.MaxTime()))
	var u ulid.ULID
	if err := u.SetTime(uint64(ms)); err != nil {
		panic(err) // it was bounded above
	}
	return prefix + "_" + u.String()
}

// Redated is an id as if it had been made at t: all that tells it from others
// stays, but for its time. What is no id stays as it is.
func Redated(s string, t time.Time) string {
	prefix, rest, _ := strings.Cut(s, "_")
	u, err := ulid.ParseStrict(rest)
	if err != nil || u.SetTime(ulid.Timestamp(t)) != nil {
		return s
	}
	return prefix + "_" + u.String()
}

// Time is when an id was made, to the millisecond; the zero time for what is no id.
func Time(s string) time.Time {
	_, rest, _ := strings.Cut(s, "_")
	u, err := ulid.ParseStrict(rest)
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(u.Time())
}

// Valid reports whether s is an id of the prefix. It is a check of form: it
// keeps foreign text out of keys, and says nothing about existence.
func Valid(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix+"_")
	if !ok {
		return false
	}
	_, err := ulid.ParseStrict(rest)
	return err == nil
}
