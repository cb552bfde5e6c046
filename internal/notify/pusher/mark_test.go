package pusher

import (
	"testing"

	"pagefree/internal/notify/push"
)

const (
	earlier = "evt_01K9ZD3R5R0000000000000001"
	now     = "evt_01K9ZD3R5R0000000000000002"
	later   = "evt_01K9ZD3R5R0000000000000003"
)

func TestTake(t *testing.T) {
	const at = int64(1_000_000)
	busy := at + int64(lease.Seconds())
	for name, tt := range map[string]struct {
		was  mark
		msg  push.Message
		want mark
		what action
	}{
		"the first":                                  {mark{}, push.Message{EventID: now}, mark{EventID: now, Busy: busy, Shown: true}, send},
		"twice":                                      {mark{EventID: now, Done: true, Shown: true}, push.Message{EventID: now}, mark{EventID: now, Done: true, Shown: true}, drop},
		"twice at once":                              {mark{EventID: now, Busy: at + 1}, push.Message{EventID: now}, mark{EventID: now, Busy: at + 1}, wait},
		"whose sender died":                          {mark{EventID: now, Busy: at, Shown: true}, push.Message{EventID: now}, mark{EventID: now, Busy: busy, Shown: true}, send},
		"a later one was sent":                       {mark{EventID: later, Done: true}, push.Message{EventID: now}, mark{EventID: later, Done: true}, drop},
		"a later one is being sent":                  {mark{EventID: later, Busy: at + 1}, push.Message{EventID: now}, mark{EventID: later, Busy: at + 1}, drop},
		"after an earlier one":                       {mark{EventID: earlier, Done: true, Shown: true, SentAt: at - 1}, push.Message{EventID: now}, mark{EventID: now, Busy: busy, Shown: true, SentAt: at - 1}, send},
		"while an earlier one is being sent":         {mark{EventID: earlier, Busy: at + 1, Shown: true}, push.Message{EventID: now}, mark{EventID: now, Busy: busy, Shown: true}, send},
		"an end that nobody saw the beginning of":    {mark{}, push.Message{EventID: now, Closes: true}, mark{EventID: now, Done: true}, drop},
		"a beginning that comes after its end":       {mark{EventID: later, Done: true}, push.Message{EventID: now}, mark{EventID: later, Done: true}, drop},
		"an end":                                     {mark{EventID: earlier, Done: true, Shown: true}, push.Message{EventID: now, Closes: true}, mark{EventID: now, Busy: busy, Shown: true}, send},
		"an end that is tried again":                 {mark{EventID: now, Shown: true}, push.Message{EventID: now, Closes: true}, mark{EventID: now, Busy: busy, Shown: true}, send},
		"a bounded one too soon":                     {mark{EventID: earlier, Done: true, SentAt: at - 59}, push.Message{EventID: now, Bounded: true}, mark{EventID: earlier, Done: true, SentAt: at - 59}, drop},
		"a bounded one in time":                      {mark{EventID: earlier, Done: true, SentAt: at - 60}, push.Message{EventID: now, Bounded: true}, mark{EventID: now, Busy: busy, Shown: true, SentAt: at - 60}, send},
		"a bounded one that is tried again":          {mark{EventID: now, SentAt: at - 59}, push.Message{EventID: now, Bounded: true}, mark{EventID: now, Busy: busy, Shown: true, SentAt: at - 59}, send},
		"a bounded one after one that was not taken": {mark{EventID: earlier}, push.Message{EventID: now, Bounded: true}, mark{EventID: now, Busy: busy, Shown: true}, send},
	} {
		got, what := tt.was.take(tt.msg, at)
		if got != tt.want || what != tt.what {
			t.Errorf("%s: got %+v, %d", name, got, what)
		}
	}
}
