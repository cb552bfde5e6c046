package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/platform/dynamo"
)

// Tier is the limits of one kind of caller. It is open: when DynamoDB does not
// answer, everybody is admitted, and counted as such. The zero Tier counts
// nothing and admits everything; its results put nothing on an answer.
type Tier struct {
	Name   string // what the keys of its counters begin with, after "rate#"
	Caller Limit  // of one that is known
	Source Limit  // of one address: an IPv4 address, an IPv6 network of 64 bits
	Leases *Leases
	Meter  *Meter
}

// Admit admits a request of a caller, "" for nobody known, from an address.
func (t Tier) Admit(ctx context.Context, caller, address string) Result {
	if caller == "" {
		return t.admit(ctx, t.around(t.source(address), address)...)
	}
	source := t.source(address)
	source.Loose = true
	return t.admit(ctx, Counter{Key: t.Name + "#by#" + caller, Limit: t.Caller}, source)
}

// AdmitEach admits a request of one of many who share a caller's credential,
// each by their address.
func (t Tier) AdmitEach(ctx context.Context, caller, address string) Result {
	one := Counter{Key: t.Name + "#by#" + caller + "#" + Source(address), Limit: t.Caller}
	if Network(address) != "" {
		return t.admit(ctx, t.around(one, address)...)
	}
	source := t.source(address)
	source.Loose = true
	return t.admit(ctx, one, source)
}

func (t Tier) source(address string) Counter {
	return Counter{Key: t.Name + "#ip#" + Source(address), Limit: t.Source}
}

// around is a count by address, and that of the network around it, where
// whoever has one address has the others too.
func (t Tier) around(narrow Counter, address string) []Counter {
	network := Network(address)
	if network == "" {
		return []Counter{narrow}
	}
	return []Counter{narrow, {Key: t.Name + "#net#" + network, Limit: Around(t.Source), Loose: true}}
}

func (t Tier) admit(ctx context.Context, counters ...Counter) Result {
	if t.Leases == nil {
		return Result{Allowed: true}
	}
	r, err := t.Leases.Take(ctx, counters...)
	if err != nil {
		if !errors.Is(err, ErrDown) || ctx.Err() != nil {
			slog.WarnContext(ctx, "rate not counted", "tier", t.Name, "error", err)
		}
		t.Meter.count(t.Name, failedOpen)
		limit := counters[0].Limit
		return Result{Allowed: true, Limit: limit.Burst, Remaining: limit.Burst}
	}
	if r.Allowed {
		t.Meter.count(t.Name, admitted)
	} else {
		t.Meter.count(t.Name, refused)
	}
	return r
}

// Unlimited is the result for what nobody counted: the whole of a caller's
// limit is there.
func (t Tier) Unlimited() Result {
	return Result{Allowed: true, Limit: t.Caller.Burst, Remaining: t.Caller.Burst}
}

// Source is what counts as one source: an IPv4 address, or an IPv6 network of
// 64 bits, which is the least that one customer is given.
func Source(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	if addr = addr.Unmap(); addr.Is4() {
		return addr.String()
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return network.String()
}

// Network is the IPv6 network of 48 bits around an address: the most that one
// site is given (RFC 6177), 65,536 sources. It is "" for IPv4, whose neighbours
// are strangers to each other.
func Network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	if addr = addr.Unmap(); addr.Is4() {
		return ""
	}
	network, err := addr.WithZone("").Prefix(48)
	if err != nil {
		return ""
	}
	return network.String()
}

// Around is the limit of a network of 48 bits, by that of a source in it: an
// office is several of these, and a home is one.
func Around(source Limit) Limit {
	source.Burst *= 4
	return source
}

// Limits are those of a tier, as a function's environment has them.
type Limits struct{ Caller, Source Limit }

// Parse reads limits: "100/200 500/1000" is 100 a second and 200 at once of a
// caller, and 500 a second and 1000 at once of a source.
func Parse(text string) (Limits, error) {
	both := strings.Fields(text)
	if len(both) != 2 {
		return Limits{}, fmt.Errorf("%q is not two limits", text)
	}
	caller, err := ParseOne(both[0])
	if err != nil {
		return Limits{}, err
	}
	source, err := ParseOne(both[1])
	return Limits{Caller: caller, Source: source}, err
}

// ParseOne reads a limit: "100/200" is 100 a second and 200 at once.
func ParseOne(text string) (Limit, error) {
	rate, burst, _ := strings.Cut(text, "/")
	r, err := strconv.ParseFloat(rate, 64)
	b, wrong := strconv.Atoi(burst)
	if err != nil || wrong != nil || !(r > 0) || math.IsInf(r, 0) || b < 1 {
		return Limit{}, fmt.Errorf("%q is not a rate and a burst", text)
	}
	l := Limit{Burst: b, Period: time.Duration(float64(b) / r * float64(time.Second))}
	if l.Period < time.Duration(b)*time.Microsecond || l.Period > 24*time.Hour {
		return Limit{}, fmt.Errorf("%q cannot be counted", text)
	}
	return l, nil
}

// Open is a tier with these limits.
func (l Limits) Open(name string, leases *Leases, meter *Meter) Tier {
	return Tier{Name: name, Caller: l.Caller, Source: l.Source, Leases: leases, Meter: meter}
}

// NewLeases are leases for what stays open: nobody waits longer for the table,
// and once it did not answer nobody waits for a second.
func NewLeases(table dynamo.Table, within time.Duration) *Leases {
	return &Leases{Table: table, Now: time.Now, Within: within, Spare: time.Second}
}
