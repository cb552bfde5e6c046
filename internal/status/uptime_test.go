package status

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"pagefree/internal/platform/timestamp"
)

func at(t *testing.T, s string) timestamp.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return timestamp.Of(v)
}

func place(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestDaysOfClocksThatChange: a day is as long as its zone says, and begins when it begins there.
func TestDaysOfClocksThatChange(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		zone, now string
		date      string // a day
		hours     float64
		begins    string
	}{
		"a spring day in Berlin":           {"Europe/Berlin", "2026-03-31T10:00:00Z", "2026-03-29", 23, "2026-03-28T23:00:00Z"},
		"an autumn day in Berlin":          {"Europe/Berlin", "2026-10-27T10:00:00Z", "2026-10-25", 25, "2026-10-24T22:00:00Z"},
		"a spring day in New York":         {"America/New_York", "2026-03-10T10:00:00Z", "2026-03-08", 23, "2026-03-08T05:00:00Z"},
		"half an hour on Lord Howe":        {"Australia/Lord_Howe", "2026-04-07T10:00:00Z", "2026-04-05", 24.5, "2026-04-04T13:00:00Z"},
		"a midnight that does not exist":   {"America/Sao_Paulo", "2018-11-06T10:00:00Z", "2018-11-04", 23, "2018-11-04T03:00:00Z"},
		"the day before it":                {"America/Sao_Paulo", "2018-11-06T10:00:00Z", "2018-11-03", 24, "2018-11-03T03:00:00Z"},
		"none in Havana, either":           {"America/Havana", "2026-03-10T10:00:00Z", "2026-03-08", 23, "2026-03-08T05:00:00Z"},
		"a midnight that comes twice":      {"America/Sao_Paulo", "2018-02-20T10:00:00Z", "2018-02-17", 25, "2018-02-17T02:00:00Z"},
		"the day after it":                 {"America/Sao_Paulo", "2018-02-20T10:00:00Z", "2018-02-18", 24, "2018-02-18T03:00:00Z"},
		"one o'clock twice in Havana":      {"America/Havana", "2026-11-03T10:00:00Z", "2026-11-01", 25, "2026-11-01T04:00:00Z"},
		"a leap day":                       {"UTC", "2028-03-02T10:00:00Z", "2028-02-29", 24, "2028-02-29T00:00:00Z"},
		"the first of March after one":     {"Asia/Kathmandu", "2028-03-02T10:00:00Z", "2028-03-01", 24, "2028-02-29T18:15:00Z"},
		"a year's end":                     {"Pacific/Auckland", "2027-01-02T10:00:00Z", "2026-12-31", 24, "2026-12-30T11:00:00Z"},
		"today, as far as it has come":     {"UTC", "2026-05-01T06:00:00Z", "2026-05-01", 6, "2026-05-01T00:00:00Z"},
		"today in another zone":            {"Asia/Tokyo", "2026-05-01T16:30:00Z", "2026-05-02", 1.5, "2026-05-01T15:00:00Z"},
		"a day of DST that is today":       {"Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29", 13, "2026-03-28T23:00:00Z"},
		"a midnight that does not in Asia": {"Asia/Beirut", "2022-03-29T10:00:00Z", "2022-03-27", 23, "2022-03-26T22:00:00Z"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			zone, now := place(t, test.zone), at(t, test.now).Time
			born := timestamp.Of(now.AddDate(-1, 0, 0))
			c := Component{CreatedAt: born, Log: []Change{{born, MajorOutage}}} // so that every second shows
			days := c.days(Remembered, nil, zone, now)
			if len(days) != Remembered {
				t.Fatalf("%d days", len(days))
			}
			n := slices.IndexFunc(days, func(d Day) bool { return d.Date == test.date })
			if n < 0 || days[n].Major != int(test.hours*3600) {
				t.Fatalf("got %+v, want %v hours", days[max(n, 0)], test.hours)
			}
			if begins := midnight(now.In(zone), n-Remembered+1, zone); !begins.Equal(at(t, test.begins).Time) {
				t.Errorf("begins at %v, want %s", begins.UTC(), test.begins)
			}
		})
	}
}

// TestDaysJoin: in every zone and at every time, days follow one another without gap or overlap, and have dates in a row.
func TestDaysJoin(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo", "America/Asuncion", "Asia/Tehran"}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(rapid.Int64Range(1262304000, 1893456000).Draw(t, "now"), 0).UTC()
		local := now.In(zone)
		if first, after := midnight(local, 0, zone), midnight(local, 1, zone); now.Before(first) || !now.Before(after) {
			t.Fatalf("%v lies outside of its day, %v to %v", local, first.In(zone), after.In(zone))
		}
		born := timestamp.Of(now.AddDate(-1, 0, 0))
		c := Component{CreatedAt: born, Log: []Change{{born, PartialOutage}}}
		days := c.days(Remembered, nil, zone, now)
		sum := 0
		for _, d := range days {
			sum += d.Partial
		}
		if want := int(now.Sub(midnight(local, 1-Remembered, zone)).Seconds()); sum != want {
			t.Fatalf("%d seconds in all days, want %d", sum, want)
		}
	})
}

func TestADay(t *testing.T) {
	t.Parallel()
	hour := func(h float64) timestamp.Time {
		return timestamp.Of(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(h * float64(time.Hour))))
	}
	over := func(from, to float64) window { return window{hour(from).Time, hour(to).Time} }
	up := func(p float64) *float64 { return &p }
	long := hour(-1000)
	tests := map[string]struct {
		born    timestamp.Time
		log     []Change
		windows []window
		want    Day
	}{
		"nothing happened":           {long, []Change{{long, Operational}}, nil, Day{Worst: Operational, Uptime: up(100), counted: 86400}},
		"an hour of outage":          {long, []Change{{long, Operational}, {hour(3), MajorOutage}, {hour(4), Operational}}, nil, Day{Worst: MajorOutage, Major: 3600, Uptime: up(95.83), counted: 86400}},
		"half counts half":           {long, []Change{{long, Operational}, {hour(0), PartialOutage}, {hour(24), Operational}}, nil, Day{Worst: PartialOutage, Partial: 86400, Uptime: up(50), counted: 86400}},
		"degraded counts as up":      {long, []Change{{long, DegradedPerformance}}, nil, Day{Worst: DegradedPerformance, Degraded: 86400, Uptime: up(100), counted: 86400}},
		"a second never reads 100":   {long, []Change{{long, Operational}, {hour(3), MajorOutage}, {timestamp.Of(hour(3).Add(time.Second)), Operational}}, nil, Day{Worst: MajorOutage, Major: 1, Uptime: up(99.99), counted: 86400}},
		"maintenance is left out":    {long, []Change{{long, Operational}}, []window{over(0, 12)}, Day{Worst: UnderMaintenance, Maintenance: 43200, Uptime: up(100), counted: 43200}},
		"an outage within it, too":   {long, []Change{{long, Operational}, {hour(1), MajorOutage}, {hour(3), Operational}}, []window{over(0, 2)}, Day{Worst: MajorOutage, Maintenance: 7200, Major: 3600, Uptime: up(95.45), counted: 79200}},
		"windows that overlap":       {long, []Change{{long, Operational}}, []window{over(1, 5), over(2, 3), over(4, 7)}, Day{Worst: UnderMaintenance, Maintenance: 6 * 3600, Uptime: up(100), counted: 18 * 3600}},
		"all of it maintenance":      {long, []Change{{long, MajorOutage}}, []window{over(-5, 30)}, Day{Worst: UnderMaintenance, Maintenance: 86400}},
		"maintenance set by hand":    {long, []Change{{long, UnderMaintenance}}, nil, Day{Worst: UnderMaintenance, Maintenance: 86400}},
		"made in the afternoon":      {hour(12), []Change{{hour(12), Operational}, {hour(18), MajorOutage}}, nil, Day{Worst: MajorOutage, Major: 6 * 3600, Uptime: up(50), counted: 43200}},
		"made later":                 {hour(30), []Change{{hour(30), MajorOutage}}, nil, Day{}},
		"two outages":                {long, []Change{{long, MajorOutage}, {hour(1), Operational}, {hour(23), PartialOutage}}, nil, Day{Worst: MajorOutage, Major: 3600, Partial: 3600, Uptime: up(93.75), counted: 86400}},
		"of the next day":            {long, []Change{{long, Operational}, {hour(24), MajorOutage}}, nil, Day{Worst: Operational, Uptime: up(100), counted: 86400}},
		"what nobody knows any more": {long, []Change{{long, ""}, {hour(12), Operational}}, nil, Day{Worst: Operational, Uptime: up(100), counted: 43200}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := Component{CreatedAt: test.born, Log: test.log}.day(hour(0).Time, hour(24).Time, test.windows)
			if (got.Uptime == nil) != (test.want.Uptime == nil) || got.Uptime != nil && *got.Uptime != *test.want.Uptime {
				t.Errorf("uptime %v, want %v", deref(got.Uptime), deref(test.want.Uptime))
			}
			got.Uptime, test.want.Uptime = nil, nil
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func deref(p *float64) any {
	if p == nil {
		return nil
	}
	return *p
}

func TestUptimeOfManyDays(t *testing.T) {
	t.Parallel()
	zone := place(t, "Europe/Berlin")
	now := at(t, "2026-04-01T12:00:00Z").Time
	if c := (Component{CreatedAt: timestamp.Of(now), Log: []Change{{timestamp.Of(now), Operational}}}); uptime(c.days(Remembered, nil, zone, now)) != nil {
		t.Error("a component without a past has an uptime")
	}
	born := timestamp.Of(now.Add(-100 * time.Hour))
	c := Component{CreatedAt: born, Log: []Change{{born, Operational}, {timestamp.Of(now.Add(-time.Hour)), MajorOutage}}}
	days := c.days(Remembered, nil, zone, now)
	if got := uptime(days); got == nil || *got != 99 {
		t.Errorf("got %v", deref(got))
	}
	empty := 0
	for _, d := range days {
		if d.Worst == "" && d.Uptime == nil {
			empty++
		}
	}
	if empty != 85 {
		t.Errorf("%d days have no data, want 85", empty)
	}
}
