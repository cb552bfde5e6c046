package chromium

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Options are how a test's browser differs from others.
type Options struct {
	At       string                 // address that Open puts before each path
	Lasts    time.Duration          // all that the test does with it, 2 minutes unless told
	Waits    time.Duration          // the longest that Until waits, 20 seconds unless told
	Forgives []func(event any) bool // which complaints are none
	Tells    func(complaint string) // takes the other complaints, which fail the test unless told
	Hears    func(event any)        // is told of all that happens, besides
	Explains string                 // JavaScript for a text, which is told when Until waited in vain
}

// Refusals are answers of 400 and more, and none at all, which a browser's console complains of.
func Refusals(event any) bool {
	e, ok := event.(*log.EventEntryAdded)
	return ok && e.Entry.Source == log.EntrySourceNetwork
}

// Sockets are those that were refused or cut: an error of the script's to Chromium, and one of the network's in what it says.
func Sockets(event any) bool {
	e, ok := event.(*log.EventEntryAdded)
	return ok && strings.Contains(e.Entry.Text, "WebSocket connection to")
}

// Transitions are pages that were left in the middle of one.
func Transitions(event any) bool {
	e, ok := event.(*runtime.EventExceptionThrown)
	return ok && e.ExceptionDetails.Exception != nil && strings.Contains(e.ExceptionDetails.Exception.Description, "ViewTransition")
}

// complaint is what is wrong with a page by one of its events: a script that failed, or an error in the console, a violated
// Content-Security-Policy among them. It is "" where nothing is.
func (o Options) complaint(event any) string {
	for _, forgiven := range o.Forgives {
		if forgiven(event) {
			return ""
		}
	}
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			return fmt.Sprintf("the console says: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		return "a script failed: " + (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error()
	}
	return ""
}

// Tab is the one page of a fresh browser, which ends with the test.
type Tab struct {
	*testing.T                 // whom failures are of; a test within it may put itself here
	Ctx        context.Context // of chromedp's steps

	options Options
}

// New starts a test's browser, in which any complaint of a page fails the test but for those that it forgives.
func New(t *testing.T, o Options) *Tab {
	t.Helper()
	o.Lasts, o.Waits = cmp.Or(o.Lasts, 2*time.Minute), cmp.Or(o.Waits, 20*time.Second)
	if o.Tells == nil {
		o.Tells = func(complaint string) { t.Error(complaint) }
	}
	b := &Tab{T: t, options: o}
	profile := t.TempDir() // before anything that ends the browser, since what is to be cleaned up last has to be made first
	ctx, cancel := context.WithTimeout(t.Context(), o.Lasts)
	t.Cleanup(cancel)
	tab, stop, err := Start(ctx, profile, func(event any) {
		if complaint := o.complaint(event); complaint != "" {
			o.Tells(complaint)
		}
		if o.Hears != nil {
			o.Hears(event)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	b.Ctx = tab
	return b
}

// Do takes steps.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.Ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// Open goes to a path and waits until the page is loaded.
func (b *Tab) Open(path string) {
	b.Helper()
	if err := chromedp.Do(b.Ctx, chromedp.Navigate(b.options.At+path)); err != nil {
		b.Fatalf("%s: %v", path, err)
	}
}

// Eval is what JavaScript, or the promise that it makes, comes to: a text as it is, and anything else as JSON. What comes to
// nothing at all fails the test.
func (b *Tab) Eval(expression string) string {
	b.Helper()
	said, err := eval(b.Ctx, expression)
	if err != nil {
		b.Fatalf("%.2000s: %v", expression, err)
	}
	return said
}

func eval(ctx context.Context, expression string) (string, error) {
	out, err := chromedp.Run(ctx, chromedp.Evaluate[any](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		return "", err
	}
	switch out := out.(type) {
	case nil:
		return "", chromedp.ErrJSNull
	case string:
		return out, nil
	}
	raw, err := json.Marshal(out)
	return string(raw), err
}

// Until waits until JavaScript, or the promise that it makes, comes to true, in the page that is there or in one that it
// leads to. Between two pages there is nobody to answer, and a page that is on its way may lack what the expression asks:
// whatever goes wrong is asked again.
func (b *Tab) Until(expression string) {
	b.Helper()
	end := time.Now().Add(b.options.Waits)
	for {
		left := max(time.Until(end), time.Millisecond) // 0 would be for ever
		_, err := chromedp.Run(b.Ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(left)))
		if err == nil {
			return
		}
		if time.Now().Before(end) {
			select {
			case <-b.Ctx.Done():
			case <-time.After(20 * time.Millisecond):
				continue
			}
		}
		b.Fatalf("%s does not become true: %v; %s", expression, err, b.shown())
	}
}

// shown is what there is to see, for somebody who looks for what went wrong.
func (b *Tab) shown() string {
	text, err := eval(b.Ctx, `document.body ? document.body.innerText : ""`)
	if err != nil {
		return fmt.Sprintf("the page shows nothing: %v", err)
	}
	text = fmt.Sprintf("the page shows %q", text)
	if b.options.Explains != "" {
		more, err := eval(b.Ctx, b.options.Explains)
		text += fmt.Sprintf(", and there is %q %v", more, err)
	}
	return text
}
