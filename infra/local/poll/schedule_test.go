package poll

import (
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	const start = "2026-02-27T23:59:30Z" // a Friday
	tests := map[string]struct{ expression, want string }{
		"a minute":           {"rate(1 minute)", "2026-02-28T00:00:30Z"},
		"minutes":            {"rate(5 minutes)", "2026-02-28T00:04:30Z"},
		"days":               {"rate(2 days)", "2026-03-01T23:59:30Z"},
		"every minute":       {"cron(* * * * ? *)", "2026-02-28T00:00:00Z"},
		"each night":         {"cron(0 3 * * ? *)", "2026-02-28T03:00:00Z"},
		"a quarter":          {"cron(0/15 * * * ? *)", "2026-02-28T00:00:00Z"},
		"every tenth":        {"cron(7/10 8-9 ? * MON-FRI *)", "2026-03-02T08:07:00Z"},
		"a list":             {"cron(30 6,18 1 * ? *)", "2026-03-01T06:30:00Z"},
		"a weekday's number": {"cron(0 0 ? * 1 *)", "2026-03-01T00:00:00Z"},
		"a month":            {"cron(0 0 1 JAN ? *)", "2027-01-01T00:00:00Z"},
		"a leap day":         {"cron(0 0 29 2 ? *)", "2028-02-29T00:00:00Z"},
		"a year that passed": {"cron(0 0 1 1 ? 2020)", "0001-01-01T00:00:00Z"},
	}
	at, err := time.Parse(time.RFC3339, start)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			when, err := parseSchedule(tt.expression)
			if err != nil {
				t.Fatal(err)
			}
			if got := when.next(at).Format(time.RFC3339); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestScheduleRefusals(t *testing.T) {
	for _, expression := range []string{
		"", "rate(0 minutes)", "rate(1 minutes)", "rate(2 minute)", "rate(1 second)", "rate(x minutes)", "every(1 minute)", "rate(1 minute",
		"cron(* * * * *)", "cron(* * * * * *)", "cron(* * ? * ? *)", "cron(60 * * * ? *)", "cron(* * L * ? *)", "cron(5-1 * * * ? *)", "cron(*/0 * * * ? *)",
	} {
		if _, err := parseSchedule(expression); err == nil {
			t.Errorf("%q is accepted", expression)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add("cron(0/15 8-9,12 ? JAN-MAR MON *)")
	f.Add("rate(5 minutes)")
	f.Fuzz(func(t *testing.T, expression string) {
		when, err := parseSchedule(expression)
		if err != nil {
			return
		}
		now := time.Date(2026, 1, 1, 0, 0, 30, 0, time.UTC)
		if at := when.next(now); !at.IsZero() && !at.After(now) {
			t.Errorf("%q fires at %s, not after %s", expression, at, now)
		}
	})
}
