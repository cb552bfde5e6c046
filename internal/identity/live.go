package identity

import (
	"context"
	"strings"
	"time"

	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/principal"
)

// Sessions looks staff sessions up for those who hold a connection open and
// have no request that the authorizer would see. Looking is not using: a
// session that only a socket holds on to ends of itself.
type Sessions struct {
	Store Store
	Idle  time.Duration
	Now   func() time.Time
}

// Look returns the sessions that hold, by their hash. All others are left out,
// whatever ended them.
func (s Sessions) Look(ctx context.Context, hashes []string) (map[string]principal.Live, error) {
	sessions, err := s.Store.sessions(ctx, hashes)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, one := range sessions {
		ids = append(ids, one.UserID)
	}
	users, err := s.Store.users(ctx, ids)
	if err != nil {
		return nil, err
	}
	now, live := s.Now(), make(map[string]principal.Live, len(sessions))
	for _, one := range sessions {
		if u, found := users[one.UserID]; found && one.Kind == Staff && one.live(u, now, s.Idle) {
			live[one.Hash] = principal.Live{Principal: one.principal(u), Until: one.until(s.Idle)}
		}
	}
	return live, nil
}

// until is when a staff session ends if nobody uses it any more.
func (s Session) until(idle time.Duration) time.Time {
	if unused := s.SeenAt.Add(idle); unused.Before(s.ExpiresAt.Time) {
		return unused
	}
	return s.ExpiresAt.Time
}

// sessions reads many sessions, by hash.
func (s Store) sessions(ctx context.Context, hashes []string) ([]Session, error) {
	wanted := make([]dynamo.Key, len(hashes))
	for i, h := range hashes {
		wanted[i] = sessionKey(h)
	}
	items, err := dynamo.GetAll[sessionItem](ctx, s.Ephemeral, wanted)
	found := make([]Session, len(items))
	for i, item := range items {
		found[i] = item.Session
		found[i].Hash = strings.TrimPrefix(item.PK, sessionKey("").PK)
	}
	return found, err
}
