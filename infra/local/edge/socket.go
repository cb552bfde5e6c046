package edge

import (
	"net/http"
	"slices"

	"pagefree/infra/local/template"
)

// upgrades are the headers that CloudFront hands on where a socket opens, and keeps to itself otherwise.
var upgrades = []string{"Connection", "Upgrade"}

// socket hands the opening of a socket on to the WebSocket API, as any request goes on; what follows passes unseen.
func (e *Edge) socket(w http.ResponseWriter, r *http.Request, b template.Behavior) {
	if !slices.Contains(b.Methods, r.Method) {
		e.finish(w, r, b, own(http.StatusForbidden, failed, "This distribution is not configured to allow the HTTP request method that was used for this request."))
		return
	}
	viewer := r
	if f := e.functions[b.ViewerRequest]; f != nil {
		var instead *answer
		var err error
		if viewer, instead, err = f.run(r, e.d); err != nil {
			e.opts.Log.Error("edge function", "path", r.URL.Path, "cause", err.Error())
			instead = own(http.StatusServiceUnavailable, broken, "The function failed.")
		}
		if instead != nil {
			e.finish(w, r, b, instead)
			return
		}
	}
	out := e.toOrigin(viewer, b)
	for _, name := range upgrades {
		if value := r.Header.Get(name); value != "" {
			out.Header.Set(name, value)
		}
	}
	out.Host = e.d.SocketDomain
	out.URL.Path, out.URL.RawPath = viewer.URL.Path, viewer.URL.RawPath
	out.RequestURI = out.URL.RequestURI()
	e.opts.Sockets.ServeHTTP(w, out)
}
