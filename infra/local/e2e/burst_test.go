package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestHookBurst: a thousand alerts at once, of two hundred things that went wrong. Not one is lost, and each thing is one incident.
func TestHookBurst(t *testing.T) {
	t.Parallel()
	l := loopIn(hurriedStacks.world(t))
	hook, secret := l.integration("generic")
	const things, each, atOnce = 200, 5, 50
	work := make(chan int)
	var refused atomic.Int32
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for n := range work {
				body := object{"title": fmt.Sprintf("Burst %03d", n%things), "severity": "low", "dedupKey": fmt.Sprintf("burst-%d", n%things), "description": fmt.Sprint("alert ", n)}
				a, err := l.deliver(hook, secret, body)
				if err != nil || a.Status != http.StatusAccepted || a.Body["duplicate"] != false {
					refused.Add(1)
					t.Errorf("alert %d: %v, %d %s", n, err, a.Status, a.Raw)
				}
			}
		})
	}
	for n := range things * each {
		work <- n
	}
	close(work)
	wg.Wait()
	if refused.Load() > 0 {
		t.FailNow()
	}
	counted := func() (incidents, alerts int, byTitle map[string]int) {
		byTitle = map[string]int{}
		cursor := ""
		for {
			a := l.call(lead, http.StatusOK, "GET", "/v1/incidents?q=Burst&limit=200&serviceId="+l.service+cursor, nil)
			for _, i := range a.Items() {
				incidents++
				alerts += int(i["alertCount"].(float64))
				byTitle[i["title"].(string)]++
			}
			if a.Text("nextCursor") == "" {
				return incidents, alerts, byTitle
			}
			cursor = "&cursor=" + a.Text("nextCursor")
		}
	}
	var incidents, alerts int
	var byTitle map[string]int
	l.within(3*time.Minute, "all alerts to be counted", func() bool {
		incidents, alerts, byTitle = counted()
		return alerts >= things*each
	}, func() string { return fmt.Sprintf("%d incidents of %d alerts", incidents, alerts) })
	if incidents != things || alerts != things*each || len(byTitle) != things {
		t.Errorf("%d incidents of %d things with %d alerts, want %d with %d", incidents, len(byTitle), alerts, things, things*each)
	}
}
