package statuspage

import (
	"cmp"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"pagefree/internal/platform/timestamp"
	"pagefree/internal/status"
)

// An Atom feed (RFC 4287) with an entry for each incident and maintenance.
type (
	atomFeed struct {
		XMLName  xml.Name       `xml:"http://www.w3.org/2005/Atom feed"`
		Lang     string         `xml:"xml:lang,attr"`
		ID       string         `xml:"id"`
		Title    string         `xml:"title"`
		Subtitle string         `xml:"subtitle"`
		Updated  timestamp.Time `xml:"updated"`
		Author   atomAuthor     `xml:"author"`
		Links    []atomLink     `xml:"link"`
		Entries  []atomEntry    `xml:"entry"`
	}
	atomAuthor struct {
		Name string `xml:"name"`
	}
	atomLink struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
		Href string `xml:"href,attr"`
	}
	atomEntry struct {
		ID        string         `xml:"id"`
		Title     string         `xml:"title"`
		Published timestamp.Time `xml:"published"`
		Updated   timestamp.Time `xml:"updated"`
		Link      atomLink       `xml:"link"`
		Category  atomCategory   `xml:"category"`
		Content   atomContent    `xml:"content"`
	}
	atomCategory struct {
		Term string `xml:"term,attr"`
	}
	atomContent struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	}
)

// maxEntries is how many entries a feed has, the newest.
const maxEntries = 50

// urn is an id of the whole world, which stays when addresses change: a UUID of
// our own making (RFC 9562, version 8).
func urn(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	b := sum[:16]
	b[6] = b[6]&0x0F | 0x80
	b[8] = b[8]&0x3F | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// feed holds no link with the feed's token in it.
func (p *Pages) feed(l look) (answer, error) {
	v := fit(l.View)
	here := "/status/" + v.Slug
	f := atomFeed{
		Lang: "en", ID: urn("feed", v.Slug), Title: v.Name, Subtitle: v.Summary, Updated: v.UpdatedAt, Author: atomAuthor{v.Name},
		Links: []atomLink{
			{"self", atomMedia, p.Origin.URL(here + "/feed.atom")},
			{"alternate", "text/html", p.Origin.URL(here)},
		},
	}
	for _, list := range [][]status.ViewIncident{v.Incidents, v.Past} {
		for _, i := range list {
			f.Entries = append(f.Entries, atomEntry{
				ID: urn(i.ID), Title: i.Title, Published: i.StartedAt, Updated: i.UpdatedAt, Category: atomCategory{"incident"},
				Link: atomLink{"alternate", "text/html", p.Origin.URL(here + "/incidents/" + i.ID)}, Content: atomContent{"html", incidentText(i, v.Zone)},
			})
		}
	}
	for _, list := range [][]status.ViewMaintenance{v.Maintenances, v.Done} {
		for _, m := range list {
			f.Entries = append(f.Entries, atomEntry{
				ID: urn(m.ID), Title: m.Title, Published: m.CreatedAt, Updated: m.UpdatedAt, Category: atomCategory{"maintenance"},
				Link: atomLink{"alternate", "text/html", p.Origin.URL(here + "#" + m.ID)}, Content: atomContent{"html", maintenanceText(m, v.Zone)},
			})
		}
	}
	slices.SortStableFunc(f.Entries, func(a, b atomEntry) int {
		return cmp.Or(b.Updated.Compare(a.Updated.Time), cmp.Compare(b.ID, a.ID))
	})
	f.Entries = f.Entries[:min(len(f.Entries), maxEntries)]
	body, err := xml.MarshalIndent(f, "", " ")
	return answer{media: atomMedia + "; charset=utf-8", body: append([]byte(xml.Header), body...)}, err
}

const atomMedia = "application/atom+xml"

func incidentText(i status.ViewIncident, zone *time.Location) string {
	var b strings.Builder
	for _, u := range i.Updates {
		said(&b, incidentWords[u.Status], u.At, u.Body, u.More, zone)
	}
	return b.String() + affected(i.Components)
}

func maintenanceText(m status.ViewMaintenance, zone *time.Location) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<p>From %s to %s</p>\n", clock(m.StartsAt.In(zone)), clock(m.EndsAt.In(zone)))
	for _, u := range m.Updates {
		said(&b, maintenanceWords[u.Status], u.At, u.Body, u.More, zone)
	}
	said(&b, maintenanceWords[status.Scheduled], m.CreatedAt, m.Body, m.More, zone)
	return b.String() + affected(m.Components)
}

func said(b *strings.Builder, word string, at timestamp.Time, body string, more bool, zone *time.Location) {
	fmt.Fprintf(b, "<p><strong>%s</strong> %s</p>\n%s", word, clock(at.In(zone)), markdown.HTML(body))
	if more {
		b.WriteString("<p>This goes on at the page.</p>\n")
	}
}

func affected(list []status.ViewTouched) string {
	if len(list) == 0 {
		return ""
	}
	var names []string
	for _, t := range list {
		names = append(names, template.HTMLEscapeString(t.Name))
	}
	return "<p>Affected: " + strings.Join(names, ", ") + "</p>\n"
}
