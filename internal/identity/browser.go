package identity

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"
	"unicode"

	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/ratelimit"
	"pagefree/internal/platform/token"
)

// Whoever has somebody open a link that they themselves asked for must not be
// signed in by it, nor sign the other one in. So a link that is asked for at the
// sign-in page opens in that browser only, which has a secret in a cookie; any
// other shows a code, which the link's secret makes, to be typed into the first.

// CodeInvalid is the code of a code that signs nobody in in this browser.
const CodeInvalid problem.Code = "code_invalid"

// perBrowser limits tries of a code: 40 bits are not to be guessed at ten a
// quarter of an hour. A browser is as new as its cookie says, so that what one
// source tries in all is limited before, by perSource.
var perBrowser = ratelimit.Limit{Burst: 10, Period: 15 * time.Minute}

// BrowserSecret is the secret of a browser: the one that its cookie has, if it
// is one, else a new one.
func BrowserSecret(r *http.Request) string {
	if c, err := r.Cookie(BrowserCookie); err == nil {
		if kind, ok := token.KindOf(c.Value); ok && kind == token.Browser {
			return c.Value
		}
	}
	return token.New(token.Browser)
}

// KeepBrowser is the cookie that keeps a browser's secret for as long as a link is good for.
func KeepBrowser(secret string) *http.Cookie {
	return cookie(BrowserCookie, secret, int(LinkLife/time.Second))
}

// letters of a code: those that are hard to tell apart (0 O, 1 I) are left out.
const letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

const codeLength = 8

// codeOf is the code of a link, as it is stored and compared.
func codeOf(secret string) string {
	sum := sha256.Sum256([]byte("code of " + secret))
	code := make([]byte, codeLength)
	for i := range code {
		code[i] = letters[int(sum[i])%len(letters)]
	}
	return string(code)
}

// grouped is a code as people read it.
func grouped(code string) string { return code[:codeLength/2] + "-" + code[codeLength/2:] }

// cleanCode is a code as people type it, "" for what is none.
func cleanCode(typed string) string {
	code := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, typed)
	if len(code) != codeLength || strings.Trim(code, letters) != "" {
		return ""
	}
	return code
}

func codeInvalid(detail string) error {
	return problem.New(http.StatusUnprocessableEntity, CodeInvalid, "%s", detail)
}

// VerifyCode is Verify by the code of a link that the same browser asked for.
// Codes beside those of Verify: code_invalid, and rate_limited after ten tries
// in one browser, or 60 from one source.
func (s *SignIn) VerifyCode(ctx context.Context, typed, browser string) (Opened, error) {
	if kind, ok := token.KindOf(browser); !ok || kind != token.Browser {
		return Opened{}, codeInvalid("This browser asked for no link in the last 15 minutes. Codes are typed where the link was asked for.")
	}
	hash := token.Hash(browser)
	if _, _, err := s.from(ctx, "code", principal.OriginOf(ctx).IP); err != nil {
		return Opened{}, err
	}
	tried, err := s.Limiter.TakeExact(ctx, "signin#code#"+hash, perBrowser)
	if err != nil {
		return Opened{}, uncounted(err)
	}
	if !tried.Allowed {
		return Opened{}, tried.Refusal()
	}
	const wrong = "This is not the code. Look at it once more where you opened the link."
	code := cleanCode(typed)
	if code == "" {
		return Opened{}, codeInvalid(wrong)
	}
	link, found, err := s.Store.linkByCode(ctx, hash, code)
	if err != nil {
		return Opened{}, err
	}
	if !found {
		return Opened{}, codeInvalid(wrong)
	}
	return s.open(ctx, link, browser)
}

// Looked is what a link or an invitation shows before anything is done with it.
type Looked struct {
	Email string // whom a link signs in, or an invitation invited; "" for a link that never was
	Code  string // of a link that was asked for in another browser: what to type there
	Page  string // of an invitation: the name of the status page
}

// Look reads a link or an invitation, and changes nothing. A link that never
// was looks like any but for its address: using it tells. Codes: link_used,
// link_expired, and those of AskInvited.
func (s *SignIn) Look(ctx context.Context, secret, browser string) (Looked, error) {
	if kind, _ := token.KindOf(secret); kind == token.Invite {
		i, at, err := s.invitation(ctx, secret)
		if err != nil {
			return Looked{}, err
		}
		return Looked{Email: i.Email, Page: at.PageName}, nil
	}
	l, found, err := s.Store.link(ctx, token.Hash(secret))
	if err != nil || !found {
		return Looked{}, err
	}
	if err := l.usable(s.Now()); err != nil {
		return Looked{}, err
	}
	seen := Looked{Email: l.Email}
	if !l.opensIn(browser) {
		seen.Code = grouped(codeOf(secret))
	}
	return seen, nil
}
