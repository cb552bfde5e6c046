package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	front "pagefree/infra/local/aws"
	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/ratelimit"
)

// fleet is instances of one function that share a table and a clock.
type fleet struct {
	env       *awstest.Env
	clock     *clock
	instances []*ratelimit.Leases
}

func newFleet(t testing.TB, n int) *fleet {
	f := &fleet{env: awstest.New(t), clock: &clock{}}
	f.clock.set(began)
	table := dynamo.Table{Name: f.env.Table("EphemeralTable"), DB: dynamodb.NewFromConfig(f.env.Config)}
	for range n {
		f.instances = append(f.instances, &ratelimit.Leases{Table: table, Now: f.clock.Now, Within: time.Minute, Spare: time.Second})
	}
	return f
}

// take is one request at an instance.
func (f *fleet) take(t testing.TB, instance int, counters ...ratelimit.Counter) ratelimit.Result {
	t.Helper()
	r, err := f.instances[instance].Take(context.Background(), counters...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (f *fleet) writes() int { return f.env.Counts.Number(front.Call{Service: "dynamodb"}) }

// TestEightInstances: what eight instances admit together is the limit, and never more than 5 % above it in any window,
// nor clearly less, whether requests come evenly, in bursts, or to one instance more than to another.
func TestEightInstances(t *testing.T) {
	t.Parallel()
	const instances, tick = 8, 2 * time.Millisecond
	limit := ratelimit.Limit{Burst: 200, Period: 2 * time.Second}
	tests := map[string]struct {
		requests func(r *rand.Rand, tick int) int // at a tick, over all instances
		spread   func(r *rand.Rand) int
		least    float64 // admitted, of what the limit and the callers would have allowed
	}{
		"a flood":                  {func(*rand.Rand, int) int { return 4 }, func(r *rand.Rand) int { return r.IntN(instances) }, 0.98},
		"a flood at one above all": {func(*rand.Rand, int) int { return 4 }, func(r *rand.Rand) int { return max(r.IntN(3*instances)-2*instances, 0) }, 0.98},
		"bursts": {func(_ *rand.Rand, tick int) int {
			if tick%500 < 20 {
				return 10
			}
			return 0
		}, func(r *rand.Rand) int { return r.IntN(instances) }, 0.93},
		"just below the limit": {func(r *rand.Rand, _ int) int { return btoi(r.Float64() < 0.18) }, func(r *rand.Rand) int { return r.IntN(instances) }, 0.98},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, instances)
			r := rand.New(rand.NewPCG(1, 2))
			var admitted []time.Duration
			asked := 0
			ideal, full := 0, float64(limit.Burst) // one bucket, without anything shared
			for tick0 := range 3000 {
				at := time.Duration(tick0) * tick
				full = min(full+float64(limit.Burst)*tick.Seconds()/limit.Period.Seconds(), float64(limit.Burst))
				for range test.requests(r, tick0) {
					asked++
					if full >= 1 {
						full--
						ideal++
					}
					if f.take(t, test.spread(r), ratelimit.Counter{Key: "api#x", Limit: limit}).Allowed {
						admitted = append(admitted, at)
					}
				}
				f.clock.advance(tick)
			}
			t.Logf("%d asked, %d admitted of %d, %d calls of DynamoDB", asked, len(admitted), ideal, f.writes())
			if got := float64(len(admitted)); got < test.least*float64(ideal) {
				t.Errorf("%d admitted, want %v of %d at least", len(admitted), test.least, ideal)
			}
			for from := range admitted {
				for to := from; to < len(admitted); to += 7 {
					window := admitted[to] - admitted[from] + tick
					most := 1.05 * (float64(limit.Burst) + float64(limit.Burst)*window.Seconds()/limit.Period.Seconds())
					if n := float64(to - from + 1); n > most+1 {
						t.Fatalf("%v admitted in %v, want %v at most", n, window, most)
					}
				}
			}
			if f.writes() > asked {
				t.Errorf("%d calls of DynamoDB for %d requests", f.writes(), asked)
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestAtOnce is eight instances whose requests really are at the same moment.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 8)
	narrow := ratelimit.Counter{Key: "api#x", Limit: ratelimit.Limit{Burst: 100, Period: time.Second}}
	wide := ratelimit.Counter{Key: "api#ip", Limit: ratelimit.Limit{Burst: 500, Period: time.Second}, Loose: true}
	var admitted atomic.Int32
	var wg sync.WaitGroup
	for i := range f.instances {
		for range 4 {
			wg.Go(func() {
				for range 25 {
					if f.take(t, i, narrow, wide).Allowed {
						admitted.Add(1)
					}
				}
			})
		}
	}
	wg.Wait()
	if got := admitted.Load(); got < 95 || got > 105 {
		t.Errorf("got %d of 800 admitted, want 100, and 5 more at most", got)
	}
}

// TestTheWideLimit: many callers at one address are held to its limit, though each of them is within theirs.
func TestTheWideLimit(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 8)
	wide := ratelimit.Counter{Key: "api#ip", Limit: ratelimit.Limit{Burst: 1000, Period: 2 * time.Second}, Loose: true}
	admitted := 0
	for n := range 3000 {
		one := ratelimit.Counter{Key: fmt.Sprint("api#", n%40), Limit: ratelimit.Limit{Burst: 200, Period: 2 * time.Second}}
		if r := f.take(t, n%8, one, wide); r.Allowed {
			admitted++
		} else if r.Limit != 1000 {
			t.Fatalf("refused by %+v", r)
		}
	}
	if admitted < 1000 || admitted > 1050 {
		t.Errorf("got %d admitted, want 1000, and 50 more at most", admitted)
	}
	if f.writes() >= 3000 {
		t.Errorf("%d calls for 3000 requests", f.writes())
	}
	if r := f.take(t, 0, ratelimit.Counter{Key: "api#1", Limit: ratelimit.Limit{Burst: 200, Period: 2 * time.Second}}); !r.Allowed || r.Remaining < 100 {
		t.Errorf("from elsewhere: got %+v: what an address is refused counts for its callers", r)
	}
}

// TestOneCallersFlood: neither slows nor refuses another, at any instance.
func TestOneCallersFlood(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 8)
	limit := ratelimit.Limit{Burst: 100, Period: 2 * time.Second}
	for n := range 4000 {
		f.take(t, n%8, ratelimit.Counter{Key: "api#flood", Limit: limit})
	}
	flooded := f.writes()
	for i := range f.instances {
		if r := f.take(t, i, ratelimit.Counter{Key: "api#calm", Limit: limit}); !r.Allowed || r.Remaining < 80 {
			t.Errorf("instance %d: got %+v beside a flood", i, r)
		}
	}
	if flooded > 300 { // who has used up a limit is refused from memory
		t.Errorf("a flood of 4000 cost %d calls", flooded)
	}
}

func TestOneWriteAtMost(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	narrow := ratelimit.Counter{Key: "api#x", Limit: ratelimit.Limit{Burst: 200, Period: 2 * time.Second}}
	wide := ratelimit.Counter{Key: "api#ip", Limit: ratelimit.Limit{Burst: 1000, Period: 2 * time.Second}, Loose: true}
	calls := 0
	for n := range 500 {
		before := f.writes()
		f.take(t, 0, narrow, wide)
		if got := f.writes() - before; got > 1 {
			t.Errorf("request %d: %d calls", n, got)
		}
		calls = f.writes()
		f.clock.advance([]time.Duration{time.Millisecond, 15 * time.Millisecond, 300 * time.Millisecond}[n/5%3])
	}
	if calls == 0 || calls > 400 {
		t.Errorf("500 requests cost %d calls", calls)
	}
}

// TestRemaining: what is told is what is there.
func TestRemaining(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	c := ratelimit.Counter{Key: "api#x", Limit: ratelimit.Limit{Burst: 100, Period: 100 * time.Second}}
	for n := range 100 {
		if r := f.take(t, 0, c); !r.Allowed || r.Limit != 100 || r.Remaining != 99-n || r.Reset != time.Duration(n+1)*time.Second {
			t.Fatalf("number %d: got %+v", n+1, r)
		}
	}
	if r := f.take(t, 0, c); r.Allowed || r.Remaining != 0 || r.Retry != time.Second || r.Reset != 100*time.Second {
		t.Errorf("one too many: got %+v", r)
	}
}

// TestClocksThatJump: whichever clock jumps, wherever to, nobody is locked out for longer than a period.
func TestClocksThatJump(t *testing.T) {
	t.Parallel()
	limit := ratelimit.Limit{Burst: 20, Period: 2 * time.Second}
	c := ratelimit.Counter{Key: "api#x", Limit: limit}
	for _, jump := range []time.Duration{-24 * time.Hour, -time.Second, time.Second, 3 * time.Second, 24 * time.Hour} {
		for name, use := range map[string]int{"fresh": 1, "used up": 40} {
			t.Run(fmt.Sprint(name, " ", jump), func(t *testing.T) {
				f := newFleet(t, 2)
				wrong := &clock{}
				wrong.set(f.clock.Now())
				f.instances[1].Now = wrong.Now
				for range use {
					f.take(t, 0, c)
					f.take(t, 1, c)
				}
				wrong.advance(jump)
				for range use {
					f.take(t, 1, c)
				}
				// The first to meet a time that cannot be brings it back, and waits for one to come in.
				free := func(when string) {
					for i := range 2 {
						for waited := time.Duration(0); !f.take(t, i, c).Allowed; waited += limit.Period / 20 {
							if waited >= limit.Period {
								t.Fatalf("%s: instance %d is locked out", when, i)
							}
							f.clock.advance(limit.Period / 20)
							wrong.advance(limit.Period / 20)
						}
					}
				}
				free("while it is wrong")
				wrong.advance(-jump)
				free("when it is right again")
			})
		}
	}
}

// TestWhenDynamoDBFails: an error, at once after the first, and all is as it was once it is back.
func TestWhenDynamoDBFails(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	tier := ratelimit.Limits{Caller: ratelimit.Limit{Burst: 2, Period: time.Minute}, Source: ratelimit.Limit{Burst: 20, Period: time.Minute}}
	var metrics strings.Builder
	open := tier.Open("api", f.instances[0], &ratelimit.Meter{Out: &metrics, Now: f.clock.Now})
	fault := f.env.Faults.Add(front.Fault{Service: "dynamodb", Do: front.Fail, Times: -1})
	for range 5 {
		if r := open.Admit(t.Context(), "x", "192.0.2.1"); !r.Allowed || r.Limit != 2 || r.Remaining != 2 {
			t.Errorf("the tier: got %+v, want it open", r)
		}
	}
	if _, err := f.instances[0].Take(t.Context(), ratelimit.Counter{Key: "api#closed", Limit: tier.Caller}); !errors.Is(err, ratelimit.ErrDown) {
		t.Errorf("got %v, want %v", err, ratelimit.ErrDown)
	}
	if fault.Struck() != 1 {
		t.Errorf("DynamoDB was asked %d times while it was down, want 1", fault.Struck())
	}
	fault.Remove()
	f.clock.advance(2 * time.Second)
	for n, want := range []bool{true, true, false} {
		if r := open.Admit(t.Context(), "x", "192.0.2.1"); r.Allowed != want {
			t.Errorf("number %d after it came back: got %+v", n+1, r)
		}
	}
	f.clock.advance(time.Minute)
	open.Admit(t.Context(), "x", "192.0.2.1")
	for _, want := range []string{`"RateFailedOpen":1`, `"RateFailedOpen":4`, `"RateRefused":1`, `"Tier":"api"`, `"Dimensions":[["Tier"]]`} {
		if !strings.Contains(metrics.String(), want) {
			t.Errorf("%s is not in %s", want, metrics.String())
		}
	}
}

// TestConflicts: who floods so that transactions meet at a counter opens no limit by that, neither theirs nor another's.
func TestConflicts(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	narrow := ratelimit.Counter{Key: "api#by#x", Limit: ratelimit.Limit{Burst: 2, Period: time.Minute}}
	wide := ratelimit.Counter{Key: "api#ip#x", Limit: ratelimit.Limit{Burst: 20, Period: time.Minute}, Loose: true}
	other := ratelimit.Counter{Key: "api#by#y", Limit: narrow.Limit}
	both := f.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "TransactWriteItems", Do: front.Conflict, Times: -1})
	one := f.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "UpdateItem", Do: front.Conflict, Times: 2})
	for n, want := range []bool{true, true, false} {
		if r := f.take(t, 0, narrow, wide); r.Allowed != want {
			t.Errorf("number %d: got %+v, want allowed %v", n+1, r, want)
		}
	}
	if one.Struck() != 2 || both.Struck() == 0 {
		t.Errorf("%d and %d conflicts", one.Struck(), both.Struck())
	}
	always := f.env.Faults.Add(front.Fault{Service: "dynamodb", Operation: "UpdateItem", Do: front.Conflict, Times: -1})
	if _, err := f.instances[0].Take(t.Context(), other); err == nil || errors.Is(err, ratelimit.ErrDown) {
		t.Errorf("conflicts for ever: got %v, want an error that is not %v", err, ratelimit.ErrDown)
	}
	always.Remove()
	for n, want := range []bool{true, true, false} { // at once, since nothing is down
		if r := f.take(t, 0, other); r.Allowed != want {
			t.Errorf("another's number %d: got %+v, want allowed %v", n+1, r, want)
		}
	}
}

// TestWhenDynamoDBIsSlow: nobody waits longer for it than they are told to.
func TestWhenDynamoDBIsSlow(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	f.instances[0].Within = time.Millisecond
	f.env.Faults.Add(front.Fault{Service: "dynamodb", Delay: time.Minute, Times: -1})
	c := ratelimit.Counter{Key: "api#x", Limit: ratelimit.Limit{Burst: 2, Period: time.Minute}}
	if _, err := f.instances[0].Take(t.Context(), c); !errors.Is(err, ratelimit.ErrDown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestManyAddresses: an instance does not remember everybody.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	f.env.Faults.Add(front.Fault{Service: "dynamodb", Do: front.Fail, Times: -1}) // which is quicker
	for n := range 30_000 {
		f.instances[0].Take(t.Context(), ratelimit.Counter{Key: fmt.Sprint("public#", n), Limit: ratelimit.Limit{Burst: 2, Period: time.Minute}})
	}
	if n := f.instances[0].Held(); n > 10_000 {
		t.Errorf("%d are remembered", n)
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7",
		"::ffff:192.0.2.7":       "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::/64",
		"2001:0DB8:0001:0002::1": "2001:db8:1:2::/64",
		"2001:db8:1:3::1":        "2001:db8:1:3::/64",
		"fe80::1%eth0":           "fe80::/64",
		"not an address":         "not an address",
		"":                       "",
	} {
		if got := ratelimit.Source(ip); got != want {
			t.Errorf("%s: got %s, want %s", ip, got, want)
		}
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"192.0.2.7":            "",
		"::ffff:192.0.2.7":     "",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1::/48",
		"2001:0DB8:0001::1":    "2001:db8:1::/48",
		"2001:db8:2::1":        "2001:db8:2::/48",
		"fe80::1%eth0":         "fe80::/48",
		"not an address":       "",
		"":                     "",
	} {
		if got := ratelimit.Network(ip); got != want {
			t.Errorf("%s: got %s, want %s", ip, got, want)
		}
	}
}

// TestSourcesOfOneNetwork: whoever has a network of 48 bits has four sources' limit, however many they send from, each of
// them its own first, and costs one write a request at most. Neighbours in IPv4 are strangers.
func TestSourcesOfOneNetwork(t *testing.T) {
	t.Parallel()
	hour := func(burst int) ratelimit.Limit { return ratelimit.Limit{Burst: burst, Period: time.Hour} }
	each := func(format string) func(n int) string { return func(n int) string { return fmt.Sprintf(format, n) } }
	tests := map[string]struct {
		shared  bool
		address func(n int) string
		want    int // admitted of 60
		limit   int // that refuses
	}{
		"one source":                       {false, each("2001:db8:0:1::%x"), 5, 5},
		"sources of one network":           {false, each("2001:db8:0:%x::1"), 20, 20},
		"four sources":                     {false, func(n int) string { return fmt.Sprintf("2001:db8:0:%x::1", n%4) }, 20, 5}, // each its own first
		"networks":                         {false, each("2001:db8:%x::1"), 60, 0},
		"IPv4":                             {false, each("192.0.2.%d"), 60, 0},
		"of a shared token one source":     {true, each("2001:db8:0:1::%x"), 3, 3},
		"of a shared token one network":    {true, each("2001:db8:0:%x::1"), 20, 20},
		"of a shared token one of IPv4":    {true, func(int) string { return "192.0.2.1" }, 3, 3},
		"of a shared token IPv4 addresses": {true, each("192.0.2.%d"), 60, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 1)
			tier := ratelimit.Limits{Caller: hour(3), Source: hour(5)}.Open("public", f.instances[0], nil)
			admit := func(address string) ratelimit.Result { return tier.Admit(t.Context(), "", address) }
			if test.shared {
				admit = func(address string) ratelimit.Result { return tier.AdmitEach(t.Context(), "page", address) }
			}
			admitted, before := 0, f.writes()
			for n := range 60 {
				r := admit(test.address(n))
				if r.Allowed {
					admitted++
				} else if r.Limit != test.limit || r.Remaining != 0 || r.Retry <= 0 {
					t.Fatalf("number %d is refused by %+v, want a limit of %d", n+1, r, test.limit)
				}
			}
			if admitted != test.want {
				t.Errorf("got %d of 60 admitted, want %d", admitted, test.want)
			}
			if calls := f.writes() - before; calls > 60 || test.want == 20 && calls > 24 { // who was refused is, from memory
				t.Errorf("60 requests cost %d calls", calls)
			}
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := ratelimit.Parse("100/200 0.5/10")
	if want := (ratelimit.Limits{Caller: ratelimit.Limit{Burst: 200, Period: 2 * time.Second}, Source: ratelimit.Limit{Burst: 10, Period: 20 * time.Second}}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "1/2", "1/2 3", "0/1 1/1", "-1/1 1/1", "1/0 1/1", "Inf/1 1/1", "NaN/1 1/1", "1e9/1 1/1", "1/1 1/1 1/1", "0.0000001/1 1/1"} {
		if got, err := ratelimit.Parse(bad); err == nil {
			t.Errorf("%q: got %+v", bad, got)
		}
	}
}

// BenchmarkLeased is a request that a lease covers: what most are under load.
func BenchmarkLeased(b *testing.B) {
	f := newFleet(b, 1)
	limit := ratelimit.Limit{Burst: 1 << 30, Period: 24 * time.Hour}
	c, ip := ratelimit.Counter{Key: "api#x", Limit: limit}, ratelimit.Counter{Key: "api#ip", Limit: limit, Loose: true}
	f.clock.advance(0)
	for range 200_000 { // the lease grows
		f.take(b, 0, c, ip)
	}
	before := f.writes()
	for b.Loop() {
		f.take(b, 0, c, ip)
	}
	b.ReportMetric(float64(f.writes()-before)/float64(b.N), "calls/op")
}

// BenchmarkRefused is one too many.
func BenchmarkRefused(b *testing.B) {
	f := newFleet(b, 1)
	c := ratelimit.Counter{Key: "api#x", Limit: ratelimit.Limit{Burst: 1, Period: time.Hour}}
	f.take(b, 0, c)
	for b.Loop() {
		f.take(b, 0, c)
	}
}
