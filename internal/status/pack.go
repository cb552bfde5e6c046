package status

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/text"
)

// MaxPacked is the size of a packed snapshot in bytes.
const MaxPacked = 100 << 10

// errFull is a page that holds more than a snapshot takes, however short its texts.
var errFull = problem.New(http.StatusUnprocessableEntity, "page_full",
	"The page holds more than a page can: shorten descriptions and titles, or remove components that are not used.")

// MaxShown is how much of a text stands on the page, in bytes; the incident's
// own page has all of it. The same for every text, whatever else there is: else
// how a text is cut would tell how much of others a reader does not see.
const MaxShown = 4 << 10

// Pack forgets what is older than the page shows and returns the stored form
// of what is left: gzipped JSON of at most MaxPacked bytes. Where that is
// needed, more and more is left out (see trims); what the snapshot itself holds
// is not changed. A page that does not fit even so is a 422 page_full.
func (s Snapshot) Pack(now time.Time) ([]byte, error) {
	s = s.recent(now).cut(MaxShown, false)
	packed, err := squeeze(s.indexed())
	texts, size := s.texts(), len(packed)
	for _, trim := range trims {
		if err != nil || len(packed) <= MaxPacked {
			return packed, err
		}
		s = trim(s, now)
		if left := s.texts(); texts > 0 && size*left/texts > MaxPacked { // it cannot fit yet: no need to try
			continue
		}
		packed, err = squeeze(s.indexed())
	}
	if err == nil && len(packed) > MaxPacked {
		err = errFull
	}
	return packed, err
}

func squeeze(v any) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// maxUnpacked bounds what a packed item may hold, in bytes.
const maxUnpacked = 64 << 20

// Unpack reads what Pack made.
func Unpack(packed []byte) (Snapshot, error) {
	var s Snapshot
	err := unsqueeze(packed, &s)
	s.unindex()
	return s, err
}

func unsqueeze(packed []byte, v any) error {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		err = json.NewDecoder(io.LimitReader(z, maxUnpacked)).Decode(v)
	}
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// recent leaves out what no reader is shown at now any more, with a day's
// margin for zones that change.
func (s Snapshot) recent(now time.Time) Snapshot {
	since := now.AddDate(0, 0, -Remembered-1)
	s.Incidents = slices.DeleteFunc(slices.Clone(s.Incidents), func(i Incident) bool {
		return i.Status().Over() && i.Updates[len(i.Updates)-1].At.Before(since)
	})
	s.Maintenances = slices.DeleteFunc(slices.Clone(s.Maintenances), func(m Maintenance) bool {
		return m.End().Before(since) || m.CancelledAt != nil && m.CancelledAt.Before(since)
	})
	zone := s.zone()
	s.Components = slices.Clone(s.Components)
	for i, c := range s.Components {
		s.Components[i].Log = c.recentLog(since, zone, now, busy)
	}
	return s
}

// cut shortens texts to a length: of what is over, or all of them.
func (s Snapshot) cut(length int, over bool) Snapshot {
	s.Incidents = slices.Clone(s.Incidents)
	for n, i := range s.Incidents {
		if over && !i.Status().Over() {
			continue
		}
		i.Updates = slices.Clone(i.Updates)
		for k, u := range i.Updates {
			i.Updates[k].Body, i.Updates[k].More = shorten(u.Body, u.More, length)
		}
		s.Incidents[n] = i
	}
	s.Maintenances = slices.Clone(s.Maintenances)
	for n, m := range s.Maintenances {
		if over && m.CompletedAt == nil {
			continue
		}
		m.Body, m.More = shorten(m.Body, m.More, length)
		m.Updates = slices.Clone(m.Updates)
		for k, u := range m.Updates {
			m.Updates[k].Body, m.Updates[k].More = shorten(u.Body, u.More, length)
		}
		s.Maintenances[n] = m
	}
	return s
}

func shorten(body string, more bool, length int) (string, bool) {
	if len(body) <= length {
		return body, more
	}
	short, _ := text.Clip([]byte(body[:length]), true, length)
	return short, true
}

// busy is how many changes of one past day are kept as they were.
const busy = 12

// recentLog is the log since a time, with the status that the component had
// then. Of a past day with very many changes only the sums are kept: the same
// seconds in each status, the same worst one, in an order of their own.
func (c Component) recentLog(since time.Time, zone *time.Location, now time.Time, busy int) []Change {
	log := slices.Clone(c.Log)
	first := 0
	for first+1 < len(log) && !log[first+1].At.After(since) {
		first++
	}
	log = log[first:]
	today := midnight(now.In(zone), 0, zone)
	var out []Change
	for i := 0; i < len(log); {
		to := midnight(log[i].At.In(zone), 1, zone)
		j := i
		for j < len(log) && log[j].At.Before(to) {
			j++
		}
		if j-i <= busy || !to.Before(today) {
			out = append(out, log[i:j]...)
		} else {
			out = append(out, summed(log[i:j], to)...)
		}
		i = j
	}
	return out
}

// summed replaces the changes of a day by the fewest that give the same sums.
func summed(log []Change, to time.Time) []Change {
	spent := map[ComponentStatus]time.Duration{}
	for i, change := range log {
		end := to
		if i+1 < len(log) {
			end = log[i+1].At.Time
		}
		spent[change.Status] += end.Sub(change.At.Time)
	}
	last := log[len(log)-1].Status // the day has to end in the status that the next one begins with
	var out []Change
	at := log[0].At
	for _, s := range append([]ComponentStatus{""}, ComponentStatuses...) { // and what is not known any more
		if s != last && spent[s] > 0 {
			out = append(out, Change{At: at, Status: s})
			at.Time = at.Add(spent[s])
		}
	}
	return append(out, Change{At: at, Status: last})
}

// maxFixed is what the fixed words of a page may take of its snapshot, in
// bytes: what there is to say in an outage must not fail for them.
const maxFixed = 60 << 10

// checkRoom refuses a change that leaves too little of a snapshot for incidents.
func (s Snapshot) checkRoom(now time.Time) error {
	s = s.recent(now)
	s.Incidents, s.Maintenances = nil, nil
	for i, c := range s.Components {
		s.Components[i].Log = c.Log[len(c.Log)-1:]
	}
	packed, err := squeeze(s)
	if err == nil && len(packed) > maxFixed {
		err = errFull
	}
	return err
}
